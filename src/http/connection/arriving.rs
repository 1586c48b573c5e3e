//! How much of a request has arrived. A server that stops waits for requests that have arrived whole, and for no others.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

/// How long a server that stops waits for the rest of a request whose head has arrived: bytes that the client has sent may
/// still be on their way through the machine.
pub(super) const REST_TIMEOUT: Duration = Duration::from_millis(100);
/// How often the server looks for that rest.
const REST_POLL: Duration = Duration::from_millis(5);

/// Nothing, or a part of a request's head.
const NOTHING: u8 = 0;
/// The head of the newest request.
const HEAD: u8 = 1;
/// All of the newest request.
const WHOLE: u8 = 2;

/// What has arrived of a request: on a connection of HTTP/1.1 of its newest one, on HTTP/2 of the stream's only one. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Arrival(Arc<AtomicU8>);

impl Default for Arrival {
    fn default() -> Arrival {
        Arrival(Arc::new(AtomicU8::new(NOTHING)))
    }
}

impl Arrival {
    /// The head of a request has arrived. Returns its body, which notes here when it has arrived too.
    pub(super) fn body(&self, body: Incoming) -> ArrivingBody {
        self.0.store(if body.is_end_stream() { WHOLE } else { HEAD }, Ordering::Relaxed);
        ArrivingBody { body, arrival: self.clone(), may_be_reset: false }
    }

    /// The same for a request of HTTP/2, whose client may reset the stream.
    pub(super) fn stream_body(&self, body: Incoming) -> ArrivingBody {
        ArrivingBody { may_be_reset: true, ..self.body(body) }
    }

    /// Whether the newest request has arrived whole.
    pub(super) fn is_whole(&self) -> bool {
        self.0.load(Ordering::Relaxed) == WHOLE
    }

    /// Waits for the rest of a request whose head has arrived, up to [`REST_TIMEOUT`].
    pub(super) async fn rest(&self) {
        let arrived = async {
            while self.0.load(Ordering::Relaxed) == HEAD {
                tokio::time::sleep(REST_POLL).await;
            }
        };
        let _ = tokio::time::timeout(REST_TIMEOUT, arrived).await;
    }
}

/// The body of a request. It notes its end in the [`Arrival`] of its connection.
pub struct ArrivingBody {
    body: Incoming,
    arrival: Arrival,
    may_be_reset: bool,
}

impl ArrivingBody {
    /// Whether the client has reset the stream before the body ended. hyper ends the body of a stream that is reset with `NO_ERROR` as
    /// if it were whole.
    fn is_given_up(&self, frame: Option<&Result<Frame<Bytes>, hyper::Error>>) -> bool {
        match frame {
            None => !self.body.is_end_stream(),
            Some(Ok(_)) => false,
            Some(Err(error)) => {
                let cause = error.source().and_then(|cause| cause.downcast_ref::<h2::Error>());
                cause.is_some_and(|cause| cause.is_reset() && cause.is_remote())
            }
        }
    }
}

impl Body for ArrivingBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if self.may_be_reset && self.is_given_up(frame.as_ref()) {
            // No answer reaches this client, so the body never ends: hyper looks for the reset next, and drops the request.
            return Poll::Pending;
        }
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
