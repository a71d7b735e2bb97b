//! What is uploaded: a directory or a file of this machine as a tar archive, or one that is piped.

use std::{
    fs::{self, File, Metadata},
    io::{self, BufWriter, Read, Write},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use tar::{Builder, EntryType, Header};
use wharf_wire::{mount::stays, outcome::Exit};

use super::resolve;
use crate::{
    archive,
    args::mount::Upload,
    failure::{self, Failure},
};

/// Where it comes from.
#[derive(Debug)]
pub(super) enum Source {
    /// An archive on standard input.
    Archive(File),
    /// A directory.
    Directory(PathBuf),
    /// One file, and its name.
    File(PathBuf, String),
}

impl Source {
    /// Makes sure that it is there, before anybody is asked.
    ///
    /// # Errors
    /// It is not, or is neither a file nor a directory.
    pub(super) fn open(directory: &Path, upload: &Upload) -> Result<Source, Failure> {
        if upload.is_piped() {
            return Ok(Source::Archive(archive::source(
                directory,
                None,
                "wharf mount upload DIRECTORY PATH",
            )?));
        }
        let path = resolve(directory, &upload.from);
        let found = fs::metadata(&path).map_err(|error| unread(&path, error))?;
        if found.is_dir() {
            return Ok(Source::Directory(path));
        }
        let name = path.file_name().and_then(|name| name.to_str());
        match name.filter(|_| found.is_file()) {
            Some(name) => Ok(Source::File(path.clone(), name.to_owned())),
            None => {
                let text = format!("{} is neither a directory nor a file", path.display());
                Err(Failure::usage(text).hint("or its name is not UTF-8: upload its directory"))
            }
        }
    }

    /// Writes it to the daemon or to ssh, until that takes no more: then it says why.
    ///
    /// # Errors
    /// It cannot be read; what was sent by then is no whole archive.
    pub(super) fn send(self, pipe: File) -> Result<(), Failure> {
        let path = match self {
            Source::Archive(file) => return archive::send(file, pipe),
            Source::Directory(ref path) | Source::File(ref path, _) => path.clone(),
        };
        let out = BufWriter::with_capacity(
            64 * 1024,
            Out {
                pipe,
                is_over: false,
            },
        );
        let mut sending = Sending {
            out: Builder::new(out),
            left_out: Vec::new(),
        };
        let sent = match &self {
            Source::File(path, name) => sending.file(path, Path::new(name)),
            _ => sending.directory(&path, Path::new("")),
        };
        let sent = sent.and_then(|()| {
            let finished = sending.out.finish();
            finished
                .and_then(|()| sending.out.get_mut().flush())
                .map_err(Unsent::Pipe)
        });
        for text in &sending.left_out {
            failure::warning(text);
        }
        match sent {
            Ok(()) => Ok(()),
            // An archive that just ended would be taken for a whole one.
            Err(unsent) => {
                sending.out.get_mut().get_mut().is_over = true;
                match unsent {
                    Unsent::Pipe(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
                    Unsent::Pipe(error) => {
                        let text = "the daemon cannot be given it";
                        Err(Failure::new(Exit::Unreachable, text).because(error))
                    }
                    Unsent::File(path, error) => Err(unread(&path, error)),
                }
            }
        }
    }
}

/// Why not all of it is sent.
enum Unsent {
    /// Nobody takes it.
    Pipe(io::Error),
    /// It cannot be read.
    File(PathBuf, io::Error),
}

struct Sending {
    out: Builder<BufWriter<Out>>,
    left_out: Vec<String>,
}

impl Sending {
    fn directory(&mut self, path: &Path, name: &Path) -> Result<(), Unsent> {
        let failed = |error| Unsent::File(path.to_owned(), error);
        let mut all = fs::read_dir(path)
            .and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect())
            .map_err(failed)?;
        let all: &mut Vec<_> = &mut all;
        all.sort();
        for entry in all {
            let (path, name) = (path.join(&entry), name.join(&entry));
            let found = path.symlink_metadata();
            let found = found.map_err(|error| Unsent::File(path.clone(), error))?;
            if found.is_dir() {
                let mut header = header(EntryType::Directory, &found);
                let appended = self.out.append_data(&mut header, &name, io::empty());
                appended.map_err(Unsent::Pipe)?;
                self.directory(&path, &name)?;
            } else if found.is_symlink() {
                self.link(&path, &name, &found)?;
            } else if found.is_file() {
                self.file(&path, &name)?;
            } else {
                self.left_out(&path, "it is a socket, a pipe or a device");
            }
        }
        Ok(())
    }

    fn link(&mut self, path: &Path, name: &Path, found: &Metadata) -> Result<(), Unsent> {
        let to = fs::read_link(path).map_err(|error| Unsent::File(path.to_owned(), error))?;
        if !stays(name, &to) {
            self.left_out(path, "the link leads out of the directory");
            return Ok(());
        }
        let mut header = header(EntryType::Symlink, found);
        let appended = self.out.append_link(&mut header, name, to);
        appended.map_err(Unsent::Pipe)
    }

    fn file(&mut self, path: &Path, name: &Path) -> Result<(), Unsent> {
        let failed = |error| Unsent::File(path.to_owned(), error);
        let file = File::open(path).map_err(failed)?;
        let found = file.metadata().map_err(failed)?;
        let mut header = header(EntryType::Regular, &found);
        header.set_size(found.len());
        let mut whole = Whole {
            file: file.take(found.len()),
            error: None,
        };
        let appended = self.out.append_data(&mut header, name, &mut whole);
        let left = whole.file.limit();
        match whole.error {
            Some(error) => Err(failed(error)),
            None => {
                appended.map_err(Unsent::Pipe)?;
                let shorter = || io::Error::other("it became shorter while it was read");
                (left == 0).then_some(()).ok_or_else(|| failed(shorter()))
            }
        }
    }

    fn left_out(&mut self, path: &Path, why: &str) {
        self.left_out
            .push(format!("left out: {}: {why}", path.display()));
    }
}

fn header(kind: EntryType, found: &Metadata) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(found.mode() & 0o777);
    header.set_mtime(u64::try_from(found.mtime()).unwrap_or_default());
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(0);
    header
}

/// A file, and why it could not be read: the pipe's errors are others.
struct Whole {
    file: io::Take<File>,
    error: Option<io::Error>,
}

impl Read for Whole {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(buffer).map_err(|error| {
            let kind = error.kind();
            self.error = Some(error);
            kind.into()
        })
    }
}

/// The pipe, until it is over: then nothing is written any more, least of all an end.
#[derive(Debug)]
struct Out {
    pipe: File,
    is_over: bool,
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.is_over {
            true => Ok(bytes.len()),
            false => self.pipe.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn unread(path: &Path, error: io::Error) -> Failure {
    let text = format!("cannot read {}", path.display());
    Failure::new(Exit::Failed, text).because(error)
}
