//! The variable segment of a path. Unlike axum's own extractor, it refuses a malformed one with this server's error.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;

use crate::http::answer::Error;

/// The variable segment, percent-decoded.
#[derive(Debug, Clone)]
pub struct Segment(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Segment, Error> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(segment)) => Ok(Segment(segment)),
            Err(_) => Err(Error::bad_request("expected a path that is percent-encoded UTF-8")),
        }
    }
}
