//! The daemon's end of a pipe, for work that blocks: it waits for bytes or for the word to stop,
//! whichever comes first, so that a caller who does neither holds nothing for good.

use std::future::Future;
use std::io::{self, Read, Write};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::unix::pipe::{Receiver, Sender};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

/// Where an archive comes in.
#[derive(Debug)]
pub struct Inlet {
    pipe: Receiver,
    wait: Wait,
}

/// Where an archive goes out.
#[derive(Debug)]
pub struct Outlet {
    pipe: Sender,
    wait: Wait,
    /// Bytes that were taken.
    pub written: u64,
}

#[derive(Debug)]
struct Wait {
    runtime: Handle,
    stop: CancellationToken,
    /// How long the other end may do nothing.
    patience: Duration,
}

/// What an [`Inlet`] or [`Outlet`] says once its patience is over.
pub const SILENT: io::ErrorKind = io::ErrorKind::TimedOut;
/// Longer than any archive may take, which has a limit of its own.
const PATIENT: Duration = Duration::from_secs(7 * 24 * 3600);

impl Wait {
    fn until<T>(&self, done: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        self.runtime.block_on(async {
            tokio::select! {
                done = done => done,
                () = self.stop.cancelled() => Err(io::Error::other("stopped")),
                () = tokio::time::sleep(self.patience) => Err(SILENT.into()),
            }
        })
    }
}

impl Inlet {
    /// Reads from a pipe until told to stop; from a thread that may block, of this runtime.
    pub fn new(pipe: Receiver, stop: CancellationToken) -> Inlet {
        let runtime = Handle::current();
        let wait = Wait {
            runtime,
            stop,
            patience: PATIENT,
        };
        Inlet { pipe, wait }
    }

    /// The same, where the other end may be silent for so long only.
    #[must_use]
    pub fn patient(mut self, patience: Duration) -> Inlet {
        self.wait.patience = patience;
        self
    }
}

impl Outlet {
    /// Writes to a pipe until told to stop; from a thread that may block, of this runtime.
    pub fn new(pipe: Sender, stop: CancellationToken) -> Outlet {
        let runtime = Handle::current();
        let wait = Wait {
            runtime,
            stop,
            patience: PATIENT,
        };
        Outlet {
            pipe,
            wait,
            written: 0,
        }
    }

    /// The same, where the other end may take nothing for so long only.
    #[must_use]
    pub fn patient(mut self, patience: Duration) -> Outlet {
        self.wait.patience = patience;
        self
    }
}

impl Read for Inlet {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.wait.until(self.pipe.read(buffer))
    }
}

impl Write for Outlet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.wait.until(self.pipe.write(bytes))?;
        self.written += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
