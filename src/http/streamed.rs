//! Answers that are sent as they are made, because there is no bound on how long they are.

use axum::BoxError;
use axum::body::Body;
use bytes::Bytes;
use tokio_stream::Stream;

/// A body of these parts. No part is made before the one before it was taken: a slow reader holds nothing.
pub fn streamed<E: Into<BoxError> + 'static>(parts: impl Stream<Item = Result<Bytes, E>> + Send + 'static) -> Body {
    Body::from_stream(parts)
}
