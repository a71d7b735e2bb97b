//! Connections to our own programs, over Unix sockets.

use std::{
    io::{self, IoSlice},
    mem::MaybeUninit,
    os::fd::BorrowedFd,
    path::Path,
    pin::Pin,
    task::{Context, Poll, ready},
};

use rustix::{
    cmsg_space,
    io::retry_on_intr,
    net::{SendAncillaryBuffer, SendAncillaryMessage::ScmRights, SendFlags, sendmsg},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf},
    net::UnixStream,
};
use wharf_wire::passed;

/// A connection that no signal breaks: tokio hands an interrupted call to whoever reads and writes,
/// where the standard library makes it again.
#[derive(Debug)]
pub struct Connection(UnixStream);

impl From<UnixStream> for Connection {
    fn from(stream: UnixStream) -> Self {
        Self(stream)
    }
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens there, or the system refuses.
    pub async fn to(path: &Path) -> io::Result<Self> {
        loop {
            match UnixStream::connect(path).await {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                connected => return connected.map(Self),
            }
        }
    }

    /// Returns when the other end, which has nothing more to say, has hung up. What is said out of
    /// turn is the end as well.
    pub async fn gone(&self) {
        use io::ErrorKind::{Interrupted, WouldBlock};
        while self.0.readable().await.is_ok() {
            match self.0.try_read(&mut [0]) {
                Err(error) if matches!(error.kind(), WouldBlock | Interrupted) => {}
                Ok(_) | Err(_) => return,
            }
        }
    }
}

impl Connection {
    /// Writes the first of these bytes, and descriptors with them; returns how many bytes were written.
    /// The rest is written as any other.
    ///
    /// # Errors
    /// When there are more than [`passed::MOST`] descriptors, or the system refuses.
    pub async fn pass(&self, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<usize> {
        let pass = || {
            let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(passed::MOST))];
            let mut beside = SendAncillaryBuffer::new(&mut space);
            if descriptors.len() > passed::MOST || !beside.push(ScmRights(descriptors)) {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            let bytes = [IoSlice::new(bytes)];
            let sent = retry_on_intr(|| {
                let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
                sendmsg(&self.0, &bytes, &mut beside, flags)
            });
            Ok(sent?)
        };
        self.0.async_io(Interest::WRITABLE, pass).await
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        again(|| Pin::new(&mut self.0).poll_read(context, buffer))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        again(|| Pin::new(&mut self.0).poll_write(context, bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        again(|| Pin::new(&mut self.0).poll_flush(context))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        again(|| Pin::new(&mut self.0).poll_shutdown(context))
    }
}

/// Makes a call again for as long as signals interrupt it.
fn again<T>(mut call: impl FnMut() -> Poll<io::Result<T>>) -> Poll<io::Result<T>> {
    loop {
        match ready!(call()) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return Poll::Ready(done),
        }
    }
}
