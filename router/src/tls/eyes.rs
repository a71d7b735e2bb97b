//! Certificates are read again when their files change, and on SIGHUP; addresses that another program has
//! are tried again.
//!
//! The kernel is asked directly, with a mask of changes only, as the daemon does for refs.

use std::{
    collections::BTreeSet,
    convert::Infallible,
    io,
    mem::MaybeUninit,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::{
    fs::inotify::{self, CreateFlags, Reader, WatchFlags},
    io::Errno,
};
use tokio::{
    io::unix::AsyncFd,
    signal::unix::{SignalKind, signal},
    time::{Instant, sleep, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::Tls;

/// Names that come and go, files that were written, and rights that change.
const CHANGES: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::DELETE)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::CLOSE_WRITE)
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::ONLYDIR);
/// Bytes that are read in one go: at least one event with the longest name.
const BUFFER: usize = 4096;
/// How long nothing must change before files are read: the two of a pair are written one after
/// the other.
const QUIET: Duration = Duration::from_millis(500);
/// The longest that changes are waited out.
const LONGEST: Duration = Duration::from_secs(5);
/// How often an address is tried that another program has.
const AGAIN: Duration = Duration::from_secs(5);

/// Reads certificates again whenever they may have changed, until told to stop.
pub async fn look_after(tls: &Tls, stop: &CancellationToken) {
    match stop.run_until_cancelled(follow(tls)).await {
        Some(Err(error)) => warn!(%error, "SIGHUP is not heard"),
        Some(Ok(never)) => match never {},
        None => {}
    }
}

async fn follow(tls: &Tls) -> io::Result<Infallible> {
    let mut hangup = signal(SignalKind::hangup())?;
    let mut watched = tls.watched.subscribe();
    let mut eyes = None;
    // What was named before is looked at from now on, and may have changed since it was read.
    watched.mark_changed();
    loop {
        tokio::select! {
            changed = watched.changed() => {
                changed.expect("the sender lives on");
                eyes = Eyes::on(&watched.borrow_and_update());
            }
            () = seen(eyes.as_mut()) => {
                let latest = Instant::now() + LONGEST;
                while timeout(QUIET, timeout_at(latest, seen(eyes.as_mut()))).await.is_ok_and(|on| on.is_ok()) {}
            }
            _ = hangup.recv() => info!("SIGHUP"),
            () = sleep(AGAIN), if tls.is_shut_out() => {}
        }
        tls.renew().await;
    }
}

/// Ends when something has changed; never where nothing is watched.
async fn seen(eyes: Option<&mut Eyes>) {
    match eyes {
        Some(eyes) => {
            if let Err(error) = eyes.changed().await {
                warn!(%error, "changes of certificates are not seen; say: wharf reload");
                std::future::pending().await
            }
        }
        None => std::future::pending().await,
    }
}

/// Directories that are watched.
#[derive(Debug)]
struct Eyes(AsyncFd<OwnedFd>);

impl Eyes {
    fn on(directories: &BTreeSet<PathBuf>) -> Option<Self> {
        if directories.is_empty() {
            return None;
        }
        let eyes = Self::new().inspect_err(|error| {
            warn!(%error, "changes of certificates are not seen; say: wharf reload");
        });
        let eyes = eyes.ok()?;
        for directory in directories {
            if let Err(error) = eyes.watch(directory) {
                let directory = directory.display();
                warn!(%directory, %error, "changes of certificates there are not seen; say: wharf reload");
            }
        }
        Some(eyes)
    }

    #[expect(
        deprecated,
        reason = "its successor is unsafe for descriptors that lie; an OwnedFd cannot"
    )]
    fn new() -> io::Result<Self> {
        let descriptor = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        AsyncFd::new(descriptor).map(Self)
    }

    fn watch(&self, directory: &Path) -> io::Result<()> {
        inotify::add_watch(&self.0, directory, CHANGES)?;
        Ok(())
    }

    async fn changed(&mut self) -> io::Result<()> {
        loop {
            let mut ready = self.0.readable().await?;
            if let Ok(seen) = ready.try_io(|descriptor| take_all(descriptor.get_ref())) {
                return seen;
            }
        }
    }
}

/// Takes all that has happened; `WouldBlock` where nothing has.
fn take_all(descriptor: &OwnedFd) -> io::Result<()> {
    let mut buffer = [MaybeUninit::uninit(); BUFFER];
    let mut reader = Reader::new(descriptor, &mut buffer);
    let mut has_seen = false;
    loop {
        match reader.next() {
            Ok(_) => has_seen = true,
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) if has_seen => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}
