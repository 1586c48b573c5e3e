//! Answers that are sent as they are made, because there is no bound on how long they are. How many there are at once is
//! bounded, and each ends with its caller's token.

use async_stream::stream;
use axum::BoxError;
use axum::body::Body;
use bytes::Bytes;
use tokio_stream::{Stream, StreamExt};

use crate::http::app::App;
use crate::http::connection::Bound;
use crate::http::connection::Lease;
use crate::http::limits::Held;
use crate::http::request::Caller;

/// A long answer's place among all of its sort, and its caller's lease on it.
pub struct Long {
    lease: Lease,
    _bound: Bound,
    _held: Held,
}

impl Long {
    /// One for `caller`, who holds a place.
    pub fn new(app: &App, caller: &Caller, held: Held) -> Long {
        let lease = Lease::new(app, caller);
        Long { _bound: caller.line().bind(lease.clone()), lease, _held: held }
    }
}

/// A body of these parts. No part is made before the one before it was taken: a slow reader holds one part.
pub fn streamed<E: Into<BoxError> + Send + 'static>(
    long: Long,
    parts: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
) -> Body {
    Body::from_stream(stream! {
        // All of it, or what is not named would be given back now.
        let Long { mut lease, _bound, _held } = long;
        let mut parts = std::pin::pin!(parts);
        while let Some(part) = parts.next().await {
            if lease.is_over() {
                yield Err("the token has ended".into());
                return;
            }
            yield part.map_err(Into::<BoxError>::into);
        }
    })
}
