//! A request id on every answer, and a line in the log for what went wrong.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;
use tracing::Instrument;

/// The target of the access log.
pub const ACCESS_LOG: &str = "jobledger::access_log";
/// The header that carries the id, both ways.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Middleware. Bodies, `Authorization` and cookies are never logged; query strings neither, because labels may name people.
pub fn observe<B, F: Future<Output = Response>>(
    request: Request<B>,
    next: impl FnOnce(Request<B>) -> F,
) -> impl Future<Output = Response> {
    let id = given(&request).unwrap_or_else(fresh);
    let (method, path) = (request.method(), request.uri().path());
    let span = tracing::info_span!("request", id = id.to_str().unwrap_or(""), %method, path);
    let started = Instant::now();
    let answer = next(request);
    async move {
        let mut response = answer.await;
        let (status, ms) = (response.status().as_u16(), started.elapsed().as_millis() as u64);
        match status {
            500.. => tracing::warn!(status, ms, "answered"),
            400.. => tracing::info!(status, ms, "answered"),
            _ => tracing::debug!(status, ms, "answered"),
        }
        response.headers_mut().insert(REQUEST_ID, id);
        response
    }
    .instrument(span)
}

/// The caller's own id, where it is short and plain: it goes into the log.
fn given<B>(request: &Request<B>) -> Option<HeaderValue> {
    let id = request.headers().get(REQUEST_ID)?;
    let plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':');
    (!id.is_empty() && id.len() <= 128 && id.as_bytes().iter().all(plain)).then(|| id.clone())
}

/// Unique without asking for randomness each time: a prefix of this process and a number.
pub fn fresh() -> HeaderValue {
    static PREFIX: OnceLock<String> = OnceLock::new();
    static NUMBER: AtomicU64 = AtomicU64::new(1);
    let prefix = PREFIX.get_or_init(|| uuid::Uuid::new_v4().simple().to_string()[..12].to_owned());
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    HeaderValue::try_from(format!("{prefix}-{number:x}")).expect("hex digits and a hyphen")
}
