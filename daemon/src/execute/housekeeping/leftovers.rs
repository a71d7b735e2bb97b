//! What no record tells of: left by deaths in the middle of things.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::time::Duration;

use wharf_config::name::{EnvironmentId, ProjectName};

use super::super::failure::{Failure, chain};
use super::super::world::World;
use super::super::{dumps, launch, numbers};
use super::gather::names;
use crate::disk;
use crate::store::StoreError;
use crate::store::environment::EnvironmentKey;
use crate::store::paths::Paths;

/// A hook writes its file in milliseconds.
const STALE: Duration = Duration::from_secs(3600);

/// What a new daemon removes before it begins: work directories of builds, half-made slugs that were
/// never recorded, what was going or had not come whole, jobs and outputs of processes that are not recorded, and
/// processes whose end was recorded before all of it was tidied up.
///
/// # Errors
/// When a directory cannot be read; a leftover that cannot be removed is only warned about.
pub async fn sweep(world: &World) -> io::Result<()> {
    let paths = &world.paths;
    for entry in crate::disk::entries(&paths.builds())? {
        remove(&entry?.path());
    }
    let mut slugs = Vec::new();
    for entry in crate::disk::entries(&paths.slugs())? {
        slugs.push(entry?.path());
    }
    for path in slugs {
        if let Some(key) = path.file_name().and_then(|name| name.to_str())
            && matches!(world.recorder.slug(key).await, Ok(None))
        {
            remove(&path);
        }
    }
    sweep_going(&paths.all_kept())?;
    for project in names(&paths.caches())? {
        sweep_going(&paths.caches().join(project))?;
    }
    let wanted = dumps::wanted(world).await;
    for project in names(&paths.all_mounts())? {
        let project = paths.all_mounts().join(project);
        for environment in names(&project)? {
            let environment = project.join(environment);
            sweep_going(&environment)?;
            if let Ok(wanted) = &wanted {
                sweep_dumps(&environment, wanted)?;
            }
        }
    }
    for directory in [paths.state(), paths.routes(), paths.jobs()] {
        sweep_unwritten(
            &directory,
            |name| name.starts_with(disk::UNWRITTEN),
            Duration::ZERO,
        )?;
    }
    // A hook may be at work on one at this moment.
    sweep_unwritten(&paths.spool(), |name| name.ends_with(".new"), STALE)?;
    match instances(world).await {
        Ok(recorded) => sweep_processes(world, &recorded).await?,
        Err(error) => tracing::warn!(error = chain(&error), "not swept"),
    }
    if let Err(failure) = tidy(world).await {
        tracing::warn!(error = failure.reason.message, "not swept");
    }
    Ok(())
}

/// Directories that were on their way out.
fn sweep_going(directory: &Path) -> io::Result<()> {
    let entries = match crate::disk::entries(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if Paths::is_going(&entry.file_name()) {
            remove(&entry.path());
        }
    }
    Ok(())
}

/// Dumps that nobody is to read in any more.
fn sweep_dumps(directory: &Path, wanted: &BTreeSet<String>) -> io::Result<()> {
    for entry in crate::disk::entries(directory)? {
        let (name, path) = entry.map(|entry| (entry.file_name(), entry.path()))?;
        if Paths::is_dump(&name) && !wanted.contains(&*name.to_string_lossy()) {
            remove(&path);
        }
    }
    Ok(())
}

/// Files that were never moved to their names, and will not be.
fn sweep_unwritten(
    directory: &Path,
    is_one: impl Fn(&str) -> bool,
    age: Duration,
) -> io::Result<()> {
    for entry in crate::disk::entries(directory)? {
        let entry = entry?;
        if !is_one(&entry.file_name().to_string_lossy()) {
            continue;
        }
        // It may just have got its name.
        let written = entry.metadata().and_then(|metadata| metadata.modified());
        let is_old = written.is_ok_and(|at| at.elapsed().is_ok_and(|since| since >= age));
        if is_old {
            remove(&entry.path());
        }
    }
    Ok(())
}

/// All that may run: processes of releases, and services.
async fn instances(world: &World) -> Result<BTreeSet<String>, StoreError> {
    let processes = world.recorder.processes().await?.into_iter();
    let services = world.recorder.services().await?.into_iter();
    let services = services.filter_map(|service| service.instance);
    Ok(processes
        .map(|process| process.instance)
        .chain(services)
        .collect())
}

/// Nothing runs yet but what is recorded.
async fn sweep_processes(world: &World, recorded: &BTreeSet<String>) -> io::Result<()> {
    let is_recorded = |id: &str| recorded.contains(id);
    for id in world.keepers.instances()? {
        if is_recorded(id.as_str()) {
            continue;
        }
        let stopped = launch::stop_instance(world, id.as_str(), None, launch::GRACE).await;
        if let Err(failure) = stopped {
            tracing::warn!(instance = %id, error = failure.reason.message, "not swept");
        }
    }
    for name in names(&world.paths.jobs())? {
        let id = name.strip_suffix(".json").unwrap_or(&name);
        if !is_recorded(id) {
            remove(&world.paths.jobs().join(&name));
        }
    }
    for name in names(&world.paths.outputs())? {
        let id = [".log", ".log.1", ".exit"]
            .iter()
            .find_map(|ending| name.strip_suffix(ending));
        if !is_recorded(id.unwrap_or(&name)) {
            remove(&world.paths.outputs().join(&name));
        }
    }
    for name in names(&world.paths.sockets())? {
        if !is_recorded(&name) {
            remove(&world.paths.sockets().join(&name));
        }
    }
    for name in names(&world.paths.all_service_sockets())? {
        if Paths::is_scratch_sockets(&name) {
            remove(&world.paths.all_service_sockets().join(&name));
        }
    }
    Ok(())
}

/// Removes directories of releases that cannot serve: those that failed, and those whose removal
/// was not finished. Also while activities go on: a release is recorded before its directory is
/// made. What an older record that was restored does not know stays until the environment's numbers
/// are past it: nothing else says that its number was given.
///
/// # Errors
/// When a directory or the record cannot be read.
pub(super) async fn tidy(world: &World) -> Result<(), Failure> {
    let there = tokio::task::block_in_place(|| release_directories(&world.paths))
        .map_err(|error| Failure::host("cannot look at the releases", &error))?;
    let numbers = world.recorder.release_numbers().await?;
    for (key, number) in there {
        if numbers.is_over(&key, number) {
            remove(&world.paths.release(&key.project, &key.id, number));
        }
    }
    Ok(())
}

fn release_directories(paths: &Paths) -> io::Result<Vec<(EnvironmentKey, u32)>> {
    let mut found = Vec::new();
    for project in names(&paths.all_releases())? {
        let Ok(project) = ProjectName::parse(&project) else {
            continue;
        };
        for id in names(&paths.all_releases().join(project.as_str()))? {
            let Ok(id) = EnvironmentId::parse(&id) else {
                continue;
            };
            let key = EnvironmentKey {
                project: project.clone(),
                id,
            };
            let numbers = numbers::directories(paths, &key)?.into_iter();
            found.extend(numbers.map(|number| (key.clone(), number)));
        }
    }
    Ok(found)
}

fn remove(path: &Path) {
    let removed = match path.is_dir() {
        true => disk::remove_tree(path),
        false => disk::remove_file(path),
    };
    if let Err(error) = removed {
        tracing::warn!(path = %path.display(), error = chain(&error), "not swept");
    }
}
