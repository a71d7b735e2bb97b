//! Files below a directory in which strangers made links: none is followed.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

/// How what is only looked at is opened: no link is followed, no pipe is waited for.
const LOOK: OFlags = OFlags::RDONLY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::CLOEXEC);

/// What is at a path.
#[derive(Debug, PartialEq, Eq)]
pub enum Beneath {
    /// Nothing.
    Absent,
    /// A regular file with this content.
    File(Vec<u8>),
    /// A regular file with more bytes than are read.
    Large,
    /// A directory, a link, or something special.
    Other,
}

/// Opens a directory of ours.
///
/// # Errors
/// That it is not there, or is a link.
pub fn open(directory: &Path) -> io::Result<OwnedFd> {
    Ok(rustix::fs::open(
        directory,
        LOOK | OFlags::DIRECTORY,
        Mode::empty(),
    )?)
}

/// Opens the directory that holds the last part of a path; none where one on the way is not there.
///
/// # Errors
/// That the path leads out of `top`, or that one on its way is no directory or cannot be opened.
pub fn parent<'a>(top: &Path, path: &'a Path) -> io::Result<Option<(OwnedFd, &'a Path)>> {
    let mut directory = open(top)?;
    let mut parts = path.components().peekable();
    while let Some(part) = parts.next() {
        let Component::Normal(name) = part else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let name = Path::new(name);
        if parts.peek().is_none() {
            return Ok(Some((directory, name)));
        }
        let flags = LOOK | OFlags::DIRECTORY;
        directory = match rustix::fs::openat(&directory, name, flags, Mode::empty()) {
            Ok(below) => below,
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
    }
    Err(io::ErrorKind::InvalidInput.into())
}

/// Reads a file of at most `most` bytes.
///
/// # Errors
/// As [`parent`], and of the file system.
pub fn read(top: &Path, path: &Path, most: u64) -> io::Result<Beneath> {
    let Some((directory, name)) = parent(top, path)? else {
        return Ok(Beneath::Absent);
    };
    let file = match rustix::fs::openat(&directory, name, LOOK, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(Errno::NOENT) => return Ok(Beneath::Absent),
        Err(Errno::LOOP) => return Ok(Beneath::Other),
        Err(error) => return Err(error.into()),
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Ok(Beneath::Other);
    }
    if metadata.size() > most {
        return Ok(Beneath::Large);
    }
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    Ok(Beneath::File(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_link_is_followed_and_nothing_outside_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let top = directory.path().join("top");
        std::fs::create_dir_all(top.join("a")).unwrap();
        std::fs::write(top.join("a/b"), "ab").unwrap();
        std::fs::write(directory.path().join("outside"), "x").unwrap();
        std::os::unix::fs::symlink(directory.path(), top.join("up")).unwrap();
        std::os::unix::fs::symlink("a/b", top.join("link")).unwrap();
        let look = |path: &str| read(&top, Path::new(path), 2).map_err(|_| ());
        assert_eq!(look("a/b"), Ok(Beneath::File(b"ab".to_vec())));
        assert_eq!(look("a/c"), Ok(Beneath::Absent));
        assert_eq!(look("c/d"), Ok(Beneath::Absent));
        assert_eq!(look("a"), Ok(Beneath::Other));
        assert_eq!(look("link"), Ok(Beneath::Other));
        std::fs::write(top.join("a/b"), "abc").unwrap();
        assert_eq!(look("a/b"), Ok(Beneath::Large));
        for bad in ["../outside", "/etc/passwd", "up/outside", "a/b/c", ""] {
            assert_eq!(look(bad), Err(()), "{bad}");
        }
    }
}
