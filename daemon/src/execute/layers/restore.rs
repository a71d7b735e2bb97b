//! Putting back what a step made.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};
use wharf_config::name::RelPath;

use super::LayerError;
use super::key::digest_file;
use super::manifest::{Kind, Made, Manifest};
use crate::disk;
use crate::execute::beneath;
use crate::execute::slug_key::hex;

/// What came of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Restored {
    /// All of it is there.
    Whole,
    /// There is no such layer.
    None,
    /// It is not used, for this reason; nothing was changed.
    Unfit(String),
}

/// Puts a layer back into a work directory in which nothing works.
///
/// All is looked at before anything is changed: a layer is put back whole or not at all. After an
/// error the directory is worth nothing.
pub(super) fn restore(
    layer: &Path,
    work: &Path,
    inputs: &[RelPath],
    stop: &AtomicBool,
) -> Result<Restored, LayerError> {
    let manifest = match Manifest::read(layer) {
        Ok(None) => return Ok(Restored::None),
        Ok(Some(manifest)) => manifest,
        Err(LayerError::Damaged) => return damaged(layer),
        Err(error) => return Err(error),
    };
    if let Some(path) = in_its_way(&manifest, work, inputs) {
        return Ok(Restored::Unfit(format!("{path} cannot go where it was")));
    }
    match check(&manifest, layer, stop) {
        Err(LayerError::Damaged) => return damaged(layer),
        checked => checked?,
    }
    for path in manifest.removed.iter().rev() {
        remove(work, path)?;
    }
    for made in &manifest.made {
        if stop.load(Ordering::Relaxed) {
            return Err(LayerError::Stopped);
        }
        make(layer, work, made)?;
    }
    // A directory may let nobody write in it.
    for made in manifest.made.iter().rev() {
        if let Kind::Directory { mode } = made.kind {
            let path = work.join(&made.path);
            let bits = fs::Permissions::from_mode(mode);
            fs::set_permissions(&path, bits).map_err(LayerError::at("write", &path))?;
        }
    }
    // Its time says when it was last used.
    let used = File::open(layer).and_then(|layer| layer.set_modified(SystemTime::now()));
    used.map_err(LayerError::at("write", layer))?;
    Ok(Restored::Whole)
}

fn damaged(layer: &Path) -> Result<Restored, LayerError> {
    disk::remove_tree(layer)?;
    Ok(Restored::Unfit(LayerError::Damaged.to_string()))
}

/// What has no place: something is there that was not when the step made it, or its directory is
/// gone.
fn in_its_way<'a>(manifest: &'a Manifest, work: &Path, inputs: &[RelPath]) -> Option<&'a str> {
    let is_input = |path: &str| {
        let path = RelPath::parse(path);
        path.is_ok_and(|path| inputs.iter().any(|input| input.holds(&path)))
    };
    let directories: HashSet<&str> = manifest
        .made
        .iter()
        .filter(|made| matches!(made.kind, Kind::Directory { .. }))
        .map(|made| made.path.as_str())
        .collect();
    let blocks = |made: &&Made| {
        let path = Path::new(&made.path);
        // A link or file where it had a directory is in its way, too.
        let Ok(parent) = beneath::parent(work, path) else {
            return true;
        };
        if parent.is_none() {
            let above = made.path.rsplit_once('/').map(|(above, _)| above);
            return !above.is_some_and(|above| directories.contains(above));
        }
        match work.join(path).symlink_metadata() {
            Err(_) => false,
            Ok(found) if found.is_dir() => !matches!(made.kind, Kind::Directory { .. }),
            Ok(_) => !is_input(&made.path) || matches!(made.kind, Kind::Directory { .. }),
        }
    };
    manifest
        .made
        .iter()
        .find(blocks)
        .map(|made| made.path.as_str())
}

/// Reads every file of a layer: it is what it was.
fn check(manifest: &Manifest, layer: &Path, stop: &AtomicBool) -> Result<(), LayerError> {
    for made in &manifest.made {
        let Kind::File {
            number,
            bytes,
            digest,
            ..
        } = &made.kind
        else {
            continue;
        };
        let path = Manifest::content(layer, *number);
        let mut found = Sha256::new();
        let read = match digest_file(&mut found, &path, stop) {
            Err(LayerError::Stopped) => return Err(LayerError::Stopped),
            Err(_) => return Err(LayerError::Damaged),
            Ok(read) => read,
        };
        if read != *bytes || hex(&found.finalize()) != *digest {
            return Err(LayerError::Damaged);
        }
    }
    Ok(())
}

/// The directory that holds a path, which is there; no link on the way is followed.
fn parent<'a>(work: &Path, path: &'a str) -> Result<(OwnedFd, &'a Path), LayerError> {
    let found = beneath::parent(work, Path::new(path));
    let found = found.and_then(|found| found.ok_or(io::ErrorKind::NotFound.into()));
    found.map_err(LayerError::at("look at", &work.join(path)))
}

/// Removes what the step removed; it need not be there.
fn remove(work: &Path, path: &str) -> Result<(), LayerError> {
    let failed = LayerError::at("remove", &work.join(path));
    let Some((directory, name)) =
        beneath::parent(work, Path::new(path)).map_err(LayerError::at("remove", work))?
    else {
        return Ok(());
    };
    match rustix::fs::unlinkat(&directory, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(Errno::ISDIR) => match rustix::fs::unlinkat(&directory, name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(failed(error.into())),
        },
        Err(error) => Err(failed(error.into())),
    }
}

fn make(layer: &Path, work: &Path, made: &Made) -> Result<(), LayerError> {
    let (directory, name) = parent(work, &made.path)?;
    let failed = || {
        let path = work.join(&made.path);
        move |error: Errno| LayerError::at("write", &path)(error.into())
    };
    match &made.kind {
        Kind::Directory { .. } => {
            match rustix::fs::mkdirat(&directory, name, Mode::from_raw_mode(0o700)) {
                Err(Errno::EXIST) => Ok(()),
                done => done.map_err(failed()),
            }
        }
        Kind::Link { target } => {
            remove(work, &made.path)?;
            rustix::fs::symlinkat(target.as_str(), &directory, name).map_err(failed())
        }
        Kind::File {
            number,
            mode,
            modified,
            ..
        } => {
            remove(work, &made.path)?;
            let flags =
                OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let file = rustix::fs::openat(&directory, name, flags, Mode::from_raw_mode(0o600));
            let mut file = File::from(file.map_err(failed())?);
            let source = Manifest::content(layer, *number);
            let mut source = File::open(&source).map_err(LayerError::at("read", &source))?;
            // The kernel shares the blocks where the file system can.
            io::copy(&mut source, &mut file)
                .and_then(|_| file.set_permissions(fs::Permissions::from_mode(*mode)))
                .and_then(|()| file.set_modified(UNIX_EPOCH + Duration::from_nanos(*modified)))
                .map_err(LayerError::at("write", &work.join(&made.path)))
        }
    }
}
