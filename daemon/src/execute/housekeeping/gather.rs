//! What is there: from the record, and from the disk where only that knows.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use wharf_config::name::ProjectName;

use super::super::failure::Failure;
use super::super::world::World;
use super::caches::Look;
use crate::plan::retention::{Cache, Data, Log, Stock};
use crate::store::now;
use crate::store::paths::Paths;
use crate::store::stock::View;

/// Whether caches are measured: it takes a look at each of their files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sizes {
    Measured,
    Unknown,
}

/// The releases and slugs of an environment, or of all.
///
/// # Errors
/// When the record cannot be read.
pub(super) async fn releases(world: &World, view: &View) -> Result<Stock, Failure> {
    let (releases, slugs) = world.recorder.stock(view).await?;
    Ok(Stock {
        releases,
        slugs,
        ..Stock::default()
    })
}

/// Everything on the host.
///
/// # Errors
/// When the record or a directory cannot be read.
pub(super) async fn all(world: &World, sizes: Sizes) -> Result<Stock, Failure> {
    let mut stock = releases(world, &View::default()).await?;
    let (caches, logs, data) = tokio::task::block_in_place(|| {
        Ok((
            caches(world, sizes)?,
            logs(&world.paths)?,
            data(&world.paths)?,
        ))
    })
    .map_err(|error: io::Error| Failure::host("cannot look at the state", &error))?;
    (stock.caches, stock.data) = (caches, data);
    // After the directory: an activity is recorded before its log is begun.
    let open: BTreeSet<String> = world
        .recorder
        .unfinished()
        .await?
        .into_iter()
        .map(|task| task.id)
        .collect();
    stock.logs = logs
        .into_iter()
        .map(|log| Log {
            held: open.contains(&log.activity),
            ..log
        })
        .collect();
    let keep = &world.settings().host.keep;
    if let Some(age) = keep.records {
        let age = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        let before = now().saturating_sub(age);
        stock.records = world.recorder.old_records(before).await?;
    }
    for data in &mut stock.data {
        data.since = record_of(world, data).await?.0;
    }
    Ok(stock)
}

/// Data of a deleted environment that is still there.
#[derive(Debug)]
pub struct KeptData {
    /// Whose it was, such as `shop@side`; none where no record says it.
    pub of: Option<String>,
    /// Where it is.
    pub path: PathBuf,
    /// Since when, in milliseconds since 1970-01-01 UTC.
    pub since: u64,
}

/// All data of deleted environments.
///
/// # Errors
/// When the record or a directory cannot be read.
pub async fn kept_data(world: &World) -> Result<Vec<KeptData>, Failure> {
    let found = tokio::task::block_in_place(|| data(&world.paths))
        .map_err(|error| Failure::host("cannot look at the state", &error))?;
    let mut kept = Vec::with_capacity(found.len());
    for data in found {
        let (since, of) = record_of(world, &data).await?;
        let path = world.paths.kept(&data.activity);
        kept.push(KeptData { of, path, since });
    }
    Ok(kept)
}

/// Since when data is kept, and whose it was. The directory's own time is that of the environment's
/// last new mount where an earlier version put it aside.
async fn record_of(world: &World, data: &Data) -> Result<(u64, Option<String>), Failure> {
    let Some(record) = world.recorder.activity(&data.activity).await? else {
        return Ok((data.since, None));
    };
    let of = format!("{}@{}", record.project, record.environment);
    Ok((data.since.max(record.ended.unwrap_or_default()), Some(of)))
}

fn caches(world: &World, sizes: Sizes) -> io::Result<Vec<Cache>> {
    let mut caches = Vec::new();
    for name in names(&world.paths.caches())? {
        let Ok(project) = ProjectName::parse(&name) else {
            continue;
        };
        for trust_domain in names(&world.paths.caches().join(project.as_str()))? {
            let path = world.paths.cache(&project, &trust_domain);
            let Look { used, bytes, held } = match sizes {
                Sizes::Measured => world.caches.look(&path)?,
                Sizes::Unknown => world.caches.glance(&path)?,
            };
            caches.push(Cache {
                project: project.clone(),
                trust_domain,
                bytes,
                used: milliseconds(used),
                held,
            });
        }
    }
    Ok(caches)
}

/// Logs, by the activity that their files are named after.
fn logs(paths: &Paths) -> io::Result<Vec<Log>> {
    let mut logs: BTreeMap<String, Log> = BTreeMap::new();
    for name in names(&paths.logs())? {
        let activity = name.split('.').next().unwrap_or_default().to_owned();
        let metadata = match paths.logs().join(&name).symlink_metadata() {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let log = logs.entry(activity.clone()).or_insert(Log {
            activity,
            bytes: 0,
            written: 0,
            held: false,
        });
        log.bytes += metadata.len();
        log.written = log.written.max(milliseconds(metadata.modified()?));
    }
    Ok(logs.into_values().collect())
}

fn data(paths: &Paths) -> io::Result<Vec<Data>> {
    let mut data = Vec::new();
    for activity in names(&paths.all_kept())? {
        let metadata = paths.kept(&activity).symlink_metadata()?;
        data.push(Data {
            since: milliseconds(metadata.modified()?),
            activity,
        });
    }
    Ok(data)
}

/// Names in a directory of ours, without those that are going. The directory need not be there.
pub(in crate::execute) fn names(directory: &Path) -> io::Result<Vec<String>> {
    let entries = match crate::disk::entries(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        if let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) {
            names.push(name.to_owned());
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn milliseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
