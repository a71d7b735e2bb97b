//! Connections to our own programs, over Unix sockets.

use std::{
    io,
    path::Path,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::UnixStream,
};

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
