//! Reading an archive that anybody may have made: into a fresh directory, entry by entry beside its
//! list, and nothing that the list has not there.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use sha2::{Digest as _, Sha256};
use tar::{Archive, Entry, EntryType};

use super::list::{Header, Row, Rows, What, within};
use super::meter::{Allowance, Meter};
use super::tree::Tree;
use super::{ArchiveError, LIST, TOP, shown};
use crate::disk;
use crate::execute::freeze::digest::SlugDigest;
use crate::execute::slug_key::hex;

/// Bytes between two entries: a header, and two with what does not fit into it.
const BETWEEN: u64 = 32 << 10;
/// Bytes of a list, at most.
const LARGEST_LIST: u64 = 1 << 30;
/// Bytes of nothing after the last entry: tar fills its last block of so many.
const LARGEST_TAIL: u64 = 64 << 10;

/// Whether the rest of an archive is wanted, once it is known what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Go {
    /// It is.
    On,
    /// It is not.
    No,
}

/// What an archive came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unpacked {
    /// All of it is there, and as it says.
    Whole(Header),
    /// The rest was not wanted.
    Unwanted(Header),
}

/// Unpacks an archive into `staging`, which is not there yet; it may be there after an error. `look`
/// says whether the rest is wanted, once it is known what it would be. The list goes through a file of
/// `scratch`.
///
/// # Errors
/// What is wrong with it, or of the file system; that it was stopped.
pub fn unpack(
    input: impl Read,
    scratch: &Path,
    staging: &Path,
    look: impl FnOnce(&Header) -> Go,
) -> Result<Unpacked, ArchiveError> {
    let (meter, allowed) = Meter::new(input);
    let mut archive = Archive::new(meter);
    let mut entries = archive.entries().map_err(unread)?;
    allowed.set(BETWEEN);
    let first = entries.next().ok_or_else(|| empty("it is empty"))?;
    let list = spool(first.map_err(unread)?, &allowed, scratch)?;
    let (header, mut rows) = Rows::begin(BufReader::new(list))?;
    if look(&header) == Go::No {
        return Ok(Unpacked::Unwanted(header));
    }
    let mut arriving = Arriving {
        tree: Tree::make(staging)?,
        digest: SlugDigest::default(),
    };
    crate::fail::point(format_args!("archive in: begun"));
    let mut found = Counts::default();
    loop {
        allowed.set(BETWEEN);
        let Some(entry) = entries.next() else { break };
        let mut entry = entry.map_err(unread)?;
        let name = entry.path_bytes().into_owned();
        let Some(row) = rows.next()? else {
            let why = "is not in its list".to_owned();
            let path = shown(&name);
            return Err(ArchiveError::Entry { path, why });
        };
        is_it(&entry, &name, &row)?;
        found.add(&row, &header)?;
        allowed.set(entry.size().saturating_add(BETWEEN));
        arriving.put(&mut entry, row)?;
    }
    if let Some(row) = rows.next()? {
        return Err(ArchiveError::Short(format!(
            "before {}",
            shown(row.path.as_bytes())
        )));
    }
    if found != Counts::of(&header) {
        return Err(empty("its list has not as many entries as it says"));
    }
    let digest = arriving.digest.finish();
    if digest != header.digest {
        return Err(ArchiveError::Whole(digest));
    }
    crate::fail::point(format_args!("archive in: whole"));
    allowed.set(LARGEST_TAIL);
    tail(archive.into_inner())?;
    Ok(Unpacked::Whole(header))
}

/// Puts the list aside: the entries come after all of it, and are held against it one by one.
fn spool(
    mut entry: Entry<'_, impl Read>,
    allowed: &Allowance,
    scratch: &Path,
) -> Result<File, ArchiveError> {
    let is_list = entry.path_bytes() == LIST.as_bytes();
    if !is_list || entry.header().entry_type() != EntryType::Regular {
        return Err(empty(&format!("its first entry is no {LIST}")));
    }
    let size = entry.size();
    within(size, LARGEST_LIST, "bytes of its list")?;
    allowed.set(size);
    let failed = disk::at("write in", scratch);
    let list = tempfile::tempfile_in(scratch).map_err(&failed)?;
    let mut out = BufWriter::new(list);
    copy(&mut entry, size, LIST, |bytes| {
        out.write_all(bytes).map_err(&failed)
    })?;
    let mut list = out
        .into_inner()
        .map_err(|error| failed(error.into_error()))?;
    list.rewind().map_err(&failed)?;
    Ok(list)
}

/// Whether an entry is the one that the list has next.
fn is_it(entry: &Entry<'_, impl Read>, name: &[u8], row: &Row) -> Result<(), ArchiveError> {
    let header = entry.header();
    let wrong = |why: String| {
        let path = shown(name);
        ArchiveError::Entry { path, why }
    };
    let kind = header.entry_type();
    if let Some(word) = refused(kind) {
        return Err(wrong(format!("is {word}")));
    }
    let name_text = std::str::from_utf8(name).ok();
    let path = name_text.and_then(|name| name.strip_prefix(TOP)?.strip_prefix('/'));
    // Some programs end the name of a directory so.
    let path = path.map(|path| path.strip_suffix('/').unwrap_or(path));
    if path != Some(&row.path) {
        let expected = format!("{TOP}/{}", row.path);
        return Err(wrong(format!(
            "stands where its list has {}",
            shown(expected.as_bytes())
        )));
    }
    let mode = header.mode().map_err(unread)?;
    let same = match &row.is {
        What::Directory { mode: wanted } => kind == EntryType::Directory && mode == *wanted,
        What::Link { target } => {
            let link = entry.link_name_bytes();
            // Long targets lose what means nothing, such as a second slash.
            let same = |link: &[u8]| {
                let link = std::str::from_utf8(link).map(Path::new);
                link.is_ok_and(|link| link == Path::new(target))
            };
            kind == EntryType::Symlink && link.as_deref().is_some_and(same)
        }
        What::File {
            mode: wanted,
            bytes,
            ..
        } => kind == EntryType::Regular && mode == *wanted && entry.size() == *bytes,
    };
    match same {
        true => Ok(()),
        false => Err(wrong(
            "has not the type, mode, size or target that its list says".into(),
        )),
    }
}

/// What no slug holds, in words.
fn refused(kind: EntryType) -> Option<&'static str> {
    match kind {
        EntryType::Regular | EntryType::Directory | EntryType::Symlink => None,
        EntryType::Link => Some("a hard link"),
        EntryType::Char | EntryType::Block => Some("a device"),
        EntryType::Fifo => Some("a named pipe"),
        _ => Some("no file, directory or link"),
    }
}

/// How much there was.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    entries: u64,
    files: u64,
    bytes: u64,
}

impl Counts {
    fn of(header: &Header) -> Counts {
        Counts {
            entries: header.entries,
            files: header.files,
            bytes: header.bytes,
        }
    }

    /// Counted before it is read: a list may say less than it holds.
    fn add(&mut self, row: &Row, most: &Header) -> Result<(), ArchiveError> {
        self.entries += 1;
        let bytes = match &row.is {
            What::Directory { .. } => None,
            What::Link { target } => Some(target.len() as u64),
            What::File { bytes, .. } => Some(*bytes),
        };
        if let Some(bytes) = bytes {
            self.files += 1;
            self.bytes = self.bytes.saturating_add(bytes);
        }
        within(
            self.entries,
            most.entries,
            "files and directories, as it says",
        )?;
        within(self.bytes, most.bytes, "bytes, as it says")
    }
}

/// A slug that comes, and the digest of what is there of it.
struct Arriving<'a> {
    tree: Tree<'a>,
    digest: SlugDigest,
}

impl Arriving<'_> {
    fn put(&mut self, entry: &mut Entry<'_, impl Read>, row: Row) -> Result<(), ArchiveError> {
        let Row { path, is } = row;
        let at = Path::new(&path);
        let above = at.parent().unwrap_or(Path::new(""));
        if !self.tree.is_open(above) {
            let above = shown(above.as_os_str().as_bytes());
            let why = format!("lies in {above}, which is no directory of it");
            let path = shown(path.as_bytes());
            return Err(ArchiveError::Entry { path, why });
        }
        match is {
            What::Directory { mode } => {
                self.tree.directory(at, mode)?;
                self.digest.directory(path.as_bytes(), mode);
            }
            What::Link { target } => {
                self.tree.link(at, Path::new(&target))?;
                self.digest.link(path.as_bytes(), target.as_bytes());
            }
            What::File {
                mode,
                bytes,
                digest,
            } => {
                let whole = &mut self.digest;
                whole.file(path.as_bytes(), mode, bytes);
                let mut own = Sha256::new();
                self.tree.file(at, mode, None, |file| {
                    let failed = disk::at("write", at);
                    copy(entry, bytes, &path, |part| {
                        own.update(part);
                        whole.content(part);
                        file.write_all(part).map_err(&failed)
                    })
                })?;
                if hex(&own.finalize()) != digest {
                    let path = shown(path.as_bytes());
                    let why = "its content has another digest";
                    return Err(ArchiveError::Damaged { path, why });
                }
            }
        }
        Ok(())
    }
}

/// Reads the whole content of an entry.
fn copy(
    entry: &mut impl Read,
    bytes: u64,
    path: &str,
    mut take: impl FnMut(&[u8]) -> Result<(), disk::DiskError>,
) -> Result<(), ArchiveError> {
    let mut buffer = vec![0; 64 * 1024];
    let mut left = bytes;
    loop {
        let count = entry.read(&mut buffer).map_err(unread)?;
        if count == 0 && left > 0 {
            return Err(ArchiveError::Short(format!(
                "within {}",
                shown(path.as_bytes())
            )));
        }
        if count == 0 {
            return Ok(());
        }
        left = left.saturating_sub(count as u64);
        take(&buffer[..count])?;
    }
}

/// After the last entry an archive has zeros, and then nothing.
fn tail(mut rest: impl Read) -> Result<(), ArchiveError> {
    let mut buffer = [0; 4096];
    loop {
        match rest.read(&mut buffer).map_err(unread)? {
            0 => return Ok(()),
            count if buffer[..count].iter().all(|byte| *byte == 0) => {}
            _ => return Err(empty("something follows its end")),
        }
    }
}

fn empty(what: &str) -> ArchiveError {
    ArchiveError::NotOne(what.to_owned())
}

/// What the reader or the crate says of it.
fn unread(error: io::Error) -> ArchiveError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => ArchiveError::Short("within a header".into()),
        _ => ArchiveError::NotOne(error.to_string()),
    }
}
