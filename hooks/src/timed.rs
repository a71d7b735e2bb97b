//! Reads that end at a deadline.

use std::{
    io::{self, Read},
    os::fd::AsFd,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};

/// A pipe that is read until a moment.
pub(crate) struct Timed<R> {
    from: R,
    until: Instant,
}

impl<R> Timed<R> {
    /// Reads `from` until then.
    pub(crate) fn new(from: R, until: Instant) -> Self {
        Timed { from, until }
    }
}

impl<R: Read + AsFd> Read for Timed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        wait(&self.from, PollFlags::IN, self.until)?;
        self.from.read(buffer)
    }
}

/// Waits until the descriptor is ready, closed or broken.
///
/// # Errors
/// [`io::ErrorKind::TimedOut`] at the deadline.
pub(crate) fn wait(fd: &impl AsFd, what: PollFlags, until: Instant) -> io::Result<()> {
    loop {
        let left = Timespec::try_from(left(until)?).expect("deadlines are minutes at most");
        match poll(&mut [PollFd::new(fd, what)], Some(&left)) {
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// How much time is left.
///
/// # Errors
/// [`io::ErrorKind::TimedOut`] when none is.
pub(crate) fn left(until: Instant) -> io::Result<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() {
        Err(io::ErrorKind::TimedOut.into())
    } else {
        Ok(left)
    }
}
