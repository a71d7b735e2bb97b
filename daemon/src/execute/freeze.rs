//! Makes a build's result a slug: checked, counted, durable, at its final name.

pub(super) mod digest;
mod mount_points;
#[cfg(test)]
mod tests;
pub(super) mod walk;

use std::{
    fs, io,
    os::{fd::OwnedFd, unix::fs::PermissionsExt},
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use rustix::fs::{Mode, OFlags};

use super::slug_key::SlugKey;
use crate::disk::{self, DiskError};

/// What to freeze, and how.
#[derive(Debug)]
pub struct Freeze<'a> {
    /// The built directory, on the file system of `store`. It moves into the store.
    pub built: &'a Path,
    /// The directory of slugs.
    pub store: &'a Path,
    /// The slug's name there.
    pub key: &'a SlugKey,
    /// Where mounts will be bound: relative paths.
    pub mount_points: &'a [MountPoint],
    /// The most files, links and directories.
    pub max_entries: u64,
    /// The most bytes of content.
    pub max_bytes: u64,
    /// Becomes true when somebody wants it to end.
    pub stop: &'a AtomicBool,
}

/// A place in the slug that a mount will cover.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountPoint {
    /// Below `/app`, without `..`.
    pub path: String,
    /// What is made where nothing is.
    pub kind: MountKind,
}

/// What a mount point is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MountKind {
    /// A directory.
    Directory,
    /// A directory that is covered by a copy of itself.
    Output,
    /// A single file.
    File,
    /// A file where there is one or its last segment has an extension, else a directory.
    Guess,
}

/// A slug in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frozen {
    /// Where it is: `<store>/<key>`.
    pub path: PathBuf,
    /// SHA-256 over paths, modes and contents.
    pub digest: String,
    /// Regular files and links.
    pub files: u64,
    /// Bytes of their content.
    pub bytes: u64,
    /// What a person should know.
    pub notes: Vec<String>,
}

/// Why a build's result is no slug.
#[derive(Debug, thiserror::Error)]
pub enum FreezeError {
    /// The file system failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// A socket, pipe or device.
    #[error("the build left a {kind} at {path}")]
    Special {
        /// What it is.
        kind: &'static str,
        /// Where.
        path: String,
    },
    /// A limit is exceeded.
    #[error("the build's result is too large: more than {limit} {unit}")]
    TooLarge {
        /// The limit.
        limit: u64,
        /// Of what.
        unit: &'static str,
    },
    /// Somebody wanted it to end.
    #[error("the freeze was stopped")]
    Stopped,
    /// A mount point that cannot be made.
    #[error("cannot make the mount point {path}: {why}")]
    MountPoint {
        /// Where.
        path: String,
        /// Why.
        why: String,
    },
    /// The store already has a slug of this key.
    #[error("slug {} exists already", .0.short())]
    Exists(SlugKey),
}

/// Checks a build's result and moves it into the store, durably. Nothing writes there any more.
///
/// # Errors
/// [`FreezeError`]; the store is then as it was, but the built directory may be changed.
pub fn freeze(job: &Freeze<'_>) -> Result<Frozen, FreezeError> {
    let path = job.store.join(job.key.as_str());
    if path.symlink_metadata().is_ok() {
        return Err(FreezeError::Exists(job.key.clone()));
    }
    let top = open_top(job.built)?;
    let mut notes = Vec::new();
    for point in job.mount_points {
        notes.extend(mount_points::make(&top, point)?);
    }
    let counted = walk::walk(&top, job)?;
    notes.extend(counted.notes);

    settle(job.built, &path, job.key)?;
    let (files, bytes) = (counted.files, counted.bytes);
    Ok(Frozen {
        path,
        digest: counted.digest,
        files,
        bytes,
        notes,
    })
}

/// Moves a whole tree to its place in the store, durably: content first, then the name, so that a
/// power cut leaves no half of a slug under its key.
///
/// # Errors
/// The file system's, or that something is there.
pub fn settle(tree: &Path, place: &Path, key: &SlugKey) -> Result<(), FreezeError> {
    disk::sync_filesystem(tree)?;
    fs::rename(tree, place).map_err(|error| match error.kind() {
        io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists => {
            FreezeError::Exists(key.clone())
        }
        _ => disk::at("move into the store as", place)(error).into(),
    })?;
    let store = place.parent().expect("a key is joined to the store");
    Ok(disk::sync_directory(store)?)
}

/// The directory that was built, ours to read and to move.
fn open_top(built: &Path) -> Result<OwnedFd, FreezeError> {
    let failed = disk::at("open", built);
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    fs::set_permissions(built, fs::Permissions::from_mode(0o755)).map_err(&failed)?;
    let top = rustix::fs::open(built, flags, Mode::empty());
    Ok(top.map_err(|error| failed(error.into()))?)
}
