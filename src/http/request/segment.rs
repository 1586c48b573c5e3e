//! The one variable part of a path, with this server's own error where it cannot be read.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;

use crate::http::answer::Error;

/// The decoded segment.
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
