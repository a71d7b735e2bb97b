//! What is downloaded, in a directory beside the one that it becomes: it takes its name when all of it
//! is there.

use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::{Handle, Signals},
    low_level::emulate_default_handler,
};
use tar::{Archive, Entry, EntryType};
use tempfile::TempDir;
use wharf_wire::outcome::Exit;

use super::resolve;
use crate::failure::{self, Failure};

/// What the name of a directory begins with until it is whole.
const UNWRITTEN: &str = ".wharf-mount-";
/// What is in it until it has its own name.
const INSIDE: &str = "it";

/// Files that come.
#[derive(Debug)]
pub(super) struct Arriving {
    beside: TempDir,
    to: PathBuf,
    watch: Watch,
}

impl Arriving {
    /// Makes the directory beside `to`, where nothing may be yet.
    ///
    /// # Errors
    /// Something is, or nothing can be written there.
    pub(super) fn begin(
        directory: &Path,
        path: &str,
        to: Option<&Path>,
    ) -> Result<Arriving, Failure> {
        let name = Path::new(path).file_name().ok_or_else(|| {
            Failure::usage("no mount is named").hint("see them with: wharf mount list")
        })?;
        let to = match to.map(|to| resolve(directory, to)) {
            Some(to) if to.is_dir() => to.join(name),
            Some(to) => to,
            None => directory.join(name),
        };
        if to.symlink_metadata().is_ok() {
            let text = format!("{} is there already", to.display());
            return Err(Failure::new(Exit::Failed, text)
                .hint("name another place: wharf mount download PATH OTHER"));
        }
        let beside = to.parent().unwrap_or(directory);
        let made = tempfile::Builder::new()
            .prefix(UNWRITTEN)
            .tempdir_in(beside);
        let failed = |error: io::Error| {
            let text = format!("cannot write in {}", beside.display());
            Failure::new(Exit::Failed, text).because(error)
        };
        let beside = made.map_err(failed)?;
        let watch = Watch::over(beside.path()).map_err(failed)?;
        Ok(Arriving { beside, to, watch })
    }

    /// Reads the archive to its end; returns its length.
    ///
    /// # Errors
    /// It cannot be read or written.
    pub(super) fn take(&mut self, from: &mut dyn Read) -> Result<u64, Failure> {
        let mut counted = Counted {
            from,
            bytes: 0,
            is_over: Arc::clone(&self.watch.is_over),
        };
        unpack(&mut counted, &self.beside.path().join(INSIDE))
            .and_then(|()| io::copy(&mut counted, &mut io::sink()).map(drop))
            .map_err(|error| {
                let text = format!("cannot write {}", self.to.display());
                Failure::new(Exit::Failed, text).because(error)
            })?;
        Ok(counted.bytes)
    }

    /// All of it is there: gives it its name, durably.
    ///
    /// # Errors
    /// It cannot be given, or has come to another since.
    pub(super) fn keep(self) -> Result<(), Failure> {
        let Arriving { beside, to, watch } = self;
        let above = to.parent().unwrap_or(Path::new("/"));
        let kept = fs::File::open(beside.path())
            .and_then(|opened| Ok(rustix::fs::syncfs(&opened)?))
            .and_then(|()| {
                let flags = rustix::fs::RenameFlags::NOREPLACE;
                let (cwd, from) = (rustix::fs::CWD, beside.path().join(INSIDE));
                Ok(rustix::fs::renameat_with(cwd, from, cwd, &to, flags)?)
            })
            .and_then(|()| fs::File::open(above)?.sync_all());
        drop(watch);
        kept.map_err(|error| {
            let text = format!("cannot write {}", to.display());
            Failure::new(Exit::Failed, text).because(error)
        })?;
        failure::note(&format!("written: {}", to.display()));
        Ok(())
    }
}

/// Removes what is not whole where a signal ends this process.
#[derive(Debug)]
struct Watch {
    handle: Handle,
    is_over: Arc<AtomicBool>,
}

impl Watch {
    fn over(directory: &Path) -> io::Result<Watch> {
        let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM])?;
        let (handle, directory) = (signals.handle(), directory.to_owned());
        let is_over = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&is_over);
        let watch = move || {
            for signal in signals.forever() {
                seen.store(true, Ordering::SeqCst);
                // Whatever cannot be removed is found by its name.
                drop(fs::remove_dir_all(&directory));
                drop(emulate_default_handler(signal));
            }
        };
        std::thread::Builder::new()
            .name("signals".into())
            .spawn(watch)?;
        Ok(Watch { handle, is_over })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.handle.close();
    }
}

/// Counts what is read, until it is over.
struct Counted<'a> {
    from: &'a mut dyn Read,
    bytes: u64,
    is_over: Arc<AtomicBool>,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.is_over.load(Ordering::SeqCst) {
            return Err(io::Error::other("it was stopped"));
        }
        let count = self.from.read(buffer)?;
        self.bytes += count as u64;
        Ok(count)
    }
}

/// Unpacks what the daemon writes: `.` and what is below it, or one file.
fn unpack(from: &mut Counted<'_>, to: &Path) -> io::Result<()> {
    let mut archive = Archive::new(from);
    archive.set_preserve_permissions(true);
    archive.set_overwrite(false);
    // A directory may forbid what is still to come into it.
    let mut directories = Vec::new();
    let mut is_first = true;
    for entry in archive.entries()? {
        let mut entry = entry?;
        let is_top = is_top(&entry);
        if std::mem::take(&mut is_first) {
            if !is_top {
                let is_file = entry.header().entry_type() == EntryType::Regular;
                let alone =
                    || io::Error::new(io::ErrorKind::InvalidData, "no directory came first");
                is_file.then_some(()).ok_or_else(alone)?;
                entry.unpack(to)?;
                continue;
            }
            fs::create_dir(to)?;
        }
        match entry.header().entry_type() {
            EntryType::Directory => {
                let path = to.join(entry.path()?);
                let mode = entry.header().mode()? & 0o777;
                if !is_top {
                    entry.set_preserve_permissions(false);
                    into(&mut entry, to)?;
                }
                directories.push((path, mode));
            }
            EntryType::Regular | EntryType::Symlink => into(&mut entry, to)?,
            _ => return Err(io::Error::new(io::ErrorKind::InvalidData, "no file came")),
        }
    }
    if is_first {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    for (path, mode) in directories.into_iter().rev() {
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode))?;
    }
    Ok(())
}

fn is_top(entry: &Entry<'_, impl Read>) -> bool {
    let name = entry.path_bytes();
    entry.header().entry_type() == EntryType::Directory && [&b"."[..], b"./"].contains(&&*name)
}

fn into(entry: &mut Entry<'_, impl Read>, to: &Path) -> io::Result<()> {
    match entry.unpack_in(to)? {
        true => Ok(()),
        false => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "a name leads out of the directory",
        )),
    }
}
