//! A directory that is filled from an archive, held by handles: no name on the way is looked up twice,
//! and no link is followed.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, Timespec, Timestamps};
use rustix::io::Errno;

use crate::disk::{self, DiskError};
use crate::execute::beneath;

const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// The directory, and where in it the last entry went.
#[derive(Debug)]
pub(in crate::execute) struct Tree<'a> {
    staging: &'a Path,
    /// The directories that lead to the last one, each by its path; the top first.
    open: Vec<(PathBuf, OwnedFd)>,
}

/// A directory that is open, and a name in it.
type Place<'t> = (&'t OwnedFd, &'t Path);

impl<'a> Tree<'a> {
    /// Makes the directory, which is not there yet.
    pub(in crate::execute) fn make(staging: &'a Path) -> Result<Tree<'a>, DiskError> {
        let failed = disk::at("make", staging);
        std::fs::create_dir(staging).map_err(&failed)?;
        let top = beneath::open(staging).map_err(&failed)?;
        // As a freeze leaves it, whatever the umask is.
        rustix::fs::fchmod(&top, Mode::from_raw_mode(0o755)).map_err(|e| failed(e.into()))?;
        Ok(Tree {
            staging,
            open: vec![(PathBuf::new(), top)],
        })
    }

    /// Whether a directory is the last one, or one that leads to it.
    pub(in crate::execute) fn is_open(&self, directory: &Path) -> bool {
        self.open.iter().any(|(open, _)| open == directory)
    }

    /// Opens a directory and those above it; one that is not there is made.
    pub(in crate::execute) fn reach(&mut self, directory: &Path) -> Result<(), DiskError> {
        if self.is_open(directory) {
            return Ok(());
        }
        if let Some(above) = directory.parent() {
            self.reach(above)?;
        }
        self.directory(directory, 0o755)
    }

    /// Makes a directory in one that is open, or opens it where it was made before.
    pub(in crate::execute) fn directory(
        &mut self,
        path: &Path,
        mode: u32,
    ) -> Result<(), DiskError> {
        let failed = self.failed(path);
        let bits = Mode::from_raw_mode(mode);
        let (parent, name) = self.place(path);
        match rustix::fs::mkdirat(parent, name, bits) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(failed(error.into())),
        }
        let made = rustix::fs::openat(parent, name, DIRECTORY, Mode::empty());
        let made = made.map_err(|error| failed(error.into()))?;
        rustix::fs::fchmod(&made, bits).map_err(|error| failed(error.into()))?;
        self.open.push((path.to_owned(), made));
        Ok(())
    }

    /// Makes a link in a directory that is open.
    pub(in crate::execute) fn link(&mut self, path: &Path, target: &Path) -> Result<(), DiskError> {
        let failed = self.failed(path);
        let (parent, name) = self.place(path);
        rustix::fs::symlinkat(target, parent, name).map_err(|error| failed(error.into()))
    }

    /// Makes a file in a directory that is open; it has its mode and time once `fill` has filled it.
    pub(in crate::execute) fn file<E: From<DiskError>>(
        &mut self,
        path: &Path,
        mode: u32,
        modified: Option<u64>,
        fill: impl FnOnce(&mut File) -> Result<(), E>,
    ) -> Result<(), E> {
        let failed = self.failed(path);
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let (parent, name) = self.place(path);
        let file = rustix::fs::openat(parent, name, flags, Mode::RUSR | Mode::WUSR);
        let mut file = File::from(file.map_err(|error| failed(error.into()))?);
        fill(&mut file)?;
        let settle = || -> io::Result<()> {
            file.set_permissions(std::fs::Permissions::from_mode(mode))?;
            match modified {
                Some(modified) => Ok(rustix::fs::futimens(&file, &times(modified))?),
                None => Ok(()),
            }
        };
        Ok(settle().map_err(failed)?)
    }

    /// The open directory that a path is in, and its last part. Those that do not lead there are
    /// closed.
    fn place<'t>(&'t mut self, path: &'t Path) -> Place<'t> {
        let above = path.parent().unwrap_or(Path::new(""));
        while self.open.len() > 1 && self.open.last().is_some_and(|(open, _)| open != above) {
            self.open.pop();
        }
        let (_, parent) = self.open.last().expect("the top stays");
        (parent, Path::new(path.file_name().unwrap_or_default()))
    }

    fn failed(&self, path: &Path) -> impl Fn(io::Error) -> DiskError + use<> {
        let staged = self.staging.join(path);
        move |error| disk::at("write", &staged)(error)
    }
}

/// When a file was changed, for the system.
pub(crate) fn times(modified: u64) -> Timestamps {
    let time = Timespec {
        tv_sec: i64::try_from(modified).unwrap_or_default(),
        tv_nsec: 0,
    };
    Timestamps {
        last_access: time,
        last_modification: time,
    }
}
