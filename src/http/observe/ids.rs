//! The id of a request: the caller's, or a new one. The answer carries it, and so do the lines of the logs.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue};

/// The header that carries the id of a request, in the request and in the answer.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id that the caller gave to `request`, if it can stand in a log; otherwise a new one.
pub(super) fn of<B>(request: &Request<B>) -> HeaderValue {
    given(request).unwrap_or_else(new_request_id)
}

/// The id that the caller gave; `None` unless it has 1 to 128 plain characters, because the id goes into log lines.
fn given<B>(request: &Request<B>) -> Option<HeaderValue> {
    let id = request.headers().get(REQUEST_ID)?;
    let plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':');
    (!id.is_empty() && id.len() <= 128 && id.as_bytes().iter().all(plain)).then(|| id.clone())
}

/// A new id of a request: a random prefix of this process, and a number. Only the first id costs randomness.
pub fn new_request_id() -> HeaderValue {
    static PREFIX: OnceLock<String> = OnceLock::new();
    static NUMBER: AtomicU64 = AtomicU64::new(1);
    let prefix = PREFIX.get_or_init(|| uuid::Uuid::new_v4().simple().to_string()[..12].to_owned());
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    HeaderValue::try_from(format!("{prefix}-{number:x}")).expect("hex digits and a hyphen")
}
