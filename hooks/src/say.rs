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
/// How often it is looked whether the pusher is still there.
pub(crate) const LOOK: Duration = Duration::from_millis(500);
/// Between two looks at what nobody has taken yet.
const LOOK_AGAIN: Duration = Duration::from_millis(2);
/// Before the stub is read.
const FIRST_WAIT: Duration = Duration::from_secs(10);

/// Lines to the pusher. Once they are not taken any more, all further ones are dropped.
pub(crate) struct Say<W = Stderr> {
    to: W,
    pending: Vec<u8>,
    /// How long to wait for room.
    pub(crate) patience: Duration,
    gone: bool,
    /// Bytes that were written.
    written: u64,
    /// How far the reader had come when it was first seen to take nothing, and when that was.
    stuck: Option<(u64, Instant)>,
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
            written: 0,
            stuck: None,
        }
    }

    /// Whether anything was written.
    pub(crate) fn has_spoken(&self) -> bool {
        self.written > 0
    }

    /// Whether what was written lies there for as long as the patience: git stops reading when its
    /// client is gone, but keeps the pipe open.
    pub(crate) fn is_left(&mut self) -> bool {
        // Only a pipe tells; anything else takes what it is given.
        let unread = rustix::io::ioctl_fionread(&self.to).unwrap_or(0);
        // Others may write as well: then this is no count, but it still stands when nobody reads.
        let read = self.written.wrapping_sub(unread);
        self.stuck = match self.stuck {
            _ if unread == 0 => None,
            Some((before, since)) if read == before => Some((before, since)),
            _ => Some((read, Instant::now())),
        };
        let patience = self.patience;
        self.gone |= self
            .stuck
            .is_some_and(|(_, since)| since.elapsed() >= patience);
        self.gone
    }

    /// Waits until all that was written is taken; false when nobody does.
    #[expect(
        clippy::disallowed_methods,
        reason = "there is no event for an empty pipe; git takes what comes at once"
    )]
    pub(crate) fn is_taken(&mut self) -> bool {
        self.flush();
        while !self.is_left() {
            if self.stuck.is_none() {
                return true;
            }
            std::thread::sleep(LOOK_AGAIN);
        }
        false
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
                Ok(written) => {
                    self.written += written as u64;
                    drop(rest.drain(..written));
                }
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
        while !say.gone {
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
    fn a_reader_that_keeps_the_pipe_and_reads_nothing_is_noticed() {
        let (mut reader, writer) = io::pipe().unwrap();
        let mut say = Say::new(writer);
        say.patience = Duration::from_millis(20);
        assert!(say.is_taken(), "nothing was said yet");
        say.line("unread");
        assert!(!say.is_taken() && say.gone);

        let mut say = Say { gone: false, ..say };
        reader.read_exact(&mut [0; 7]).unwrap();
        assert!(say.is_taken() && !say.gone);
    }

    #[test]
    fn a_closed_pipe_is_gone_at_once() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let mut say = Say::new(writer);
        say.line("nobody");
        assert!(say.gone);
    }
}
