//! A push that is answered survives a power cut: its objects and its refs are on the disk by then.
//!
//! git syncs a pack's content but not the directory that it is renamed into, and refs only where
//! `core.fsync` says so. What a push brought is synced in place: packs that were not there at the last
//! look, the refs that moved, their directories. A `syncfs` does it where that cannot be known: at the
//! first look, with loose objects, with refs in tables. It also waits for whatever a neighbour wrote,
//! which may be gigabytes; so the installer has git keep each push as a pack.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use wharf_config::name::BranchName;

use super::world::World;
use crate::disk::{self, DiskError, at};
use crate::fail;
use crate::store::activity::NewActivity;

/// A directory that changed less than this ago may change again without a newer time: file systems
/// count in ticks.
const TICK: Duration = Duration::from_secs(1);

/// What is known to be on the disk, of every repository.
#[derive(Debug, Default)]
pub struct Durable(Mutex<HashMap<PathBuf, Objects>>);

/// The files with a repository's objects, as they were at a look.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Objects {
    /// Everything beside packs, by name.
    packs: HashMap<OsString, Stamp>,
    /// The directories of loose objects, by name.
    loose: HashMap<OsString, Stamp>,
}

/// Tells a file from a later one of its name, and a directory's content from a later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    size: u64,
    changed: SystemTime,
}

impl Stamp {
    fn of(metadata: &Metadata) -> io::Result<Stamp> {
        Ok(Stamp {
            inode: metadata.ino(),
            size: metadata.len(),
            changed: metadata.modified()?,
        })
    }
}

/// Makes what activities are about to deploy durable, before they are recorded.
///
/// # Errors
/// When the disk does not take it: then nothing may be promised.
pub async fn make(
    world: &Arc<World>,
    repository: PathBuf,
    activities: &[NewActivity],
) -> Result<(), DiskError> {
    let branches: Vec<BranchName> = activities
        .iter()
        .map(|activity| activity.branch.clone())
        .collect();
    let world = Arc::clone(world);
    let synced =
        tokio::task::spawn_blocking(move || world.durable.sync(&repository, &branches).map(drop));
    synced.await.expect("syncing does not panic")
}

/// How it was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// File by file.
    InPlace,
    /// With everything else on its file system.
    WholeFileSystem,
}

impl Durable {
    /// Makes a repository's new objects and the tips of these branches durable. Blocks.
    ///
    /// # Errors
    /// When the disk does not take them: then nothing may be promised.
    pub fn sync(&self, repository: &Path, branches: &[BranchName]) -> Result<Way, DiskError> {
        fail::point(format_args!("sync repository: before"));
        // Looked at before it is synced: what comes after the look is new at the next one.
        let (looked, seen) = (SystemTime::now(), Objects::look(repository)?);
        let way = match self.unknown(repository, &seen) {
            Some(new) => match in_place(repository, &new, branches) {
                Ok(()) => Way::InPlace,
                // git tidies at this moment, or its owner reads what others may not.
                Err(error) if may_pass(&error.source) => whole(repository)?,
                Err(error) => return Err(error),
            },
            None => whole(repository)?,
        };
        let known = seen.settled_by(looked);
        self.0
            .lock()
            .expect("no holder of this lock panics")
            .insert(repository.to_owned(), known);
        tracing::debug!(repository = %repository.display(), ?way, "synced");
        fail::point(format_args!("sync repository: after"));
        Ok(way)
    }

    /// The packs' files that are not known to be durable; none where it takes more than them.
    fn unknown(&self, repository: &Path, seen: &Objects) -> Option<Vec<OsString>> {
        if repository.join("reftable").exists() {
            return None;
        }
        let all = self.0.lock().expect("no holder of this lock panics");
        let known = all.get(repository)?;
        let is_known = |(name, stamp): (&OsString, &Stamp)| known.loose.get(name) == Some(stamp);
        if !seen.loose.iter().all(is_known) {
            return None;
        }
        let new = seen
            .packs
            .iter()
            .filter(|(name, stamp)| known.packs.get(*name) != Some(stamp));
        Some(new.map(|(name, _)| name.clone()).collect())
    }
}

impl Objects {
    fn look(repository: &Path) -> Result<Objects, DiskError> {
        let objects = repository.join("objects");
        let pack = objects.join("pack");
        let temporary = |name: &str| name.starts_with("tmp_") || name.starts_with('.');
        let loose = |name: &str| name.len() == 2 && name.bytes().all(|b| b.is_ascii_hexdigit());
        Ok(Objects {
            packs: entries(&pack, |name| !temporary(name)).map_err(at("read", &pack))?,
            loose: entries(&objects, loose).map_err(at("read", &objects))?,
        })
    }

    /// Without what may still change and look the same.
    fn settled_by(mut self, looked: SystemTime) -> Objects {
        self.loose.retain(|_, stamp| {
            let age = looked.duration_since(stamp.changed);
            age.is_ok_and(|age| age > TICK)
        });
        self
    }
}

/// The entries of those names, with their stamps. What goes away meanwhile is left out.
fn entries(
    directory: &Path,
    wanted: impl Fn(&str) -> bool,
) -> io::Result<HashMap<OsString, Stamp>> {
    let mut found = HashMap::new();
    for entry in crate::disk::entries(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if !name.to_str().is_some_and(&wanted) {
            continue;
        }
        match entry.metadata() {
            Ok(metadata) => drop(found.insert(name, Stamp::of(&metadata)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

fn may_pass(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied
    )
}

fn whole(repository: &Path) -> Result<Way, DiskError> {
    disk::sync_filesystem(repository)?;
    Ok(Way::WholeFileSystem)
}

/// fsync works on what is open for reading only.
fn in_place(repository: &Path, new: &[OsString], branches: &[BranchName]) -> Result<(), DiskError> {
    let pack = repository.join("objects/pack");
    for name in new {
        sync(&pack.join(name))?;
    }
    if !new.is_empty() {
        sync(&pack)?;
    }
    let heads = repository.join("refs/heads");
    let mut packed = false;
    for branch in branches {
        let file = heads.join(branch.as_str());
        // One that is not there was deleted, or packed together with others.
        packed |= !sync_if_there(&file)?;
        let above = file
            .ancestors()
            .skip(1)
            .take_while(|path| path.starts_with(&heads));
        for directory in above {
            sync_if_there(directory)?;
        }
    }
    if packed {
        sync_if_there(&repository.join("packed-refs"))?;
        sync(repository)?;
    }
    Ok(())
}

fn sync_if_there(path: &Path) -> Result<bool, DiskError> {
    match sync(path) {
        Ok(()) => Ok(true),
        Err(error) if error.source.kind() == io::ErrorKind::NotFound => Ok(false),
        // `a` is a file where `a/b` was a branch.
        Err(error) if error.source.kind() == io::ErrorKind::NotADirectory => Ok(false),
        Err(error) => Err(error),
    }
}

fn sync(path: &Path) -> Result<(), DiskError> {
    File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(at("sync", path))
}

#[cfg(test)]
mod tests;
