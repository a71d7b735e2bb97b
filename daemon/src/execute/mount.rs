//! What is in mounts, and what goes in and out of them. Applications write there meanwhile, and may mean
//! ill: everything is reached by handles of directories, and no link is followed.

mod download;
mod merge;
mod size;
mod unpack;

pub use download::{Taken, download};
pub use merge::{Done, Merging, Remove};
pub use size::{LONGEST_LOOK, over, size};
pub use unpack::{Most, unpack};

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;
use tokio_util::sync::CancellationToken;
use wharf_wire::view::Reason;

use super::archive::SILENT;
use super::beneath;
use super::failure::{Failure, chain};
use crate::disk::{self, DiskError};
use crate::plan::mounts::Named;

/// Files, links and directories of one upload, at most.
const MOST_ENTRIES: u64 = 1_000_000;
/// Directories in directories.
const DEEPEST: usize = 128;
/// The longest path, and the longest target of a link, in bytes.
const LONGEST: usize = 4_000;
/// How what is found is opened: nothing is followed, nothing is waited for.
const LOOK: OFlags = OFlags::RDONLY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::CLOEXEC);

/// Why nothing comes into a mount, or out of it.
#[derive(Debug, thiserror::Error)]
pub enum MountError {
    /// The host's own file system.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// There is nothing of that name.
    #[error("{0} is not there")]
    Missing(String),
    /// It is something that is neither file nor directory.
    #[error("{path} {why}")]
    Unfit {
        /// Its name, fit to be shown.
        path: String,
        /// What it is.
        why: String,
    },
    /// What comes is no archive.
    #[error("this is no tar archive: {0}")]
    NotOne(String),
    /// What comes ends before all of it was there.
    #[error("what is uploaded ends too early")]
    Short,
    /// More than may come at once.
    #[error("too much is uploaded: more than {limit} {unit}")]
    TooLarge {
        /// The limit.
        limit: u64,
        /// Of what.
        unit: &'static str,
    },
    /// More than there may be.
    #[error("{0}")]
    Full(String),
    /// The other end did nothing for too long.
    #[error("nothing was sent or taken for {0}")]
    Silent(humantime::FormattedDuration),
    /// It was stopped.
    #[error("it was stopped")]
    Stopped,
    /// It ended while files were brought, each of which is whole.
    #[error("{cause}; {done} of {of} files are done")]
    Partly {
        /// Those that are done.
        done: u64,
        /// Of so many.
        of: u64,
        /// Why it ended.
        cause: Box<MountError>,
    },
}

impl MountError {
    /// Its stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            MountError::Disk(_) => "host",
            MountError::Missing(_) => "no-path",
            MountError::Unfit { .. } | MountError::NotOne(_) => "upload-refused",
            MountError::Short => "upload-damaged",
            MountError::TooLarge { .. } => "upload-too-large",
            MountError::Full(_) => "mount-full",
            MountError::Silent(_) => "mount-silent",
            MountError::Stopped => "cancelled",
            MountError::Partly { cause, .. } => cause.code(),
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            MountError::Disk(_) => "this is the host's trouble: tell its operator",
            MountError::Missing(_) => "see what there is: wharf mount list",
            MountError::Unfit { .. } => {
                "leave it out: files, directories, and links that stay among them travel"
            }
            MountError::NotOne(_) => "name a file or a directory, or pipe what tar writes",
            MountError::Short => "upload it again: nothing of it is there",
            MountError::TooLarge { .. } => "upload its directories one after the other",
            MountError::Full(_) => {
                "see what is there: wharf mount size; then make room, or raise the quota in wharf.toml"
            }
            MountError::Silent(_) | MountError::Stopped => "try it again",
            MountError::Partly { cause, .. } => cause.hint(),
        }
    }

    /// What was done before it ended, in words; none where nothing was.
    #[must_use]
    pub fn partly(&self) -> Option<String> {
        match self {
            MountError::Partly { done, of, .. } => Some(format!("{done} of {of} files are done")),
            _ => None,
        }
    }

    /// As it is recorded and said.
    #[must_use]
    pub fn reason(&self) -> Reason {
        let failure = Failure::new(self.code(), chain(self)).hint(self.hint());
        failure.or_full().reason
    }

    /// What a pipe's end, or the crate that reads an archive, says.
    fn of_pipe(error: &io::Error, stop: &CancellationToken) -> MountError {
        if stop.is_cancelled() || error.kind() == io::ErrorKind::BrokenPipe {
            return MountError::Stopped;
        }
        match error.kind() {
            SILENT => MountError::Silent(humantime::format_duration(SILENCE)),
            io::ErrorKind::UnexpectedEof => MountError::Short,
            _ => MountError::NotOne(error.to_string()),
        }
    }
}

/// How long nothing may come or be taken.
pub const SILENCE: std::time::Duration = std::time::Duration::from_secs(600);

/// What is at a path of a mount.
#[derive(Debug)]
pub enum Thing {
    /// A directory.
    Directory(OwnedFd),
    /// A file, and its name.
    File(File, PathBuf),
}

/// Opens what is at a path of a mount; `mount` is where the mount is on the disk.
///
/// # Errors
/// That it is not there, or is neither a file nor a directory.
pub fn open(mount: &Path, named: &Named) -> Result<Thing, MountError> {
    let shown = named.path();
    let failed = disk::at("open", mount);
    let missing = || MountError::Missing(shown.clone());
    // The mount itself stands where only we write.
    let (directory, name) = match named.below.is_top() {
        true => {
            let parent = mount.parent().unwrap_or(Path::new("/"));
            let parent = beneath::open(parent).map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => missing(),
                _ => failed(error).into(),
            })?;
            (parent, Path::new(mount.file_name().unwrap_or_default()))
        }
        false => match beneath::parent(mount, named.below.as_path()) {
            Ok(Some(found)) => found,
            Ok(None) => return Err(missing()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(missing()),
            Err(error) if is_link(&error) => return Err(unfit(&shown, "lies behind a link")),
            Err(error) => return Err(failed(error).into()),
        },
    };
    let opened = match rustix::fs::openat(&directory, name, LOOK, Mode::empty()) {
        Ok(opened) => opened,
        Err(Errno::NOENT) => return Err(missing()),
        Err(Errno::LOOP) => return Err(unfit(&shown, "is a link")),
        Err(Errno::NXIO) => return Err(unfit(&shown, "is a socket or a device")),
        Err(error) => return Err(failed(error.into()).into()),
    };
    let stat = rustix::fs::fstat(&opened).map_err(|error| failed(error.into()))?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => Ok(Thing::Directory(opened)),
        FileType::RegularFile => {
            let name = name.file_name().map(PathBuf::from).unwrap_or_default();
            Ok(Thing::File(File::from(opened), name))
        }
        _ => Err(unfit(&shown, "is a pipe or a device")),
    }
}

fn is_link(error: &io::Error) -> bool {
    let links = [Errno::LOOP, Errno::NOTDIR].map(Errno::raw_os_error);
    error
        .raw_os_error()
        .is_some_and(|code| links.contains(&code))
}

fn unfit(path: &str, why: &str) -> MountError {
    MountError::Unfit {
        path: path.to_owned(),
        why: why.to_owned(),
    }
}

/// What is at a name, following nothing; none where nothing is.
fn look(directory: &OwnedFd, name: &Path) -> Result<Option<rustix::fs::Stat>, Errno> {
    match rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A name from outside, fit to be shown.
fn shown(path: &Path) -> String {
    let text = path.to_string_lossy();
    let short: String = text.chars().take(200).collect();
    short.escape_debug().to_string()
}

fn go_on(stop: &CancellationToken) -> Result<(), MountError> {
    match stop.is_cancelled() {
        true => Err(MountError::Stopped),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests;
