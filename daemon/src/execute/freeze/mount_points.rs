//! Makes the places that mounts will cover: in a read-only slug nothing can be made later.

use std::os::fd::{AsFd, OwnedFd};

use rustix::{
    fs::{AtFlags, Dir, FileType, Mode, OFlags},
    io::Errno,
};

use super::{FreezeError, MountKind, MountPoint};

const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);
/// The longest path, in bytes.
const LONGEST: usize = 4_096;

/// Makes one, and says what it will hide.
pub(super) fn make(top: &OwnedFd, point: &MountPoint) -> Result<Option<String>, FreezeError> {
    let refused = |why: String| FreezeError::MountPoint {
        path: point.path.clone(),
        why,
    };
    let failed = |error: Errno| refused(std::io::Error::from(error).to_string());
    let segments: Vec<&str> = point.path.split('/').collect();
    if point.path.len() > LONGEST || segments.iter().any(|s| matches!(*s, "" | "." | "..")) {
        return Err(refused(
            "it is no path below the application's directory".into(),
        ));
    }
    let (last, parents) = segments.split_last().expect("split gives at least one");

    let mut directory = top
        .as_fd()
        .try_clone_to_owned()
        .map_err(|error| refused(error.to_string()))?;
    for parent in parents {
        match rustix::fs::mkdirat(&directory, *parent, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(failed(error)),
        }
        directory = match rustix::fs::openat(&directory, *parent, DIRECTORY, Mode::empty()) {
            Ok(directory) => directory,
            Err(Errno::NOTDIR | Errno::LOOP) => {
                return Err(refused(format!("{parent} is a file or a link")));
            }
            Err(error) => return Err(failed(error)),
        };
    }

    let stat = match rustix::fs::statat(&directory, *last, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => stat,
        Err(Errno::NOENT) => {
            create(&directory, last, point.kind).map_err(failed)?;
            return Ok(None);
        }
        Err(error) => return Err(failed(error)),
    };
    let hides = |what: &str| {
        Some(format!(
            "the mount {} hides {what} of the build",
            point.path
        ))
    };
    match (FileType::from_raw_mode(stat.st_mode), point.kind) {
        (FileType::Directory, MountKind::Output) => Ok(None),
        (FileType::Directory, MountKind::Directory | MountKind::Guess) => {
            let inside = rustix::fs::openat(&directory, *last, DIRECTORY, Mode::empty());
            let entries = Dir::read_from(inside.map_err(failed)?).map_err(failed)?;
            // "." and ".." are two of them.
            Ok(if entries.take(3).count() > 2 {
                hides("files")
            } else {
                None
            })
        }
        (FileType::RegularFile, MountKind::File | MountKind::Guess) => Ok(if stat.st_size > 0 {
            hides("a file")
        } else {
            None
        }),
        (FileType::Directory, MountKind::File) => Err(refused("a directory is there".into())),
        (FileType::RegularFile, MountKind::Directory | MountKind::Output) => {
            Err(refused("a file is there".into()))
        }
        (FileType::Symlink, _) => Err(refused("a link is there".into())),
        _ => Err(refused("neither a file nor a directory is there".into())),
    }
}

fn create(directory: &OwnedFd, name: &str, kind: MountKind) -> Result<(), Errno> {
    let file = match kind {
        MountKind::File => true,
        MountKind::Directory | MountKind::Output => false,
        // A leading dot begins a name, not an extension.
        MountKind::Guess => name.trim_start_matches('.').contains('.'),
    };
    if file {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        rustix::fs::openat(directory, name, flags, Mode::from_raw_mode(0o644)).map(drop)
    } else {
        rustix::fs::mkdirat(directory, name, Mode::from_raw_mode(0o755))
    }
}
