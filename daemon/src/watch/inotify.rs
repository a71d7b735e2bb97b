//! The kernel's word on what changed in a directory.
//!
//! Asked directly, with a mask of changes only. The `notify` crate (8.2) also asks for each opening of
//! a file: every fetch would wake the daemon, and its own reading of many loose refs would overflow
//! the kernel's queue, which means reading them again, for ever.

use std::collections::HashMap;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;
use tokio::io::unix::AsyncFd;

/// Names that come and go, and files that were written.
const CHANGES: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::DELETE)
    .union(WatchFlags::CLOSE_WRITE)
    .union(WatchFlags::ONLYDIR);
/// Bytes that are read in one go: at least one event with the longest name.
const BUFFER: usize = 16 * 1024;

/// Directories that are watched, each for somebody.
#[derive(Debug)]
pub(super) struct Inotify<T> {
    descriptor: AsyncFd<OwnedFd>,
    watched: HashMap<i32, T>,
}

/// What the kernel says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Seen<T> {
    /// A file of that name came, went or was written.
    Name(T, Vec<u8>),
    /// A directory of that name came or went.
    Directory(T, Vec<u8>),
    /// The directory itself is gone.
    Gone(T),
    /// More happened than the kernel could keep: it may be anything.
    Overflow,
}

impl<T: Clone + PartialEq> Inotify<T> {
    /// An observer that watches nothing yet.
    ///
    /// # Errors
    /// The system's: `EMFILE` when this user has too many already.
    #[expect(
        deprecated,
        reason = "its successor is unsafe for descriptors that lie; an OwnedFd cannot"
    )]
    pub(super) fn new() -> io::Result<Inotify<T>> {
        let descriptor = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        Ok(Inotify {
            descriptor: AsyncFd::new(descriptor)?,
            watched: HashMap::new(),
        })
    }

    /// Watches a directory, not what is below its subdirectories; again is the same as once.
    ///
    /// # Errors
    /// The system's: `ENOSPC` when this user watches too much already.
    pub(super) fn watch(&mut self, directory: &Path, whom: T) -> io::Result<()> {
        let watch = inotify::add_watch(&self.descriptor, directory, CHANGES)?;
        self.watched.insert(watch, whom);
        Ok(())
    }

    /// Watches nothing for somebody any more.
    pub(super) fn forget(&mut self, whom: impl Fn(&T) -> bool) {
        let descriptor = &self.descriptor;
        self.watched.retain(|watch, of| {
            if !whom(of) {
                return true;
            }
            // The kernel forgot it by itself where the directory is gone.
            if let Err(error) = inotify::remove_watch(descriptor, *watch) {
                tracing::debug!(%error, "not watched any more");
            }
            false
        });
    }

    /// Waits for changes and returns what there is. Nothing is lost when this is not waited for.
    ///
    /// # Errors
    /// The system's.
    pub(super) async fn next(&mut self) -> io::Result<Vec<Seen<T>>> {
        loop {
            let mut ready = self.descriptor.readable().await?;
            let read = ready.try_io(|descriptor| read(descriptor.get_ref(), &mut self.watched));
            if let Ok(seen) = read {
                return seen;
            }
        }
    }
}

fn read<T: Clone>(descriptor: &OwnedFd, watched: &mut HashMap<i32, T>) -> io::Result<Vec<Seen<T>>> {
    let mut buffer = [MaybeUninit::uninit(); BUFFER];
    let mut reader = Reader::new(descriptor, &mut buffer);
    let mut seen = Vec::new();
    loop {
        let event = match reader.next() {
            Ok(event) => event,
            Err(Errno::AGAIN) if seen.is_empty() => return Err(Errno::AGAIN.into()),
            Err(Errno::AGAIN) => return Ok(seen),
            Err(Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        };
        if event.events().contains(ReadFlags::QUEUE_OVERFLOW) {
            seen.push(Seen::Overflow);
        } else if event.events().contains(ReadFlags::IGNORED) {
            seen.extend(watched.remove(&event.wd()).map(Seen::Gone));
        } else if let (Some(whom), Some(name)) = (watched.get(&event.wd()), event.file_name()) {
            let (whom, name) = (whom.clone(), name.to_bytes().to_vec());
            seen.push(match event.events().contains(ReadFlags::ISDIR) {
                true => Seen::Directory(whom, name),
                false => Seen::Name(whom, name),
            });
        }
    }
}
