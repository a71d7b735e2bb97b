//! The body of a request on its way to a process.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use http_body::{Body, Frame, SizeHint};
use hyper::body::{Bytes, Incoming};
use tokio::time::Instant;

use crate::upstream::Flight;

/// A body that streams, and that can be sent to another process as long as nothing of it was read.
#[derive(Debug, Clone)]
pub(crate) enum RequestBody {
    /// There is none.
    Empty,
    /// All of it was read.
    Whole(Option<Bytes>),
    /// The visitor sends it.
    Streaming(Arc<Mutex<Sending>>),
}

/// A body that is being sent.
#[derive(Debug)]
pub(crate) struct Sending {
    body: Incoming,
    /// The request is in flight while its body is, even when the answer has ended.
    flight: Arc<Flight>,
    begun: bool,
    /// The visitor sent what is no body, or hung up.
    failed: bool,
    moved: Instant,
}

impl RequestBody {
    /// Takes the body of a request that belongs to this flight.
    pub(crate) fn new(body: Incoming, flight: &Arc<Flight>) -> Self {
        if body.is_end_stream() {
            return Self::Empty;
        }
        let flight = Arc::clone(flight);
        let sending = Sending {
            body,
            flight,
            begun: false,
            failed: false,
            moved: Instant::now(),
        };
        Self::Streaming(Arc::new(Mutex::new(sending)))
    }

    /// Whether there is nothing to send.
    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }

    /// The same body for another process; `None` when a part of it was read.
    pub(crate) fn again(&self, flight: &Arc<Flight>) -> Option<Self> {
        if let Self::Streaming(sending) = self {
            let mut sending = lock(sending);
            if sending.begun {
                return None;
            }
            sending.flight = Arc::clone(flight);
        }
        Some(self.clone())
    }

    /// Whether it is the visitor's fault that no process got it all.
    pub(crate) fn has_failed(&self) -> bool {
        match self {
            Self::Empty | Self::Whole(_) => false,
            Self::Streaming(sending) => lock(sending).failed,
        }
    }

    /// When a part of it last moved; `None` without a body.
    pub(crate) fn moved(&self) -> Option<Instant> {
        match self {
            Self::Empty | Self::Whole(_) => None,
            Self::Streaming(sending) => Some(lock(sending).moved),
        }
    }
}

fn lock(sending: &Mutex<Sending>) -> MutexGuard<'_, Sending> {
    sending.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let sending = match self.get_mut() {
            Self::Empty => return Poll::Ready(None),
            Self::Whole(bytes) => return Poll::Ready(bytes.take().map(|all| Ok(Frame::data(all)))),
            Self::Streaming(sending) => sending,
        };
        let mut sending = lock(sending);
        sending.begun = true;
        let frame = Pin::new(&mut sending.body).poll_frame(cx);
        if let Poll::Ready(frame) = &frame {
            sending.moved = Instant::now();
            sending.failed |= matches!(frame, Some(Err(_)));
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Whole(bytes) => bytes.is_none(),
            Self::Streaming(sending) => lock(sending).body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Self::Streaming(sending) => lock(sending).body.size_hint(),
        }
    }
}
