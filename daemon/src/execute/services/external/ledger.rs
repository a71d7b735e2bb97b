//! Which databases were made in instances of the operator's, and for whom: written down before they are there, and
//! until they are gone. What is not in here Wharf has not made, and never takes away.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::OFlags;
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use wharf_config::host::Instance;
use wharf_config::name::ProcessName;

use super::client;
use crate::disk::{self, DiskError};
use crate::execute::failure::chain;
use crate::execute::world::World;
use crate::plan::services::external as plan;
use crate::store::environment::EnvironmentKey;
use crate::store::paths::Paths;

/// Bytes of one of these files, at most.
const MOST: u64 = 4096;
/// What nothing names yet may be about to be named.
const FRESH: Duration = Duration::from_secs(24 * 60 * 60);

/// In a service's directory: which database is its own.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pointer {
    pub(super) instance: ProcessName,
    pub(super) database: String,
}

/// For whom a database was made, in a file of its name.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    instance: ProcessName,
    project: String,
    environment: String,
    service: ProcessName,
}

impl Pointer {
    /// None where the directory names no database. It is read as what may be hostile.
    pub(super) fn read(directory: &Path) -> io::Result<Option<Pointer>> {
        let pointer: Option<Pointer> = read(&Paths::database_of(directory))?;
        match pointer {
            Some(pointer) if !plan::is_name(&pointer.database) => {
                Err(invalid("it names what is no database of Wharf's"))
            }
            pointer => Ok(pointer),
        }
    }

    pub(super) fn write(&self, directory: &Path) -> Result<(), DiskError> {
        let text = serde_json::to_vec(self).expect("plain data");
        disk::atomic_write(&Paths::database_of(directory), &text, 0o600)
    }
}

impl Entry {
    pub(super) fn of(instance: &Instance, key: &EnvironmentKey, service: &ProcessName) -> Entry {
        Entry {
            instance: instance.name.clone(),
            project: key.project.to_string(),
            environment: key.id.to_string(),
            service: service.clone(),
        }
    }

    pub(super) fn is_of(&self, key: &EnvironmentKey, service: &ProcessName) -> bool {
        self.project == key.project.as_str()
            && self.environment == key.id.as_str()
            && self.service == *service
    }

    pub(super) fn read(paths: &Paths, database: &str) -> io::Result<Option<Entry>> {
        read(&paths.external_database(database))
    }

    pub(super) fn write(&self, paths: &Paths, database: &str) -> Result<(), DiskError> {
        disk::make_directory(&paths.external_databases())?;
        let text = serde_json::to_vec(self).expect("plain data");
        disk::atomic_write(&paths.external_database(database), &text, 0o600)
    }
}

fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> io::Result<Option<T>> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).expect("flags are an int");
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(path);
    let file: File = match opened {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => {
            return Err(invalid("it is a link"));
        }
        opened => opened?,
    };
    if !file.metadata()?.is_file() {
        return Err(invalid("it is no file"));
    }
    let mut text = Vec::new();
    file.take(MOST).read_to_end(&mut text)?;
    let read = serde_json::from_slice(&text);
    read.map(Some).map_err(|error| invalid(&error.to_string()))
}

/// What is there was not written by us.
fn invalid(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// Takes away what nothing names any more: neither an environment's data nor what is kept of one.
pub(in crate::execute) async fn sweep(world: &World) {
    let looked = tokio::task::block_in_place(|| {
        let all = made(&world.paths)?;
        // After the list: what comes meanwhile is not on it.
        let named = match all.is_empty() {
            true => BTreeSet::new(),
            false => named(&world.paths)?,
        };
        Ok::<_, io::Error>((all, named))
    });
    let (all, named) = match looked {
        Ok(looked) => looked,
        Err(error) => return tracing::warn!(error = chain(&error), "databases are not looked at"),
    };
    for database in all.difference(&named) {
        drop_one(world, database).await;
    }
}

/// Those that are not fresh.
fn made(paths: &Paths) -> io::Result<BTreeSet<String>> {
    let entries = match disk::entries(&paths.external_databases()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        entries => entries?,
    };
    let mut made = BTreeSet::new();
    for entry in entries {
        let entry = entry?;
        let since = entry.metadata()?.modified()?.elapsed();
        let name = entry.file_name();
        let name = name.to_str().and_then(|name| name.strip_suffix(".json"));
        let name = name.filter(|name| plan::is_name(name));
        made.extend(
            name.filter(|_| since.is_ok_and(|since| since >= FRESH))
                .map(str::to_owned),
        );
    }
    Ok(made)
}

/// What any directory of services names, wherever it may be on its way.
fn named(paths: &Paths) -> io::Result<BTreeSet<String>> {
    let mut tops = Vec::new();
    for project in below(&paths.all_mounts())? {
        for environment in below(&project)? {
            tops.extend(
                below(&environment)?
                    .into_iter()
                    .filter(|path| is_moving(path)),
            );
            tops.push(environment);
        }
    }
    tops.extend(below(&paths.all_kept())?);
    tops.extend(below(&paths.builds())?);
    let mut named = BTreeSet::new();
    for top in tops {
        for directory in below(&Paths::services_of(&top))? {
            match Pointer::read(&directory) {
                // A service of another kind holds what it likes.
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {}
                pointer => named.extend(pointer?.map(|pointer| pointer.database)),
            }
        }
    }
    Ok(named)
}

/// What is arriving or going beside an environment's data.
fn is_moving(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    name.as_encoded_bytes().starts_with(b".")
}

fn below(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match disk::entries(directory) {
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(Vec::new());
        }
        entries => entries?,
    };
    entries.map(|entry| Ok(entry?.path())).collect()
}

/// Takes one away that Wharf has made. Where its instance does not answer it stays, and is tried again.
pub(super) async fn drop_one(world: &World, database: &str) {
    let entry = tokio::task::block_in_place(|| Entry::read(&world.paths, database));
    let entry = match entry {
        Ok(Some(entry)) => entry,
        Ok(None) => return,
        Err(error) => {
            return tracing::warn!(database, error = chain(&error), "a database stays");
        }
    };
    let settings = world.settings();
    let mut declared = settings.host.services.iter();
    let Some(instance) = declared.find(|one| one.name == entry.instance) else {
        let instance = entry.instance.as_str();
        return tracing::warn!(
            database,
            instance,
            "a database stays: its instance is not named"
        );
    };
    let told = client::tell(world, instance, plan::drop(instance, database), None).await;
    let gone = match told {
        Ok(_) => {
            let path = world.paths.external_database(database);
            tokio::task::block_in_place(|| disk::remove_file(&path))
        }
        Err(failure) => {
            let error = failure.reason.message;
            return tracing::warn!(database, error, "a database stays");
        }
    };
    match gone {
        Ok(()) => tracing::info!(
            WHARF_PROJECT = entry.project,
            WHARF_ENVIRONMENT = entry.environment,
            "database {database} is gone from instance {}",
            entry.instance
        ),
        Err(error) => tracing::warn!(database, error = chain(&error), "it is still written down"),
    }
}
