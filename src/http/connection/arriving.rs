//! How far the request on a connection has come in: a server that stops waits for answers, and not for questions.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

/// Nothing came, or a part of a request's head.
const NOTHING: u8 = 0;
/// The head of the newest request.
const HEAD: u8 = 1;
/// All of the newest request.
const WHOLE: u8 = 2;

/// What has come in on one connection.
#[derive(Debug, Clone, Default)]
pub(super) struct Arrival(Arc<AtomicU8>);

impl Arrival {
    /// The head of a request has come in: the body that tells when the rest has.
    pub(super) fn body(&self, body: Incoming) -> Arriving {
        self.0.store(if body.is_end_stream() { WHOLE } else { HEAD }, Ordering::Relaxed);
        Arriving { body, arrival: self.clone() }
    }

    /// Whether the newest request has come in whole.
    pub(super) fn is_whole(&self) -> bool {
        self.0.load(Ordering::Relaxed) == WHOLE
    }

    /// Whether not even the head of a request has come in.
    pub(super) fn is_nothing(&self) -> bool {
        self.0.load(Ordering::Relaxed) == NOTHING
    }
}

/// A body that comes in, and tells its connection when it has.
pub struct Arriving {
    body: Incoming,
    arrival: Arrival,
}

impl Body for Arriving {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if frame.is_none() || self.body.is_end_stream() {
            self.arrival.0.store(WHOLE, Ordering::Relaxed);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
