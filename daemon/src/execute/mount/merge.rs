//! Brings what was unpacked beside a mount into it, file by file: each is renamed to its place, so it is
//! whole at every moment, the old one or the new one.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use tokio_util::sync::CancellationToken;
use wharf_wire::mount::Change;
use wharf_wire::slug::How;

use super::size::{self, taken};
use super::{DEEPEST, LOOK, MountError, go_on, look, shown};
use crate::disk;
use crate::execute::beneath;
use crate::plan::mounts::{Load, Named};

/// Changes that are listed, at most.
const MOST_LISTED: usize = 10_000;

/// Whether what is there and does not come goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remove {
    /// It stays.
    Nothing,
    /// It goes, below the path that is uploaded to.
    Others,
}

/// What an upload does, or did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Done {
    /// Files and links that were not there.
    pub added: u64,
    /// Those that took the place of others.
    pub replaced: u64,
    /// Those that went.
    pub removed: u64,
    /// The first of the changes, by their paths below the mount.
    pub changes: Vec<Change>,
    /// What goes takes so much of the disk.
    freed: u64,
    /// What comes takes so much.
    brought: u64,
}

/// What was unpacked, and the mount that it is for.
#[derive(Debug)]
pub struct Merging<'a> {
    /// Where it was unpacked: as the mount is laid out.
    pub staging: &'a Path,
    /// Where the mount is on the disk.
    pub mount: &'a Path,
    /// Where all of the environment's mounts are, and what is unpacked.
    pub all: &'a Path,
    /// What is uploaded to.
    pub named: &'a Named,
    /// What else goes.
    pub remove: Remove,
    /// Tells when to stop.
    pub stop: &'a CancellationToken,
}

impl Merging<'_> {
    /// Looks what would be done, and whether there is room for it.
    ///
    /// # Errors
    /// What cannot take the place of what is there; that it does not fit.
    pub fn survey(&self, limit: Option<u64>) -> Result<Done, MountError> {
        let done = self.pass(Pass::Look)?;
        let go_on = || !self.stop.is_cancelled();
        // Everything that comes is there already, beside the mounts.
        let all = size::of_all(self.all, go_on)?.saturating_sub(done.freed);
        let mount = match self.named.quota {
            None => 0,
            Some(_) => {
                let whole = Named {
                    below: wharf_config::name::RelPath::top(),
                    ..self.named.clone()
                };
                let longest = std::time::Duration::from_secs(3600);
                size::size(self.mount, &whole, longest, self.stop)?.bytes
            }
        };
        super::go_on(self.stop)?;
        let load = Load {
            mount: mount
                .saturating_add(done.brought)
                .saturating_sub(done.freed),
            quota: self.named.quota,
            all,
            limit,
        };
        match load.excess(self.named.mount.as_str()) {
            Some(excess) => Err(MountError::Full(excess)),
            None => Ok(done),
        }
    }

    /// Does it, `of` so many files and links; what was done when it was stopped stays done.
    ///
    /// # Errors
    /// As [`Merging::survey`], and of the file system.
    pub fn merge(&self, of: u64) -> Result<Done, MountError> {
        // What is renamed over another must not be empty after a power cut.
        disk::sync_filesystem(self.staging)?;
        crate::fail::point(format_args!("upload: merging"));
        let mut done = Done::default();
        if let Err(cause) = self.pass_into(Pass::Do, &mut done) {
            let done = done.count();
            return Err(match done {
                0 => cause,
                done => MountError::Partly {
                    done,
                    of,
                    cause: Box::new(cause),
                },
            });
        }
        disk::sync_filesystem(self.all)?;
        crate::fail::point(format_args!("upload: merged"));
        Ok(done)
    }

    fn pass(&self, pass: Pass) -> Result<Done, MountError> {
        let mut done = Done::default();
        self.pass_into(pass, &mut done)?;
        Ok(done)
    }

    fn pass_into(&self, pass: Pass, done: &mut Done) -> Result<(), MountError> {
        fn failed(path: &Path) -> impl Fn(std::io::Error) -> disk::DiskError {
            disk::at("open", path)
        }
        let new = beneath::open(self.staging).map_err(failed(self.staging))?;
        let mut level = Level {
            pass,
            remove: self.remove,
            below: self.named.below.as_path(),
            stop: self.stop,
            done,
        };
        let parent = self.mount.parent().unwrap_or(Path::new("/"));
        let parent = beneath::open(parent).map_err(failed(parent))?;
        let name = Path::new(self.mount.file_name().unwrap_or_default());
        let there = look(&parent, name).map_err(|error| failed(self.mount)(error.into()))?;
        match there.map(|stat| FileType::from_raw_mode(stat.st_mode)) {
            Some(FileType::Directory) => {
                let old = open(&parent, name).map_err(|error| failed(self.mount)(error.into()))?;
                level.merge(&new, Some(&old), Path::new(""), 0)?;
            }
            // The mount is one file, and so is what comes.
            Some(_) => level.one(&new, Some(&parent), (name, name), Path::new(""), 0)?,
            None => return Err(MountError::Missing(self.named.mount.to_string())),
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pass {
    Look,
    Do,
}

struct Level<'a> {
    pass: Pass,
    remove: Remove,
    /// Where what does not come goes.
    below: &'a Path,
    stop: &'a CancellationToken,
    done: &'a mut Done,
}

impl Level<'_> {
    /// Brings what is in one directory into the other, of which nothing may be there yet.
    fn merge(
        &mut self,
        new: &OwnedFd,
        old: Option<&OwnedFd>,
        path: &Path,
        depth: usize,
    ) -> Result<(), MountError> {
        if depth > DEEPEST {
            return Err(differs(path, "is nested too deep"));
        }
        let names = names(new).map_err(failed(path))?;
        for name in &names {
            self.one(new, old, (name, name), &path.join(name), depth)?;
        }
        let is_below = self.below == Path::new(".") || path.starts_with(self.below);
        if self.remove == Remove::Others
            && is_below
            && let Some(old) = old
        {
            for name in self::names(old).map_err(failed(path))? {
                if names.binary_search(&name).is_err() {
                    self.gone(old, &name, &path.join(&name), depth)?;
                }
            }
        }
        Ok(())
    }

    /// Brings one name, which may be another one there.
    fn one(
        &mut self,
        new: &OwnedFd,
        old: Option<&OwnedFd>,
        (name, to): (&Path, &Path),
        path: &Path,
        depth: usize,
    ) -> Result<(), MountError> {
        go_on(self.stop)?;
        let name = match path.as_os_str().is_empty() {
            // The only one.
            true => names(new).map_err(failed(path))?.pop().unwrap_or_default(),
            false => name.to_owned(),
        };
        let gone = || MountError::Missing(shown(path));
        let stat = look(new, &name).map_err(failed(path))?.ok_or_else(gone)?;
        let there = match old {
            Some(old) => look(old, to).map_err(failed(path))?,
            None => None,
        };
        let is_directory = |stat: &Stat| FileType::from_raw_mode(stat.st_mode).is_dir();
        match (is_directory(&stat), there.filter(|_| old.is_some())) {
            (true, Some(there)) if is_directory(&there) => {
                let from = open(new, &name).map_err(failed(path))?;
                let into = old.map(|old| open(old, to)).transpose();
                let into = into.map_err(failed(path))?;
                self.merge(&from, into.as_ref(), path, depth + 1)
            }
            (true, there) => {
                self.clear(old, to, there.as_ref(), path, depth)?;
                self.done.brought += taken(&stat);
                let from = open(new, &name).map_err(failed(path))?;
                self.count(&from, path)?;
                self.rename(new, &name, old, to, path)
            }
            (false, Some(there)) if is_directory(&there) => {
                self.clear(old, to, Some(&there), path, depth)?;
                self.done.brought += taken(&stat);
                self.rename(new, &name, old, to, path)?;
                self.did(How::Added, path);
                Ok(())
            }
            (false, there) => {
                self.done.freed += there.as_ref().map_or(0, taken);
                self.done.brought += taken(&stat);
                let how = if there.is_some() {
                    How::Changed
                } else {
                    How::Added
                };
                self.rename(new, &name, old, to, path)?;
                self.did(how, path);
                Ok(())
            }
        }
    }

    /// Counts what is in a directory that comes as a whole.
    fn count(&mut self, new: &OwnedFd, path: &Path) -> Result<(), MountError> {
        for name in names(new).map_err(failed(path))? {
            go_on(self.stop)?;
            let path = path.join(&name);
            let Some(stat) = look(new, &name).map_err(failed(&path))? else {
                continue;
            };
            self.done.brought += taken(&stat);
            match FileType::from_raw_mode(stat.st_mode).is_dir() {
                true => {
                    let from = open(new, &name).map_err(failed(&path))?;
                    self.count(&from, &path)?;
                }
                false => self.did(How::Added, &path),
            }
        }
        Ok(())
    }

    /// Makes way for something of another kind, where that is wanted.
    fn clear(
        &mut self,
        old: Option<&OwnedFd>,
        name: &Path,
        there: Option<&Stat>,
        path: &Path,
        depth: usize,
    ) -> Result<(), MountError> {
        match (old, there, self.remove) {
            (Some(old), Some(_), Remove::Others) => self.gone(old, name, path, depth),
            (_, Some(there), Remove::Nothing) => {
                Err(match FileType::from_raw_mode(there.st_mode).is_dir() {
                    true => differs(path, "is a directory there, and none in what is uploaded"),
                    false => differs(path, "is no directory there, and one in what is uploaded"),
                })
            }
            (_, _, _) => Ok(()),
        }
    }

    /// Removes what is at a name. Sockets, pipes and devices stay: they belong to what runs.
    fn gone(
        &mut self,
        old: &OwnedFd,
        name: &Path,
        path: &Path,
        depth: usize,
    ) -> Result<(), MountError> {
        go_on(self.stop)?;
        if depth > DEEPEST {
            return Err(differs(path, "is nested too deep"));
        }
        let Some(stat) = look(old, name).map_err(failed(path))? else {
            return Ok(());
        };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                let directory = open_any(old, name).map_err(failed(path))?;
                for name in names(&directory).map_err(failed(path))? {
                    self.gone(&directory, &name, &path.join(&name), depth + 1)?;
                }
                self.done.freed += taken(&stat);
                self.unlink(old, name, AtFlags::REMOVEDIR, path)
            }
            FileType::RegularFile | FileType::Symlink => {
                if stat.st_nlink <= 1 {
                    self.done.freed += taken(&stat);
                }
                self.unlink(old, name, AtFlags::empty(), path)?;
                self.did(How::Removed, path);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn unlink(
        &self,
        old: &OwnedFd,
        name: &Path,
        flags: AtFlags,
        path: &Path,
    ) -> Result<(), MountError> {
        if self.pass == Pass::Look {
            return Ok(());
        }
        match rustix::fs::unlinkat(old, name, flags) {
            // Something stays in it, or it is gone already.
            Ok(()) | Err(Errno::NOTEMPTY | Errno::NOENT) => Ok(()),
            Err(error) => Err(failed(path)(error)),
        }
    }

    fn rename(
        &self,
        new: &OwnedFd,
        name: &Path,
        old: Option<&OwnedFd>,
        to: &Path,
        path: &Path,
    ) -> Result<(), MountError> {
        let Some(old) = old.filter(|_| self.pass == Pass::Do) else {
            return Ok(());
        };
        match rustix::fs::renameat(new, name, old, to) {
            Ok(()) => {
                crate::fail::point(format_args!("upload: file"));
                Ok(())
            }
            Err(Errno::NOTEMPTY | Errno::EXIST | Errno::ISDIR | Errno::NOTDIR) => {
                Err(differs(path, "was changed there meanwhile"))
            }
            Err(error) => Err(failed(path)(error)),
        }
    }

    fn did(&mut self, how: How, path: &Path) {
        match how {
            How::Added => self.done.added += 1,
            How::Removed => self.done.removed += 1,
            How::Changed | How::Moved => self.done.replaced += 1,
        }
        if self.pass == Pass::Look && self.done.changes.len() < MOST_LISTED {
            let path = shown(path);
            self.done.changes.push(Change { how, path });
        }
    }
}

impl Done {
    /// How many files and links it is about.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.added + self.replaced + self.removed
    }
}

/// What is in a directory, in the order of bytes.
fn names(directory: &OwnedFd) -> Result<Vec<PathBuf>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(PathBuf::from(OsStr::from_bytes(name)));
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn open(directory: &OwnedFd, name: &Path) -> Result<OwnedFd, Errno> {
    rustix::fs::openat(directory, name, LOOK | OFlags::DIRECTORY, Mode::empty())
}

/// Opens a directory of which somebody may have taken the right to do so: it is the daemon's all the
/// same.
fn open_any(directory: &OwnedFd, name: &Path) -> Result<OwnedFd, Errno> {
    match open(directory, name) {
        Err(Errno::ACCESS) => {
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let handle = rustix::fs::openat(directory, name, flags, Mode::empty())?;
            // A handle that only names cannot be given a mode itself; what it names in /proc is it.
            let itself = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&handle));
            rustix::fs::chmod(itself.as_str(), Mode::RWXU)?;
            open(directory, name)
        }
        opened => opened,
    }
}

fn differs(path: &Path, why: &str) -> MountError {
    MountError::Unfit {
        path: shown(path),
        why: why.to_owned(),
    }
}

fn failed(path: &Path) -> impl Fn(Errno) -> MountError {
    move |error| disk::at("bring", path)(error.into()).into()
}
