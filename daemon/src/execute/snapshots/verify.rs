//! Looking whether what is in a repository can be restored.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};
use wharf_config::application::Application;

use super::super::activity::Act;
use super::super::arrival::{mounts_in, services_in};
use super::super::failure::Failure;
use super::super::services::external::discard_all;
use super::super::services::{as_it_stands, fill};
use super::part::{self, Sink};
use super::repository::{self, For, Repository};
use crate::disk;
use crate::fail;
use crate::store::insist::insist;
use crate::store::snapshot::SnapshotRecord;

/// File systems tell the time less exactly than the clock does.
const SLACK: Duration = Duration::from_secs(3);

/// Looks at a repository to which something was added since then: restic walks over all that its
/// snapshots name, and each file that is new is read and held against its name, which is its digest.
///
/// # Errors
/// That something is wrong with it.
pub(super) async fn added(
    act: &Act,
    repository: &Repository<'_>,
    since: SystemTime,
) -> Result<(), Failure> {
    // Its own lock would keep away whoever adds meanwhile; ours keeps away who removes. It lists the snapshots before it
    // reads the index, so that it looks for nothing that is still on its way.
    let words = ["check", "--with-cache", "--no-lock"];
    let said = repository.run(&words).await?;
    if !said.is_good() {
        return Err(damaged(said.failure(
            "snapshot-failed",
            "the repository of snapshots is damaged",
        )));
    }
    let Some(directory) = repository.directory().map(Path::to_owned) else {
        // Elsewhere each file's arrival was confirmed with a digest, or by ssh's own.
        return Ok(());
    };
    let stop = std::sync::Arc::new(AtomicBool::new(false));
    let seen = std::sync::Arc::clone(&stop);
    let mut reading = tokio::task::spawn_blocking(move || rotten(&directory, since, &seen));
    let found = tokio::select! {
        found = &mut reading => found,
        () = act.cancel.cancelled() => {
            stop.store(true, Ordering::Relaxed);
            reading.await.map(|_| Ok(None))
        }
    };
    let failed = |error: &(dyn std::error::Error + 'static)| {
        Failure::host("cannot read the repository of snapshots", error)
    };
    let found = found.map_err(|error| failed(&error))?;
    if act.cancel.is_cancelled() {
        return Err(Failure::cancelled());
    }
    match found.map_err(|error| failed(&error))? {
        None => Ok(()),
        Some(path) => {
            let message = format!("{} is not what was written", path.display());
            Err(damaged(Failure::new("snapshot-failed", message)))
        }
    }
}

fn damaged(failure: Failure) -> Failure {
    failure.hint("the host's operator looks at the disk below snapshots.store")
}

/// A file of data, written since then, that is not what its name says.
fn rotten(repository: &Path, since: SystemTime, stop: &AtomicBool) -> io::Result<Option<PathBuf>> {
    let since = since.checked_sub(SLACK).unwrap_or(since);
    let mut buffer = vec![0; 1024 * 1024];
    for directory in disk::entries(&repository.join("data"))? {
        for file in disk::entries(&directory?.path())? {
            let file = file?;
            let metadata = file.metadata()?;
            if !metadata.is_file() || metadata.modified()? < since {
                continue;
            }
            if digest(&file.path(), &mut buffer, stop)? != file.file_name().to_string_lossy() {
                return Ok(Some(file.path()));
            }
        }
    }
    Ok(None)
}

fn digest(path: &Path, buffer: &mut [u8], stop: &AtomicBool) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut digest = Sha256::new();
    loop {
        if stop.load(Ordering::Relaxed) {
            return Err(io::Error::other("stopped"));
        }
        match file.read(buffer)? {
            0 => return Ok(data_encoding::HEXLOWER.encode(&digest.finalize())),
            count => digest.update(&buffer[..count]),
        }
    }
}

/// Takes all of a snapshot out of its repository, below a directory that is made for it.
///
/// # Errors
/// That it cannot be restored: it is bad from then on; or that the repository cannot be reached or there
/// is no room for it, which says nothing of it.
pub(super) async fn fetch(act: &Act, record: &SnapshotRecord, into: &Path) -> Result<(), Failure> {
    super::is_good(record)?;
    let failed = |error: disk::DiskError| {
        Failure::host("cannot make room for the snapshot", &error).or_full()
    };
    let need = record
        .bytes
        .saturating_add(act.settings.host.keep.min_free.size);
    tokio::task::block_in_place(|| {
        disk::remove_tree(into).map_err(failed)?;
        let parent = into.parent().expect("below the state");
        disk::make_directory(parent).map_err(failed)?;
        let free = disk::free_space(parent).map_err(failed)?;
        if free.bytes < need {
            return Err(Failure::full(format!(
                "the host's disk is full: the snapshot has {}, and {} are free",
                bytesize::ByteSize(record.bytes).display().si(),
                bytesize::ByteSize(free.bytes).display().si(),
            )));
        }
        disk::make_directory(into).map_err(failed)
    })?;
    let repository =
        repository::open(&act.world, &act.cancel, &record.repository, For::Reading).await?;
    for wanted in &record.parts {
        let target = part_directory(into, &wanted.name);
        let fetched = part::fetch(&repository, wanted, Sink::Directory(target)).await;
        fail::point(format_args!("snapshot: fetched {}", wanted.name));
        if let Err(failure) = fetched {
            if failure.reason.code == "snapshot-bad" {
                let why = &failure.reason.message;
                let bad = || act.world.recorder.snapshot_bad(&record.id, why);
                insist(&act.task.id, "that the snapshot is bad", bad).await;
                let others = format!("wharf snapshot list -e {}", record.key.id);
                return Err(failure.hint(format!("see which others there are: {others}")));
            }
            return Err(failure);
        }
    }
    tokio::task::block_in_place(|| disk::sync_filesystem(into)).map_err(failed)?;
    let id = record.id.as_str();
    let verified = || act.world.recorder.snapshot_verified(id);
    insist(&act.task.id, "that it can be restored", verified).await;
    Ok(())
}

/// Reads each service's dump in, into a place of its own beside what else was fetched: only what a server has read can
/// be restored.
///
/// # Errors
/// That a server cannot read it, or this host has none.
pub(super) async fn read_in(
    act: &Act,
    record: &SnapshotRecord,
    fetched: &Path,
    application: &Application,
) -> Result<(), Failure> {
    let services = services_in(fetched);
    for part in &record.parts {
        let Some(name) = part::service_of(&part.name) else {
            continue;
        };
        let directory = part_directory(fetched, &part.name);
        let Some(service) = application.services.get(&name) else {
            act.log.note(format!(
                "the release has no service {name}: what the snapshot has of it is left out"
            ));
            continue;
        };
        let began = std::time::Instant::now();
        tokio::task::block_in_place(|| disk::make_directory(&services))
            .map_err(|error| Failure::host("cannot make a directory", &error))?;
        let dump = directory.join(part::DUMP);
        fill::fill_from_file(act, (&name, service), &dump, &services.join(name.as_str())).await?;
        // Its room is wanted for the next.
        tokio::task::block_in_place(|| disk::remove_tree(&directory))
            .map_err(|error| Failure::host("cannot remove a dump", &error))?;
        act.did("service", format!("{name}: the dump is read in"), began);
    }
    Ok(())
}

/// Where a part lies in what was fetched. The names are ours, and none is that of what [`services_in`] says.
fn part_directory(fetched: &Path, name: &str) -> PathBuf {
    match name {
        part::MOUNTS => mounts_in(fetched),
        name => fetched.join(name.replace(':', "-")),
    }
}

/// Also has servers read what was fetched, where the environment's release says which.
async fn fetch_and_try(act: &Act, record: &SnapshotRecord, scratch: &Path) -> Result<(), Failure> {
    fetch(act, record, scratch).await?;
    let Some(live) = act.previous else {
        return Ok(());
    };
    let release = act.world.recorder.release(act.key(), live).await?;
    let Some(release) = release else {
        return Ok(());
    };
    let standing = as_it_stands(act, &release.application, &act.log).await?;
    let read = read_in(act, record, scratch, &standing).await;
    if let Err(failure) = &read
        && !failure.cancelled
        && failure.reason.code == "service-broken"
    {
        let bad = || {
            act.world
                .recorder
                .snapshot_bad(&record.id, &failure.reason.message)
        };
        insist(&act.task.id, "that the snapshot is bad", bad).await;
    }
    read
}

/// Restores a snapshot where nobody looks, and throws it away.
///
/// # Errors
/// As [`fetch`].
pub(super) async fn test(act: &Act, record: &SnapshotRecord) -> Result<(), Failure> {
    let began = std::time::Instant::now();
    let scratch = act.world.paths.snapshot_scratch(&act.task.id);
    let fetched = fetch_and_try(act, record, &scratch).await;
    discard_all(act, &services_in(&scratch)).await;
    let removed = tokio::task::block_in_place(|| disk::remove_tree(&scratch));
    if let Err(error) = removed {
        tracing::warn!(
            error = super::super::failure::chain(&error),
            "a test of a snapshot stays"
        );
    }
    fetched?;
    act.did(
        "verify",
        format!("snapshot {} can be restored", record.id),
        began,
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_what_its_name_says_is_found() {
        let repository = tempfile::tempdir().unwrap();
        let data = repository.path().join("data/ab");
        std::fs::create_dir_all(&data).unwrap();
        let name = data_encoding::HEXLOWER.encode(&Sha256::digest(b"content"));
        std::fs::write(data.join(&name), "content").unwrap();
        let go = AtomicBool::new(false);
        let look = || rotten(repository.path(), SystemTime::now(), &go).unwrap();
        assert_eq!(look(), None);
        std::fs::write(data.join(&name), "contend").unwrap();
        assert_eq!(look(), Some(data.join(&name)));
        let later = SystemTime::now() + SLACK * 2;
        assert_eq!(
            rotten(repository.path(), later, &go).unwrap(),
            None,
            "older"
        );
        assert!(rotten(repository.path(), SystemTime::now(), &AtomicBool::new(true)).is_err());
    }
}
