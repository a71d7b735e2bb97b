//! A conversation with the daemon, in which every step has a deadline.

use std::{
    io::{self, BufReader, Read, Write},
    os::unix::net::UnixStream,
    path::PathBuf,
    time::{Duration, Instant},
};

use rustix::{
    event::PollFlags,
    net::{
        AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with,
        sockopt::{Timeout, set_socket_timeout},
    },
};
use wharf_wire::{
    FromDaemon, Hello, Refusal, ToDaemon, VERSION,
    frame::{self, FrameError},
    hook::{MAX_UPDATES_PER_FRAME, Push, RefUpdate},
};

use crate::{
    stub::Stub,
    timed::{self, left},
};

/// Bytes of updates in the first frame, which also carries the push's other fields.
const FIRST: usize = 16 * 1024;
/// Bytes of updates in a further frame.
const FURTHER: usize = 56 * 1024;

/// The daemon, at the other end of its socket.
pub(crate) struct Daemon {
    stream: BufReader<Stream>,
}

struct Stream {
    socket: UnixStream,
    until: Instant,
}

/// Why there is no answer to go by.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// The daemon said no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// There is nobody, or nobody who talks sense.
    #[error(transparent)]
    Absent(#[from] Absent),
}

/// How the daemon is missing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Absent {
    /// No connection.
    #[error("{}: {source}", .socket.display())]
    Connect {
        /// The daemon's socket.
        socket: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A deadline has passed.
    #[error("no answer in time")]
    Late,
    /// It left.
    #[error("the connection was closed")]
    Closed,
    /// The connection or the message was bad.
    #[error("{0}")]
    Frame(FrameError),
    /// A message that has no place here.
    #[error("an answer that belongs elsewhere")]
    Unexpected,
}

impl Absent {
    /// The verb for the sentence about Wharf.
    pub(crate) fn verb(&self) -> &'static str {
        match self {
            Absent::Connect { source, .. }
                if matches!(
                    source.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
                ) =>
            {
                "is not running"
            }
            _ => "does not answer",
        }
    }
}

impl From<FrameError> for Absent {
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::Io(error) => match error.kind() {
                io::ErrorKind::TimedOut => Absent::Late,
                io::ErrorKind::UnexpectedEof
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::ConnectionReset => Absent::Closed,
                _ => Absent::Frame(error.into()),
            },
            error => Absent::Frame(error),
        }
    }
}

impl Daemon {
    /// Connects and exchanges greetings.
    ///
    /// # Errors
    /// [`Trouble`], within the stub's deadlines.
    pub(crate) fn greet(stub: &Stub, client: &str) -> Result<Self, Trouble> {
        let socket = open(stub).map_err(|source| Absent::Connect {
            socket: stub.socket.clone(),
            source,
        })?;
        let until = Instant::now() + stub.answer;
        let mut daemon = Daemon {
            stream: BufReader::new(Stream { socket, until }),
        };
        daemon.send(&ToDaemon::Hello(Hello {
            wharf: VERSION,
            client: client.to_owned(),
        }))?;
        match daemon.receive()? {
            FromDaemon::Welcome(_) => Ok(daemon),
            _ => Err(Absent::Unexpected.into()),
        }
    }

    /// Sets the deadline of everything that follows.
    pub(crate) fn until(&mut self, until: Instant) {
        self.stream.get_mut().until = until;
    }

    /// Sends one message.
    ///
    /// # Errors
    /// [`Trouble`]; a daemon that hung up may have said why.
    pub(crate) fn send(&mut self, message: &ToDaemon) -> Result<(), Trouble> {
        let Err(error) = frame::write(self.stream.get_mut(), message) else {
            return Ok(());
        };
        match (Absent::from(error), self.receive()) {
            (Absent::Closed, Err(refused @ Trouble::Refused(_))) => Err(refused),
            (absent, _) => Err(absent.into()),
        }
    }

    /// Sends a push as `Admit`, `Propose` or `Ring`, in as many frames as it takes.
    ///
    /// # Errors
    /// As [`Daemon::send`].
    pub(crate) fn send_push(
        &mut self,
        push: &Push,
        name: fn(Push) -> ToDaemon,
    ) -> Result<(), Trouble> {
        let (first, mut rest) = split(&push.updates, FIRST);
        self.send(&name(Push {
            updates: first.to_vec(),
            ..fields(push)
        }))?;
        while !rest.is_empty() {
            let (more, after) = split(rest, FURTHER);
            self.send(&ToDaemon::More(more.to_vec()))?;
            rest = after;
        }
        self.send(&ToDaemon::Sent)
    }

    /// Waits for one message.
    ///
    /// # Errors
    /// [`Trouble`]; `Refused` is one.
    pub(crate) fn receive(&mut self) -> Result<FromDaemon, Trouble> {
        match frame::read(&mut self.stream).map_err(Absent::from)? {
            Some(FromDaemon::Refused(refusal)) => Err(refusal.into()),
            Some(message) => Ok(message),
            None => Err(Absent::Closed.into()),
        }
    }

    /// Waits a little for the next message; whether there is one, or the daemon has left.
    ///
    /// # Errors
    /// [`Trouble`].
    pub(crate) fn is_heard(&self, within: Duration) -> Result<bool, Trouble> {
        if self.has_more() {
            return Ok(true);
        }
        let until = Instant::now() + within;
        match timed::wait(&self.stream.get_ref().socket, PollFlags::IN, until) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => Ok(false),
            Err(error) => Err(Absent::from(FrameError::from(error)).into()),
        }
    }

    /// Whether a part of the next message is here already.
    pub(crate) fn has_more(&self) -> bool {
        !self.stream.buffer().is_empty()
    }
}

fn open(stub: &Stub) -> io::Result<UnixStream> {
    let flags = SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    // A connect waits while the daemon's backlog is full, for as long as a send may. That cannot be
    // polled for: without blocking it just fails.
    set_socket_timeout(&socket, Timeout::Send, Some(stub.connect))?;
    connect(&socket, &SocketAddrUnix::new(&stub.socket)?)?;
    Ok(UnixStream::from(socket))
}

/// A push's fields without its updates.
fn fields(push: &Push) -> Push {
    Push {
        repository: push.repository.clone(),
        updates: Vec::new(),
        options: push.options.clone(),
        claims: push.claims.clone(),
    }
}

/// As many updates as fit, which is at least one in a further frame.
fn split(updates: &[RefUpdate], room: usize) -> (&[RefUpdate], &[RefUpdate]) {
    let mut used = 0;
    let fit = updates
        .iter()
        .take(MAX_UPDATES_PER_FRAME)
        .take_while(|update| {
            // The worst that JSON makes of a byte is six, and the rest of an update is constant.
            used += update.name.len() * 6 + update.old.len() + update.new.len() + 64;
            used <= room
        });
    updates.split_at(fit.count())
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.socket.set_read_timeout(Some(left(self.until)?))?;
        self.socket.read(buffer).map_err(late)
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.set_write_timeout(Some(left(self.until)?))?;
        self.socket.write(bytes).map_err(late)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn late(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock => io::ErrorKind::TimedOut.into(),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use wharf_wire::hook::MAX_REF_NAME;

    use super::*;

    #[test]
    fn the_longest_names_fit_in_frames() {
        let update = RefUpdate {
            name: "\u{1}".repeat(MAX_REF_NAME),
            lossy: true,
            old: "0".repeat(64),
            new: "f".repeat(64),
        };
        let updates = vec![update; 5];
        assert_eq!(split(&updates, FIRST).0.len(), 0);
        let (more, rest) = split(&updates, FURTHER);
        assert_eq!((more.len(), rest.len()), (2, 3));
        assert!(frame::encode(&ToDaemon::More(more.to_vec())).is_ok());
    }
}
