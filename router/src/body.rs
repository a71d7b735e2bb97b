//! The body of an answer.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http_body::{Frame, SizeHint};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use tokio::sync::mpsc;
use tower_http::services::fs::ServeFileSystemResponseBody;

use crate::{upstream::Flight, waiting::Turn};

/// What travels to the visitor. An enum instead of a box: one allocation less a request.
pub(crate) enum Body {
    /// A page of our own.
    Page(Full<Bytes>),
    /// A file.
    File(ServeFileSystemResponseBody),
    /// What a process answers; in flight until its last byte.
    Upstream(Incoming, Option<Arc<Flight>>),
    /// What a FastCGI process answers: what came with its head, then the rest.
    Script(Option<Bytes>, mpsc::Receiver<io::Result<Bytes>>),
}

impl Body {
    /// Nothing.
    pub(crate) fn empty() -> Self {
        Self::Page(Full::default())
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.get_mut() {
            Self::Page(page) => Pin::new(page)
                .poll_frame(cx)
                .map_err(|never| match never {}),
            Self::File(file) => Pin::new(file).poll_frame(cx).map_err(Into::into),
            Self::Upstream(body, flight) => {
                let frame = Pin::new(&mut *body).poll_frame(cx);
                if matches!(frame, Poll::Ready(None | Some(Err(_)))) || body.is_end_stream() {
                    *flight = None;
                }
                frame.map_err(Into::into)
            }
            Self::Script(first, rest) => match first.take() {
                Some(first) => Poll::Ready(Some(Ok(Frame::data(first)))),
                None => rest
                    .poll_recv(cx)
                    .map(|part| part.map(|part| part.map(Frame::data).map_err(Into::into))),
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Page(page) => page.is_end_stream(),
            Self::File(file) => file.is_end_stream(),
            Self::Upstream(body, _) => body.is_end_stream(),
            Self::Script(..) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Page(page) => page.size_hint(),
            Self::File(file) => file.size_hint(),
            Self::Upstream(body, _) => body.size_hint(),
            Self::Script(..) => SizeHint::default(),
        }
    }
}

/// An answer's body, and the visitor's turn: it ends with the body.
pub(crate) struct Attended {
    body: Body,
    _turn: Turn,
}

impl Attended {
    /// The body that is answered in this turn.
    pub(crate) fn new(body: Body, turn: Turn) -> Self {
        Self { body, _turn: turn }
    }
}

impl http_body::Body for Attended {
    type Data = Bytes;
    type Error = <Body as http_body::Body>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
