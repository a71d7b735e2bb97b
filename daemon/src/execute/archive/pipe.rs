//! The daemon's end of a pipe, for work that blocks: it waits for bytes or for the word to stop,
//! whichever comes first, so that a caller who does neither holds nothing for good.

use std::future::Future;
use std::io::{self, Read, Write};

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
}

impl Wait {
    fn until<T>(&self, done: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        self.runtime.block_on(async {
            tokio::select! {
                done = done => done,
                () = self.stop.cancelled() => Err(io::Error::other("stopped")),
            }
        })
    }
}

impl Inlet {
    /// Reads from a pipe until told to stop; from a thread that may block, of this runtime.
    pub fn new(pipe: Receiver, stop: CancellationToken) -> Inlet {
        let runtime = Handle::current();
        let wait = Wait { runtime, stop };
        Inlet { pipe, wait }
    }
}

impl Outlet {
    /// Writes to a pipe until told to stop; from a thread that may block, of this runtime.
    pub fn new(pipe: Sender, stop: CancellationToken) -> Outlet {
        let runtime = Handle::current();
        let wait = Wait { runtime, stop };
        Outlet {
            pipe,
            wait,
            written: 0,
        }
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
