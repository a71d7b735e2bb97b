//! Reads an archive that anybody may have made into a fresh directory beside a mount.

use std::ffi::OsStr;
use std::io::{self, Read, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

use tar::{Archive, Entry, EntryType};
use tokio_util::sync::CancellationToken;
use wharf_wire::mount::Holds;

use super::{DEEPEST, LONGEST, MOST_ENTRIES, MountError, go_on, shown};
use crate::disk::{self, DiskError};
use crate::execute::archive::meter::{Allowance, Meter};
use crate::execute::archive::tree::Tree;
use crate::plan::mounts;

/// Bytes between two entries: a header, and some with what does not fit into it.
const BETWEEN: u64 = 64 << 10;
/// Bytes of nothing after the last entry, at most: tar fills its last block of so many.
const LARGEST_TAIL: u64 = 1 << 20;
/// Bytes of nothing that end an archive: one block follows the one that is read as the end.
const END: u64 = 512;

/// How much may come.
#[derive(Debug, Clone, Copy)]
pub struct Most {
    /// Bytes of content.
    pub bytes: u64,
}

/// Unpacks an archive into `staging`, which is not there yet: below `at`, or as the file `at`. It may
/// be there after an error. Blocks.
///
/// # Errors
/// What is wrong with it, or of the file system; that it was stopped.
pub fn unpack(
    input: impl Read,
    staging: &Path,
    at: &Path,
    holds: Holds,
    most: Most,
    stop: &CancellationToken,
) -> Result<(), MountError> {
    let unread = |error: io::Error| MountError::of_pipe(&error, stop);
    let (meter, allowed) = Meter::new(input);
    let mut archive = Archive::new(meter);
    let mut arriving = Arriving {
        tree: Tree::make(staging)?,
        at,
        holds,
        most,
        entries: 0,
        bytes: 0,
        stop,
    };
    if holds == Holds::Directory {
        arriving.tree.reach(at)?;
    }
    crate::fail::point(format_args!("upload: begun"));
    let mut entries = archive.entries().map_err(unread)?;
    loop {
        go_on(stop)?;
        allowed.set(BETWEEN);
        let Some(entry) = entries.next() else { break };
        arriving.entry(entry.map_err(unread)?, &allowed)?;
    }
    if holds == Holds::File && arriving.entries != 1 {
        return Err(MountError::NotOne("one file was to be in it".to_owned()));
    }
    allowed.set(LARGEST_TAIL);
    tail(archive.into_inner(), unread)?;
    crate::fail::point(format_args!("upload: whole"));
    Ok(())
}

struct Arriving<'a> {
    tree: Tree<'a>,
    at: &'a Path,
    holds: Holds,
    most: Most,
    entries: u64,
    bytes: u64,
    stop: &'a CancellationToken,
}

impl Arriving<'_> {
    fn entry(
        &mut self,
        mut entry: Entry<'_, impl Read>,
        allowed: &Allowance,
    ) -> Result<(), MountError> {
        let name = entry.path_bytes().into_owned();
        let name = Path::new(OsStr::from_bytes(&name));
        let wrong = |why: &str| MountError::Unfit {
            path: shown(name),
            why: why.to_owned(),
        };
        let (header, kind) = (entry.header(), entry.header().entry_type());
        if kind == EntryType::XGlobalHeader {
            // git archive says the commit in one.
            allowed.set(entry.size().min(BETWEEN).saturating_add(BETWEEN));
            return Ok(());
        }
        if let Some(word) = refused(kind) {
            return Err(wrong(&format!("is {word}")));
        }
        if self.holds == Holds::File && kind != EntryType::Regular {
            return Err(wrong("is no file, and one was to come"));
        }
        self.count(&entry)?;
        let unread = |error: io::Error| MountError::of_pipe(&error, self.stop);
        let mode = header.mode().map_err(unread)? & 0o777;
        let modified = header.mtime().ok();
        let path = self.place(name).map_err(wrong)?;
        let Some(path) = path else {
            // The top, which is there.
            return Ok(());
        };
        let above = path.parent().unwrap_or(Path::new(""));
        self.tree.reach(above).map_err(|error| twice(error, name))?;
        match kind {
            // Whoever owns a directory may write there, or nothing of it could be replaced.
            EntryType::Directory => self.tree.directory(&path, mode | 0o700),
            EntryType::Symlink => {
                let target = entry.link_name_bytes().unwrap_or_default().into_owned();
                let target = Path::new(OsStr::from_bytes(&target));
                if target.as_os_str().len() > LONGEST || !mounts::stays(&path, target) {
                    return Err(wrong("is a link that leads out of the mount"));
                }
                self.tree.link(&path, target)
            }
            _ => {
                let bytes = entry.size();
                allowed.set(bytes.saturating_add(BETWEEN));
                let failed = disk::at("write", &path);
                let stop = self.stop;
                let filled = self.tree.file(&path, mode | 0o600, modified, |file| {
                    let mut buffer = vec![0; 64 * 1024];
                    let mut left = bytes;
                    while left > 0 {
                        go_on(stop)?;
                        let count = entry.read(&mut buffer);
                        let count = count.map_err(|error| MountError::of_pipe(&error, stop))?;
                        if count == 0 {
                            return Err(MountError::Short);
                        }
                        file.write_all(&buffer[..count]).map_err(&failed)?;
                        left = left.saturating_sub(count as u64);
                    }
                    Ok(())
                });
                return filled.map_err(|error| match error {
                    MountError::Disk(error) => twice(error, name),
                    other => other,
                });
            }
        }
        .map_err(|error| twice(error, name))
    }

    /// Counted before it is read.
    fn count(&mut self, entry: &Entry<'_, impl Read>) -> Result<(), MountError> {
        self.entries += 1;
        self.bytes = self.bytes.saturating_add(entry.size());
        let within = |count: u64, limit: u64, unit: &'static str| match count <= limit {
            true => Ok(()),
            false => Err(MountError::TooLarge { limit, unit }),
        };
        within(self.entries, MOST_ENTRIES, "files and directories")?;
        match self.bytes <= self.most.bytes {
            true => Ok(()),
            false => Err(MountError::Full(format!(
                "more is uploaded than the {} that may come",
                crate::report::size(self.most.bytes)
            ))),
        }
    }

    /// Where an entry goes; none for the top itself.
    fn place(&self, name: &Path) -> Result<Option<PathBuf>, &'static str> {
        let mut path = PathBuf::new();
        for part in name.components() {
            match part {
                Component::CurDir => {}
                Component::Normal(part) => path.push(part),
                Component::RootDir => return Err("has a path from the root"),
                Component::ParentDir | Component::Prefix(_) => {
                    return Err("has a path that leads out of the mount");
                }
            }
        }
        if name.as_os_str().as_bytes().contains(&0) {
            return Err("has a NUL byte in its name");
        }
        let path = match self.holds {
            Holds::File => self.at.to_owned(),
            Holds::Directory if path.as_os_str().is_empty() => return Ok(None),
            Holds::Directory => self.at.join(path),
        };
        if path.as_os_str().len() > LONGEST {
            return Err("has too long a path");
        }
        match path.components().count() <= DEEPEST {
            true => Ok(Some(path)),
            false => Err("is nested too deep"),
        }
    }
}

/// What cannot be made because something is there came before in the archive.
fn twice(error: DiskError, name: &Path) -> MountError {
    match error.source.kind() {
        io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => MountError::Unfit {
            path: shown(name),
            why: "is in the archive twice, and not as the same".to_owned(),
        },
        _ => error.into(),
    }
}

/// What no mount is given, in words.
fn refused(kind: EntryType) -> Option<&'static str> {
    match kind {
        EntryType::Regular | EntryType::Continuous | EntryType::Directory | EntryType::Symlink => {
            None
        }
        EntryType::Link => Some("a hard link: tar writes it whole with --hard-dereference"),
        EntryType::Char | EntryType::Block => Some("a device"),
        EntryType::Fifo => Some("a named pipe"),
        _ => Some("no file, directory or link"),
    }
}

/// After the last entry an archive has zeros, and then nothing. One that ends without them was cut off
/// where an entry ends.
fn tail(mut rest: impl Read, unread: impl Fn(io::Error) -> MountError) -> Result<(), MountError> {
    let mut buffer = [0; 4096];
    let mut zeros = 0;
    loop {
        match rest.read(&mut buffer).map_err(&unread)? {
            0 if zeros >= END => return Ok(()),
            0 => return Err(MountError::Short),
            count if buffer[..count].iter().all(|byte| *byte == 0) => zeros += count as u64,
            _ => return Err(MountError::NotOne("something follows its end".to_owned())),
        }
    }
}
