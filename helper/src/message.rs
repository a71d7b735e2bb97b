//! Messages of the socket, and the descriptors beside the first one.

use std::os::fd::OwnedFd;

use tokio::{
    io::{AsyncWriteExt, Interest},
    net::UnixStream,
};
use wharf_sandbox::ask::{FromHelper, ToHelper};
use wharf_wire::{
    frame::{self, FrameError},
    passed,
};

/// What comes on a connection, message by message.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    bytes: Vec<u8>,
    /// Descriptors that came so far: the three streams of a job.
    pub(crate) beside: Vec<OwnedFd>,
}

impl Inbox {
    /// The next message; `None` at the end. Loses nothing when it is cancelled.
    ///
    /// # Errors
    /// [`FrameError`], also for more than three descriptors.
    pub(crate) async fn next(
        &mut self,
        stream: &UnixStream,
    ) -> Result<Option<ToHelper>, FrameError> {
        loop {
            if let Some(message) = frame::take(&mut self.bytes)? {
                return Ok(Some(message));
            }
            let receive = || {
                let mut bytes = [0; 16 * 1024];
                let read = passed::receive(stream, &mut bytes, &mut self.beside)?;
                self.bytes.extend_from_slice(&bytes[..read]);
                Ok(read)
            };
            if stream.async_io(Interest::READABLE, receive).await? == 0 {
                return Ok(None);
            }
        }
    }
}

/// Says something.
///
/// # Errors
/// [`FrameError`].
pub(crate) async fn say(stream: &mut UnixStream, message: &FromHelper) -> Result<(), FrameError> {
    Ok(stream.write_all(&frame::encode(message)?).await?)
}
