//! Goes through a tree that applications write into: by directory handles, following no link.

pub(crate) mod tarred;

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

/// What is nested deeper is left out: each level holds a handle.
const DEEPEST: usize = 200;
/// How what is found is opened: nothing is followed, nothing is waited for.
const LOOK: OFlags = OFlags::RDONLY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::CLOEXEC);

/// Something that was found.
#[derive(Debug)]
pub(crate) enum Found {
    /// A directory, before what is in it.
    Directory,
    /// A regular file.
    File(File),
    /// A link, and where it leads.
    Link(PathBuf),
}

/// Takes what a walk finds.
pub(crate) trait Visit {
    /// Something at a path below the top.
    ///
    /// # Errors
    /// Those end the walk.
    fn found(&mut self, path: &Path, stat: &Stat, found: Found) -> io::Result<()>;

    /// Why a directory is left out, if it is.
    fn skips(&self, _path: &Path) -> Option<&'static str> {
        None
    }

    /// Something that is left out, and why.
    fn left_out(&mut self, path: &Path, why: &str);
}

/// Visits all that is below a directory, in the order of names. What goes away meanwhile is not there.
///
/// # Errors
/// What cannot be read, and the visitor's.
pub(crate) fn walk(top: &Path, name: &Path, visit: &mut impl Visit) -> io::Result<()> {
    let flags = LOOK | OFlags::DIRECTORY;
    match rustix::fs::open(top, flags.difference(OFlags::NOFOLLOW), Mode::empty()) {
        Ok(directory) => within(&directory, name, visit),
        Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Visits all that is below a directory that is open.
///
/// # Errors
/// As [`walk`].
pub(crate) fn within(directory: &OwnedFd, name: &Path, visit: &mut impl Visit) -> io::Result<()> {
    below(directory, name, 0, visit)
}

fn below(directory: &OwnedFd, path: &Path, depth: usize, visit: &mut impl Visit) -> io::Result<()> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let name = entry?.file_name().to_bytes().to_vec();
        if name != b"." && name != b".." {
            names.push(name);
        }
    }
    names.sort();
    for name in names {
        let name = OsStr::from_bytes(&name);
        let path = path.join(name);
        match one(directory.as_fd(), name, &path, depth, visit) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            // Code may take the right to read a file away from everybody.
            Err(error) if error.raw_os_error() == Some(Errno::ACCESS.raw_os_error()) => {
                visit.left_out(&path, "nobody may read it");
            }
            done => done?,
        }
    }
    Ok(())
}

fn one(
    directory: BorrowedFd<'_>,
    name: &OsStr,
    path: &Path,
    depth: usize,
    visit: &mut impl Visit,
) -> io::Result<()> {
    let stat = rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory if depth == DEEPEST => {
            visit.left_out(path, "it is nested too deep");
        }
        FileType::Directory => {
            if let Some(why) = visit.skips(path) {
                visit.left_out(path, why);
                return Ok(());
            }
            let flags = LOOK | OFlags::DIRECTORY;
            let opened = rustix::fs::openat(directory, name, flags, Mode::empty())?;
            visit.found(path, &stat, Found::Directory)?;
            below(&opened, path, depth + 1, visit)?;
        }
        FileType::RegularFile => {
            let opened = File::from(rustix::fs::openat(directory, name, LOOK, Mode::empty())?);
            let stat = rustix::fs::fstat(&opened)?;
            // Another one may have taken its place.
            if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile {
                visit.found(path, &stat, Found::File(opened))?;
            }
        }
        FileType::Symlink => {
            let to = rustix::fs::readlinkat(directory, name, Vec::new())?;
            let to = PathBuf::from(OsStr::from_bytes(to.as_bytes()));
            visit.found(path, &stat, Found::Link(to))?;
        }
        _ => visit.left_out(path, "it is a socket, a pipe or a device"),
    }
    Ok(())
}
