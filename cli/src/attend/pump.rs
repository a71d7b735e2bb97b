//! Bytes between this process's streams and a command's.

use std::{
    fs::File,
    io,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    sync::mpsc::{self, Receiver, RecvTimeoutError, Sender},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    io::retry_on_intr,
    stdio::{stderr, stdin, stdout},
};
use wharf_wire::{outcome::Exit, passed::Passed};

use super::terminal::Raw;
use crate::failure::Failure;

/// How long what a command has printed may take to be shown once it has ended.
const REST: Duration = Duration::from_secs(5);
/// What a process exits with that writes and has no reader: a shell's word for SIGPIPE.
const NOBODY: i32 = 141;

/// The streams of a command that runs.
#[derive(Debug)]
pub(super) struct Streams {
    /// Ends once everything that it printed is shown.
    shown: Receiver<()>,
    /// The terminal, if it has one.
    raw: Option<Raw>,
}

impl Streams {
    /// Joins each stream with this process's own.
    ///
    /// # Errors
    /// When a terminal cannot be made raw, or a descriptor or thread is not to be had.
    pub(super) fn begin(passed: Vec<(Passed, OwnedFd)>) -> Result<Streams, Failure> {
        Streams::join(passed).map_err(|error| {
            Failure::new(Exit::Failed, "cannot take the command's streams").because(error)
        })
    }

    fn join(passed: Vec<(Passed, OwnedFd)>) -> io::Result<Streams> {
        let (show, shown) = mpsc::channel();
        let mut raw = None;
        for (word, end) in passed {
            let own = |stream: BorrowedFd<'static>| stream.try_clone_to_owned();
            match word {
                Passed::Input => pump("input", own(stdin())?, end, None)?,
                Passed::Output => pump("output", end, own(stdout())?, Some(show.clone()))?,
                Passed::Errors => pump("errors", end, own(stderr())?, Some(show.clone()))?,
                Passed::Terminal => {
                    raw = Some(Raw::begin(end.try_clone()?)?);
                    pump("input", own(stdin())?, end.try_clone()?, None)?;
                    pump("output", end, own(stdout())?, Some(show.clone()))?;
                }
            }
        }
        let restore = raw.as_ref().map(Raw::restorer);
        thread::Builder::new()
            .name("nobody".into())
            .spawn(move || {
                wait_until_nobody();
                if let Some(restore) = restore {
                    restore.restore();
                }
                std::process::exit(NOBODY);
            })?;
        Ok(Streams { shown, raw })
    }

    /// Waits until all is shown that the command printed, and gives the terminal back.
    pub(super) fn finish(self) {
        let until = Instant::now() + REST;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.shown.recv_timeout(left) {
                Ok(()) => {}
                // Whoever holds a stream that long is no process of the command's.
                Err(RecvTimeoutError::Disconnected | RecvTimeoutError::Timeout) => break,
            }
        }
        drop(self.raw);
    }
}

/// Copies from one to the other until one of them ends, and closes both; whoever waits hears of it
/// by the channel's end.
fn pump(name: &str, from: OwnedFd, to: OwnedFd, shows: Option<Sender<()>>) -> io::Result<()> {
    let (mut from, mut to) = (File::from(from), File::from(to));
    thread::Builder::new().name(name.into()).spawn(move || {
        // A terminal whose last process has ended fails, as does a pipe that nobody reads: either is
        // the end.
        drop(io::copy(&mut from, &mut to));
        drop((from, to, shows));
    })?;
    Ok(())
}

/// Waits until nobody is left on any of this process's own streams: sshd of whoever was cut off
/// closes them, and tells nobody. Files never hang up.
fn wait_until_nobody() {
    let own = [stdin(), stdout(), stderr()];
    let mut left: Vec<BorrowedFd<'_>> = own.iter().map(|stream| stream.as_fd()).collect();
    while !left.is_empty() {
        let mut wanted: Vec<_> = left
            .iter()
            .map(|stream| PollFd::from_borrowed_fd(*stream, PollFlags::empty()))
            .collect();
        if retry_on_intr(|| poll(&mut wanted, None)).is_err() {
            // Nothing can be told: it is as if somebody stayed.
            loop {
                thread::park();
            }
        }
        let over = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
        let stays: Vec<bool> = wanted
            .iter()
            .map(|stream| !stream.revents().intersects(over))
            .collect();
        drop(wanted);
        let mut stays = stays.into_iter();
        left.retain(|_| stays.next().unwrap_or_default());
    }
}
