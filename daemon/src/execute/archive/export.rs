//! Writing a slug as an archive: a first walk lists it, a second one writes what was listed.

use std::ffi::CStr;
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek as _, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};
use tar::{Builder, EntryType, Header as TarHeader};
use tokio_util::sync::CancellationToken;

use super::list::{Header, Row, What};
use super::{ArchiveError, LIST, LONGEST, TIME, TOP, go_on, shown};
use crate::disk::{self, DiskError};
use crate::execute::beneath;
use crate::execute::freeze::digest::SlugDigest;
use crate::execute::slug_key::hex;

const LOOK: OFlags = OFlags::RDONLY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// What a slug holds.
#[derive(Debug)]
pub struct Survey {
    /// The list's rows, in a file without a name.
    rows: File,
    /// Directories, links and files.
    pub entries: u64,
    /// Links and files.
    pub files: u64,
    /// Bytes of their content.
    pub bytes: u64,
    /// Over all of it, as the freeze has it.
    pub digest: String,
}

/// Reads every file of a slug, and lists it in a file of `scratch`.
///
/// # Errors
/// Of the file system; that a name cannot be listed; that it was stopped.
pub fn survey(
    slug: &Path,
    scratch: &Path,
    stop: &CancellationToken,
) -> Result<Survey, ArchiveError> {
    let failed = |error: io::Error| ArchiveError::from(disk::at("write in", scratch)(error));
    let mut rows = BufWriter::new(tempfile::tempfile_in(scratch).map_err(failed)?);
    let (mut entries, mut files, mut bytes) = (0, 0, 0);
    let mut digest = SlugDigest::default();
    let mut buffer = vec![0; 128 * 1024];
    let mut list = |found: Found<'_>| {
        go_on(stop)?;
        entries += 1;
        let (path, raw) = (found.path, found.path.as_bytes());
        let is = match found.is {
            Is::Directory { mode } => {
                digest.directory(raw, mode);
                What::Directory { mode }
            }
            Is::Link { target } => {
                files += 1;
                bytes += target.len() as u64;
                digest.link(raw, target.as_bytes());
                What::Link { target }
            }
            Is::File {
                mode,
                bytes: length,
                mut content,
            } => {
                files += 1;
                bytes += length;
                digest.file(raw, mode, length);
                let mut own = Sha256::new();
                loop {
                    go_on(stop)?;
                    let read = content.read(&mut buffer);
                    let count = read.map_err(disk::at("read", Path::new(path)))?;
                    if count == 0 {
                        break;
                    }
                    digest.content(&buffer[..count]);
                    own.update(&buffer[..count]);
                }
                What::File {
                    mode,
                    bytes: length,
                    digest: hex(&own.finalize()),
                }
            }
        };
        let path = path.to_owned();
        line(&mut rows, &Row { path, is }).map_err(failed)
    };
    walk(slug, &mut list)?;
    let rows = rows
        .into_inner()
        .map_err(|error| failed(error.into_error()))?;
    Ok(Survey {
        rows,
        entries,
        files,
        bytes,
        digest: digest.finish(),
    })
}

/// Writes the archive of a slug that was surveyed.
///
/// # Errors
/// Of the file system; that nobody takes it any more.
pub fn write(
    out: impl Write,
    slug: &Path,
    header: &Header,
    survey: Survey,
    stop: &CancellationToken,
) -> Result<(), ArchiveError> {
    let broken = |error: io::Error| match error.kind() {
        // Whoever reads it is gone.
        io::ErrorKind::BrokenPipe => ArchiveError::Stopped,
        _ if stop.is_cancelled() => ArchiveError::Stopped,
        _ => disk::at("read", slug)(error).into(),
    };
    let mut out = Builder::new(BufWriter::with_capacity(64 * 1024, out));
    let mut rows = survey.rows;
    let mut first = Vec::new();
    line(&mut first, header).map_err(broken)?;
    let length = rows.stream_position().map_err(broken)? + first.len() as u64;
    rows.rewind().map_err(broken)?;
    let mut entry = entry(EntryType::Regular, 0o644, length);
    out.append_data(&mut entry, LIST, first.chain(rows))
        .map_err(broken)?;
    crate::fail::point(format_args!("archive out: begun"));
    walk(slug, &mut |found: Found<'_>| {
        go_on(stop)?;
        let path = Path::new(TOP).join(found.path);
        append(&mut out, &path, found.is).map_err(broken)
    })?;
    let mut rest = out.into_inner().map_err(broken)?;
    rest.flush().map_err(broken)
}

fn append(out: &mut Builder<impl Write>, path: &Path, is: Is) -> io::Result<()> {
    match is {
        Is::Directory { mode } => {
            let mut entry = entry(EntryType::Directory, mode, 0);
            out.append_data(&mut entry, path, io::empty())
        }
        Is::File {
            mode,
            bytes,
            content,
        } => {
            let mut entry = entry(EntryType::Regular, mode, bytes);
            out.append_data(&mut entry, path, content.take(bytes))
        }
        Is::Link { target } => {
            let mut entry = entry(EntryType::Symlink, 0o777, 0);
            // As it is, where it fits: else the crate writes it in an entry of its own.
            match entry.set_link_name_literal(&target) {
                Ok(()) => out.append_data(&mut entry, path, io::empty()),
                Err(_) => out.append_link(&mut entry, path, &target),
            }
        }
    }
}

/// Nothing of who, where and when.
fn entry(kind: EntryType, mode: u32, bytes: u64) -> TarHeader {
    let mut entry = TarHeader::new_gnu();
    entry.set_entry_type(kind);
    entry.set_mode(mode);
    entry.set_size(bytes);
    entry.set_uid(0);
    entry.set_gid(0);
    entry.set_mtime(TIME);
    entry
}

fn line(out: &mut impl Write, value: &impl serde::Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    out.write_all(b"\n")
}

/// What a walk came to.
struct Found<'a> {
    path: &'a str,
    is: Is,
}

enum Is {
    Directory {
        mode: u32,
    },
    Link {
        target: String,
    },
    File {
        mode: u32,
        bytes: u64,
        content: File,
    },
}

/// Walks a slug by directory handles, following no link, in the order of its digest.
fn walk(
    slug: &Path,
    visit: &mut impl FnMut(Found<'_>) -> Result<(), ArchiveError>,
) -> Result<(), ArchiveError> {
    let top = beneath::open(slug).map_err(disk::at("open", slug))?;
    inside(slug, &top, &mut String::new(), visit)
}

fn inside(
    slug: &Path,
    directory: &OwnedFd,
    path: &mut String,
    visit: &mut impl FnMut(Found<'_>) -> Result<(), ArchiveError>,
) -> Result<(), ArchiveError> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory).map_err(failed(slug, path))? {
        let entry = entry.map_err(failed(slug, path))?;
        let name = entry.file_name();
        if name.to_bytes() != b"." && name.to_bytes() != b".." {
            names.push(name.to_owned());
        }
    }
    names.sort_unstable();
    for name in names {
        let length = path.len();
        let Ok(text) = name.to_str() else {
            let mut path = path.clone().into_bytes();
            path.push(b'/');
            path.extend_from_slice(name.to_bytes());
            return Err(unfit(&path, "is no name in UTF-8"));
        };
        if length > 0 {
            path.push('/');
        }
        path.push_str(text);
        if path.len() > LONGEST {
            return Err(unfit(path.as_bytes(), "is a path of more than 4000 bytes"));
        }
        let is = look(slug, directory, &name, path)?;
        let below = match &is {
            Is::Directory { .. } => {
                let flags = LOOK | OFlags::DIRECTORY;
                let below = rustix::fs::openat(directory, &name, flags, Mode::empty());
                Some(below.map_err(failed(slug, path))?)
            }
            Is::Link { .. } | Is::File { .. } => None,
        };
        visit(Found { path, is })?;
        if let Some(below) = below {
            inside(slug, &below, path, visit)?;
        }
        path.truncate(length);
    }
    Ok(())
}

fn look(slug: &Path, directory: &OwnedFd, name: &CStr, path: &str) -> Result<Is, ArchiveError> {
    let stat = rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW);
    let stat = stat.map_err(failed(slug, path))?;
    let mode = stat.st_mode & 0o7777;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => Ok(Is::Directory { mode }),
        FileType::RegularFile => {
            let content = rustix::fs::openat(directory, name, LOOK, Mode::empty());
            Ok(Is::File {
                mode,
                bytes: u64::try_from(stat.st_size).unwrap_or(0),
                content: File::from(content.map_err(failed(slug, path))?),
            })
        }
        FileType::Symlink => {
            let target = rustix::fs::readlinkat(directory, name, Vec::new());
            let target = target.map_err(failed(slug, path))?.into_string();
            let target = target.map_err(|_| unfit(path.as_bytes(), "is a link to no UTF-8"))?;
            match target.len() <= LONGEST {
                true => Ok(Is::Link { target }),
                false => Err(unfit(path.as_bytes(), "is a link to more than 4000 bytes")),
            }
        }
        _ => Err(unfit(
            path.as_bytes(),
            "is neither file, link nor directory",
        )),
    }
}

fn failed(slug: &Path, path: &str) -> impl FnOnce(Errno) -> DiskError + use<> {
    let place = slug.join(path);
    move |error| disk::at("read", &place)(error.into())
}

fn unfit(path: &[u8], why: &'static str) -> ArchiveError {
    let path = shown(path);
    ArchiveError::Unfit { path, why }
}
