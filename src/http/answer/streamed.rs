//! Answers of any length, sent while they are made. A limit bounds how many there are at once, and each ends with its caller's
//! lease.

use async_stream::stream;
use axum::BoxError;
use axum::body::Body;
use bytes::Bytes;
use tokio_stream::{Stream, StreamExt};

use crate::http::app::App;
use crate::http::connection::{Lease, LeaseGuard};
use crate::http::limits::Permit;
use crate::http::request::Caller;

/// The permit of a long answer, and its caller's lease.
pub struct LongAnswer {
    lease: Lease,
    _guard: LeaseGuard,
    _permit: Permit,
}

impl LongAnswer {
    /// A long answer for `caller`. Binds the connection to the caller's lease until the answer ends.
    pub fn new(app: &App, caller: &Caller, permit: Permit) -> LongAnswer {
        let lease = Lease::new(app, caller);
        LongAnswer { _guard: caller.connection().bind(lease.clone()), lease, _permit: permit }
    }
}

/// A body of these parts. The stream makes a part only after the client has taken the one before, so a slow reader holds one
/// part in memory.
pub fn streamed<E: Into<BoxError> + Send + 'static>(
    answer: LongAnswer,
    parts: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
) -> Body {
    Body::from_stream(stream! {
        // Bind every field: a field that the pattern leaves out would be dropped here, and not at the end of the stream.
        let LongAnswer { mut lease, _guard, _permit } = answer;
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
