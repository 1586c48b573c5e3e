//! Observes each request: its id on the answer, its line in the access log, its part in the metrics, and a warning if the
//! server failed.
//!
//! Not here: the log itself and its format (`cli`), and the counters of the ledger (`ledger`).

mod access_log;
mod requests;
mod templates;

pub use access_log::{ACCESS_LOG, asked_by, reads_of_others, refused};
pub use requests::Requests;

use std::net::SocketAddr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;
use futures_util::FutureExt;
use tracing::Instrument;

use self::access_log::AccessLine;
use crate::http::app::App;

/// The header in which a proxy names its client. Any client can send it too, so it proves nothing.
const FORWARDED: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The header that carries the id of a request, in the request and in the answer.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Answers `request` through `next`, and observes it. Logs no body, `Authorization` or cookie, and no query string, because labels
/// in a query may name people.
pub fn observe<B, F: Future<Output = Response>>(
    app: App,
    peer: SocketAddr,
    request: Request<B>,
    next: impl FnOnce(Request<B>) -> F,
) -> impl Future<Output = Response> {
    let id = given(&request).unwrap_or_else(new_request_id);
    let (method, uri, started) = (request.method().clone(), request.uri().clone(), Instant::now());
    let span = tracing::info_span!("request", id = id.to_str().unwrap_or(""), %method, path = uri.path());
    let forwarded = request.headers().get(FORWARDED).cloned();
    let answer = access_log::listening(next(request)).map(move |(mut response, told)| {
        let route = app.requests.route(uri.path());
        app.requests.count(&method, &route, response.status(), started.elapsed());
        if response.status().is_server_error() {
            let ms = started.elapsed().as_millis() as u64;
            tracing::warn!(status = response.status().as_u16(), ms, "answered");
        }
        response.headers_mut().insert(REQUEST_ID, id.clone());
        AccessLine { request: id, method, uri, route, peer, forwarded, started, told }.follow(response)
    });
    answer.instrument(span)
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
