//! Counts the requests of one connection that reached the service, and those that it answered in full.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};

/// The exchanges (a request and its answer) of one connection. Cheap to clone.
#[derive(Clone, Default)]
pub struct Exchanges(Arc<Counts>);

#[derive(Default)]
struct Counts {
    begun: AtomicU64,
    ended: AtomicU64,
}

impl Exchanges {
    /// A request reached the service.
    pub fn begin(&self) -> Exchange {
        self.0.begun.fetch_add(1, Ordering::Relaxed);
        Exchange(self.clone())
    }

    /// How many requests reached the service.
    pub fn begun(&self) -> u64 {
        self.0.begun.load(Ordering::Relaxed)
    }

    /// Whether every answer was handed to hyper in full.
    pub fn all_ended(&self) -> bool {
        self.0.ended.load(Ordering::Relaxed) == self.begun()
    }
}

/// One request that is being answered. Its drop ends the exchange.
pub struct Exchange(Exchanges);

impl Exchange {
    /// The answer's body. The exchange ends when hyper drops it, which hyper does once it has taken all of the body.
    pub fn until_dropped(self, body: Body) -> ExchangeBody {
        ExchangeBody { body, _exchange: self }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.0.0.ended.fetch_add(1, Ordering::Relaxed);
    }
}

/// The body of an answer, and its exchange.
pub struct ExchangeBody {
    body: Body,
    _exchange: Exchange,
}

impl HttpBody for ExchangeBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
