//! Messages of the socket, and the descriptors beside the first one.

use std::{
    io::{self, IoSliceMut},
    mem::MaybeUninit,
    os::fd::{AsFd, OwnedFd},
};

use rustix::{
    cmsg_space,
    net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, recvmsg},
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    io::{AsyncWriteExt, Interest},
    net::UnixStream,
};
use wharf_wire::frame::{self, FrameError, PREFIX};

/// Descriptors that come with a start: the three streams.
const STREAMS: usize = 3;

/// What comes on a connection, message by message.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    bytes: Vec<u8>,
    /// Descriptors that came so far.
    pub(crate) beside: Vec<OwnedFd>,
}

impl Inbox {
    /// The next message; `None` at the end. Loses nothing when it is cancelled.
    ///
    /// # Errors
    /// [`FrameError`], also for more than three descriptors.
    pub(crate) async fn next<T: DeserializeOwned>(
        &mut self,
        stream: &UnixStream,
    ) -> Result<Option<T>, FrameError> {
        loop {
            if let Some((prefix, rest)) = self.bytes.split_first_chunk::<PREFIX>() {
                let length = frame::length(*prefix)?;
                if let Some(bytes) = rest.get(..length) {
                    let message = frame::decode(bytes)?;
                    self.bytes.drain(..PREFIX + length);
                    return Ok(Some(message));
                }
            }
            let read = stream
                .async_io(Interest::READABLE, || receive(stream, self))
                .await?;
            if read == 0 {
                return Ok(None);
            }
        }
    }
}

fn receive(stream: &UnixStream, inbox: &mut Inbox) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(STREAMS))];
    let mut beside = RecvAncillaryBuffer::new(&mut space);
    let mut bytes = [0; 16 * 1024];
    let received = recvmsg(
        stream.as_fd(),
        &mut [IoSliceMut::new(&mut bytes)],
        &mut beside,
        RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT,
    )?;
    for message in beside.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = message {
            inbox.beside.extend(descriptors);
        }
    }
    if received.flags.contains(ReturnFlags::CTRUNC) || inbox.beside.len() > STREAMS {
        return Err(io::Error::other("more descriptors than streams"));
    }
    inbox.bytes.extend_from_slice(&bytes[..received.bytes]);
    Ok(received.bytes)
}

/// Says something.
///
/// # Errors
/// [`FrameError`].
pub(crate) async fn say<T: Serialize>(
    stream: &mut UnixStream,
    message: &T,
) -> Result<(), FrameError> {
    Ok(stream.write_all(&frame::encode(message)?).await?)
}
