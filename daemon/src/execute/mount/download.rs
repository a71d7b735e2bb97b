//! Writes what is in a mount as a tar archive: `.` and what is below it, or one file by its name.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use rustix::fs::Stat;
use tar::Builder;
use tokio_util::sync::CancellationToken;

use super::{LONGEST, MountError, Thing, shown};
use crate::disk;
use crate::execute::walk::{Found, Visit, tarred, within};
use crate::plan::mounts;

/// What of that is left out is named, of so many.
const MOST_NAMED: usize = 20;
/// What the path of each entry of a directory begins with.
const TOP: &str = ".";

/// What was taken.
#[derive(Debug, Default)]
pub struct Taken {
    /// Files and links.
    pub files: u64,
    /// Bytes of their content.
    pub bytes: u64,
    /// What is not in it, or not as it was, and why: the first of them.
    pub left_out: Vec<String>,
    /// How many more.
    pub more: u64,
}

/// Writes the archive; `mount` names it in errors. Blocks.
///
/// # Errors
/// Of the file system; that nobody takes it any more.
pub fn download(
    out: impl Write,
    thing: Thing,
    mount: &Path,
    stop: &CancellationToken,
) -> Result<Taken, MountError> {
    let broken = |error: io::Error| match MountError::of_pipe(&error, stop) {
        // Nothing is read as an archive here.
        MountError::NotOne(_) | MountError::Short => disk::at("read", mount)(error).into(),
        other => other,
    };
    let mut taking = Taking {
        out: Builder::new(BufWriter::with_capacity(64 * 1024, out)),
        stop,
        taken: Taken::default(),
    };
    match thing {
        Thing::Directory(directory) => {
            let stat = rustix::fs::fstat(&directory).map_err(|error| broken(error.into()))?;
            let top = Path::new(TOP);
            tarred::append(&mut taking.out, top, &stat, Found::Directory).map_err(broken)?;
            crate::fail::point(format_args!("download: begun"));
            within(&directory, top, &mut taking).map_err(broken)?;
        }
        Thing::File(file, name) => taking.file(&name, file).map_err(broken)?,
    }
    let mut rest = taking.out.into_inner().map_err(broken)?;
    rest.flush().map_err(broken)?;
    drop(rest);
    Ok(taking.taken)
}

struct Taking<'a, W: Write> {
    out: Builder<W>,
    stop: &'a CancellationToken,
    taken: Taken,
}

impl<W: Write> Taking<'_, W> {
    fn file(&mut self, name: &Path, file: File) -> io::Result<()> {
        let stat = rustix::fs::fstat(&file)?;
        self.found(name, &stat, Found::File(file))
    }
}

impl<W: Write> Visit for Taking<'_, W> {
    fn found(&mut self, path: &Path, stat: &Stat, found: Found) -> io::Result<()> {
        if self.stop.is_cancelled() {
            return Err(io::Error::other("stopped"));
        }
        let length = path.as_os_str().len();
        match &found {
            _ if length > LONGEST => {
                self.left_out(path, "its path is too long");
                return Ok(());
            }
            Found::Link(to) if !mounts::stays(&below(path), to) => {
                self.left_out(path, "the link leads out of what is taken");
                return Ok(());
            }
            Found::Directory => {}
            Found::Link(_) | Found::File(_) => self.taken.files += 1,
        }
        let appended = tarred::append(&mut self.out, path, stat, found)?;
        self.taken.bytes += appended.bytes;
        if appended.missing > 0 {
            self.left_out(path, tarred::SHORTER);
        }
        Ok(())
    }

    fn left_out(&mut self, path: &Path, why: &str) {
        if self.taken.left_out.len() == MOST_NAMED {
            self.taken.more += 1;
            return;
        }
        let text = format!("{}: {why}", shown(&below(path)));
        self.taken.left_out.push(text);
    }
}

/// Below what is taken.
fn below(path: &Path) -> PathBuf {
    path.strip_prefix(TOP).unwrap_or(path).to_owned()
}
