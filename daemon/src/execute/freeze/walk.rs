//! The walk through a build's result: by directory handles, following no link.

use std::{
    ffi::{CStr, CString},
    fs::{self, File},
    io::{self, Read},
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::PermissionsExt,
    },
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use super::digest::SlugDigest;
use super::{Freeze, FreezeError};
use crate::disk;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};

/// Directories in each other, each of which keeps a descriptor open.
pub(in crate::execute) const DEEPEST: u64 = 256;
/// Read, write and enter, for the owner: a build may have taken them away.
const OWNER: u32 = 0o700;
/// setuid and setgid.
const SPECIAL_BITS: u32 = 0o6000;
const LOOK: OFlags = OFlags::RDONLY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// What the walk found.
#[derive(Debug)]
pub(super) struct Counted {
    pub(super) digest: String,
    pub(super) files: u64,
    pub(super) bytes: u64,
    pub(super) notes: Vec<String>,
}

/// Walks everything below `top`, which the job's `built` names in errors.
pub(super) fn walk(top: &OwnedFd, job: &Freeze<'_>) -> Result<Counted, FreezeError> {
    let mut walk = Walk {
        shown: job.built,
        max_entries: job.max_entries,
        max_bytes: job.max_bytes,
        stop: job.stop,
        entries: 0,
        files: 0,
        bytes: 0,
        copied: 0,
        stripped: 0,
        digest: SlugDigest::default(),
        buffer: vec![0; 128 * 1024],
    };
    walk.directory(top, &mut Vec::new(), 1)?;
    let mut notes = Vec::new();
    if walk.stripped > 0 {
        notes.push(format!(
            "setuid and setgid bits taken from {} files",
            walk.stripped
        ));
    }
    if walk.copied > 0 {
        notes.push(format!(
            "{} hard links became files of their own",
            walk.copied
        ));
    }
    Ok(Counted {
        digest: walk.digest.finish(),
        files: walk.files,
        bytes: walk.bytes,
        notes,
    })
}

struct Walk<'a> {
    shown: &'a Path,
    max_entries: u64,
    max_bytes: u64,
    stop: &'a AtomicBool,
    entries: u64,
    files: u64,
    bytes: u64,
    copied: u64,
    stripped: u64,
    digest: SlugDigest,
    buffer: Vec<u8>,
}

impl Walk<'_> {
    fn directory(
        &mut self,
        directory: &OwnedFd,
        path: &mut Vec<u8>,
        depth: u64,
    ) -> Result<(), FreezeError> {
        if depth > DEEPEST {
            return Err(FreezeError::TooLarge {
                limit: DEEPEST,
                unit: "directories in each other",
            });
        }
        let mut names = Vec::new();
        for entry in Dir::read_from(directory).map_err(|error| self.failed("read", path)(error))? {
            let entry = entry.map_err(|error| self.failed("read", path)(error))?;
            let name = entry.file_name();
            if name.to_bytes() != b"." && name.to_bytes() != b".." {
                self.entries += 1;
                if self.entries > self.max_entries {
                    let unit = "files and directories";
                    return Err(FreezeError::TooLarge {
                        limit: self.max_entries,
                        unit,
                    });
                }
                names.push(name.to_owned());
            }
        }
        // The digest must not depend on the order on disk.
        names.sort_unstable();
        for name in names {
            let length = path.len();
            if length > 0 {
                path.push(b'/');
            }
            path.extend_from_slice(name.to_bytes());
            self.entry(directory, &name, path, depth)?;
            path.truncate(length);
        }
        Ok(())
    }

    fn entry(
        &mut self,
        parent: &OwnedFd,
        name: &CStr,
        path: &mut Vec<u8>,
        depth: u64,
    ) -> Result<(), FreezeError> {
        let stat = rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|error| self.failed("look at", path)(error))?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                let mode = stat.st_mode & 0o1777 | OWNER;
                self.repair(parent, name, path, stat.st_mode, mode)?;
                self.digest.directory(path, mode);
                let flags = LOOK | OFlags::DIRECTORY;
                let directory = rustix::fs::openat(parent, name, flags, Mode::empty())
                    .map_err(|error| self.failed("open", path)(error))?;
                self.directory(&directory, path, depth + 1)
            }
            FileType::RegularFile => self.file(parent, name, path, &stat),
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(parent, name, Vec::new())
                    .map_err(|error| self.failed("read", path)(error))?;
                self.count(target.as_bytes().len() as u64)?;
                self.digest.link(path, target.as_bytes());
                Ok(())
            }
            FileType::Socket => Err(special("socket", path)),
            FileType::Fifo => Err(special("named pipe", path)),
            _ => Err(special("device", path)),
        }
    }

    fn file(
        &mut self,
        parent: &OwnedFd,
        name: &CStr,
        path: &[u8],
        stat: &Stat,
    ) -> Result<(), FreezeError> {
        // Counted before it is read or copied: a sparse file can claim to be endless.
        let bytes = u64::try_from(stat.st_size).unwrap_or(u64::MAX);
        self.count(bytes)?;
        let mode = stat.st_mode & 0o777 | 0o400;
        if stat.st_mode & SPECIAL_BITS != 0 {
            self.stripped += 1;
        }
        if stat.st_nlink > 1 {
            // Whoever holds the other name could write into the slug.
            self.copied += 1;
            self.part(parent, name, mode)
                .map_err(|error| self.failed("copy", path)(error))?;
        } else {
            self.repair(parent, name, path, stat.st_mode, mode)?;
        }
        self.digest.file(path, mode, bytes);
        let file = rustix::fs::openat(parent, name, LOOK, Mode::empty())
            .map_err(|error| self.failed("open", path)(error))?;
        let mut file = File::from(file);
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return Err(FreezeError::Stopped);
            }
            match file.read(&mut self.buffer) {
                Ok(0) => return Ok(()),
                Ok(count) => self.digest.content(&self.buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failed("read", path)(error)),
            }
        }
    }

    /// Puts a copy in place of a name of a file that has others.
    fn part(&self, parent: &OwnedFd, name: &CStr, mode: u32) -> io::Result<()> {
        let original = rustix::fs::openat(parent, name, LOOK, Mode::empty());
        let original = match original {
            Err(rustix::io::Errno::ACCESS) => {
                rustix::fs::chmodat(parent, name, Mode::from_raw_mode(mode), AtFlags::empty())?;
                rustix::fs::openat(parent, name, LOOK, Mode::empty())?
            }
            other => other?,
        };
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let new = (0u32..)
            .map(|n| CString::new(format!(".wharf-copy-{n}")).expect("no NUL in it"))
            .find_map(|new| {
                match rustix::fs::openat(parent, &new, flags, Mode::from_raw_mode(0o600)) {
                    Err(rustix::io::Errno::EXIST) => None,
                    opened => Some(opened.map(|file| (new, File::from(file)))),
                }
            })
            .ok_or(io::ErrorKind::AlreadyExists)?;
        let (new, mut copy) = new?;
        io::copy(&mut File::from(original), &mut copy)?;
        copy.set_permissions(fs::Permissions::from_mode(mode))?;
        Ok(rustix::fs::renameat(parent, &new, parent, name)?)
    }

    /// Sets the mode, where it is another. Nothing else works here any more, so the name still
    /// means the file or directory that was looked at, never a link.
    fn repair(
        &self,
        parent: &OwnedFd,
        name: &CStr,
        path: &[u8],
        old: u32,
        new: u32,
    ) -> Result<(), FreezeError> {
        if old & 0o7777 == new {
            return Ok(());
        }
        rustix::fs::chmodat(
            parent.as_fd(),
            name,
            Mode::from_raw_mode(new),
            AtFlags::empty(),
        )
        .map_err(|error| self.failed("change the mode of", path)(error))
    }

    fn count(&mut self, bytes: u64) -> Result<(), FreezeError> {
        self.files += 1;
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > self.max_bytes {
            return Err(FreezeError::TooLarge {
                limit: self.max_bytes,
                unit: "bytes",
            });
        }
        Ok(())
    }

    fn failed<E: Into<io::Error>>(
        &self,
        verb: &'static str,
        path: &[u8],
    ) -> impl FnOnce(E) -> FreezeError + use<E> {
        let path = self.shown.join(String::from_utf8_lossy(path).as_ref());
        move |error| disk::at(verb, &path)(error.into()).into()
    }
}

fn special(kind: &'static str, path: &[u8]) -> FreezeError {
    FreezeError::Special {
        kind,
        path: String::from_utf8_lossy(path).escape_debug().to_string(),
    }
}
