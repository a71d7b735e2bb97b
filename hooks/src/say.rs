//! What the pusher reads.
//!
//! git copies a hook's output to the client. When the client is gone or stopped, that pipe fills
//! and a write blocks for good. So nothing is written before the pipe has room for it, and after a
//! while without room the hook stops talking. The pipe's own flags are shared with git and with
//! chained hooks, so they stay as they are: a pipe that polls as writable takes `PIPE_BUF` bytes
//! without blocking.

use std::{
    error::Error,
    io::{self, Stderr},
    os::fd::AsFd,
    time::{Duration, Instant},
};

use rustix::event::PollFlags;

use crate::timed;

/// `PIPE_BUF`: what a writable pipe takes at once.
const AT_ONCE: usize = 4096;
/// Before the stub is read.
const FIRST_WAIT: Duration = Duration::from_secs(10);

/// Lines to the pusher. Once they are not taken any more, all further ones are dropped.
pub(crate) struct Say<W = Stderr> {
    to: W,
    pending: Vec<u8>,
    /// How long to wait for room.
    pub(crate) patience: Duration,
    gone: bool,
}

impl Say {
    /// git merges both outputs of a receive hook; errors belong to this one.
    pub(crate) fn to_stderr() -> Self {
        Say::new(io::stderr())
    }
}

impl<W: AsFd> Say<W> {
    fn new(to: W) -> Self {
        Say {
            to,
            pending: Vec::new(),
            patience: FIRST_WAIT,
            gone: false,
        }
    }

    /// Whether nobody reads any more.
    pub(crate) fn is_gone(&self) -> bool {
        self.gone
    }

    /// A line, at once.
    pub(crate) fn line(&mut self, text: &str) {
        self.later(text);
        self.flush();
    }

    /// A line that may wait for the next [`Say::flush`]. Control characters never reach a terminal.
    pub(crate) fn later(&mut self, text: &str) {
        let clean = text
            .chars()
            .map(|c| if c.is_control() && c != '\t' { '?' } else { c });
        let line: String = clean.chain(['\n']).collect();
        if self.pending.len() + line.len() > AT_ONCE {
            self.flush();
        }
        self.pending.extend_from_slice(line.as_bytes());
    }

    /// An error and what caused it, each on a line.
    pub(crate) fn error(&mut self, error: &dyn Error) {
        self.later(&format!("error: {error}"));
        self.causes(error);
    }

    /// What caused an error, each on a line.
    pub(crate) fn causes(&mut self, error: &dyn Error) {
        let mut cause = error.source();
        while let Some(error) = cause {
            self.later(&format!("  {error}"));
            cause = error.source();
        }
        self.flush();
    }

    /// Writes what waits.
    pub(crate) fn flush(&mut self) {
        let mut rest = std::mem::take(&mut self.pending);
        while !self.gone && !rest.is_empty() {
            match self.write(&rest[..rest.len().min(AT_ONCE)]) {
                Ok(written) => drop(rest.drain(..written)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => self.gone = true,
            }
        }
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        timed::wait(&self.to, PollFlags::OUT, Instant::now() + self.patience)?;
        Ok(rustix::io::write(&self.to, bytes)?)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn a_reader_that_does_not_read_is_left() {
        let (reader, writer) = io::pipe().unwrap();
        let mut say = Say::new(writer);
        say.patience = Duration::from_millis(20);
        let mut lines = 0;
        while !say.is_gone() {
            say.line(&"x".repeat(999));
            lines += 1;
            assert!(lines < 10_000, "a pipe takes no ten megabytes");
        }
        let began = Instant::now();
        say.line("dropped");
        assert!(began.elapsed() < Duration::from_millis(20));
        drop(reader);
    }

    #[test]
    fn a_long_line_arrives_whole_and_without_control_characters() {
        let (mut reader, writer) = io::pipe().unwrap();
        let mut say = Say::new(writer);
        say.line(&format!("a\u{1b}[31m\r\nb\t{}", "y".repeat(9000)));
        drop(say);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, format!("a?[31m??b\t{}\n", "y".repeat(9000)));
    }

    #[test]
    fn a_closed_pipe_is_gone_at_once() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let mut say = Say::new(writer);
        say.line("nobody");
        assert!(say.is_gone());
    }
}
