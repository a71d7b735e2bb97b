//! Descriptors that the daemon hands to a caller, beside a message: bytes then go from there to
//! where they are wanted, and not through the daemon.
//!
//! They come with [`crate::FromDaemon::Passed`], by `SCM_RIGHTS`: one for each word, in that order.
//! A caller that reads that message as it reads any other loses them, and the kernel closes them.

use serde::{Deserialize, Serialize};

/// The most descriptors that come with one message.
pub const MOST: usize = 3;

/// What a descriptor is good for, as its new owner sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Passed {
    /// The master of a pseudo terminal: what is typed is written to it, what is shown read from it.
    Terminal,
    /// To be written to, and closed at the end.
    Input,
    /// To be read from, until its end.
    Output,
    /// The same, for what goes wrong.
    Errors,
}

/// Reads some bytes, and adds to `descriptors` what came with them; 0 at the end.
///
/// # Errors
/// The system's, and where there are more than [`MOST`] by now.
#[cfg(feature = "passed")]
pub fn receive(
    stream: impl std::os::fd::AsFd,
    buffer: &mut [u8],
    descriptors: &mut Vec<std::os::fd::OwnedFd>,
) -> std::io::Result<usize> {
    use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, recvmsg};
    use std::io;

    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut beside = RecvAncillaryBuffer::new(&mut space);
    let received = rustix::io::retry_on_intr(|| {
        let mut bytes = [io::IoSliceMut::new(buffer)];
        recvmsg(&stream, &mut bytes, &mut beside, RecvFlags::CMSG_CLOEXEC)
    })?;
    for message in beside.drain() {
        if let RecvAncillaryMessage::ScmRights(more) = message {
            descriptors.extend(more);
        }
    }
    if received.flags.contains(ReturnFlags::CTRUNC) || descriptors.len() > MOST {
        let text = "more descriptors than are taken";
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    Ok(received.bytes)
}
