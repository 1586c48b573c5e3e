//! Observes each request: its id on the answer, its line in the access log, its part in the metrics, and a warning if the
//! server failed.
//!
//! Not here: the log itself and its format (`cli`), and the counters of the ledger (`ledger`).

mod access_log;
mod ids;
mod noted;
mod requests;
mod templates;

pub use access_log::ACCESS_LOG;
pub use ids::{REQUEST_ID, new_request_id};
pub use noted::{asked_by, in_request, off_thread, reads_of_others, refused};
pub use requests::Requests;

use std::net::SocketAddr;

use axum::extract::Request;
use axum::response::Response;
use futures_util::FutureExt;

use self::access_log::AccessLine;
use self::noted::Noted;
use crate::http::app::App;

/// Answers `request` through `next`, and observes it. Logs no body, `Authorization` or cookie, and no query string, because labels
/// in a query may name people.
pub fn observe<B, F: Future<Output = Response>>(
    app: App,
    peer: SocketAddr,
    request: Request<B>,
    next: impl FnOnce(Request<B>) -> F,
) -> impl Future<Output = Response> {
    let noted = Noted::new(&request, peer);
    noted.clone().during(next(request)).map(move |mut response| {
        let route = app.requests.route(noted.uri.path());
        app.requests.count(&noted.method, &route, response.status(), noted.started.elapsed());
        if response.status().is_server_error() {
            let ms = noted.started.elapsed().as_millis() as u64;
            noted.name_in(|| tracing::warn!(status = response.status().as_u16(), ms, "answered"));
        }
        response.headers_mut().insert(REQUEST_ID, noted.id.clone());
        AccessLine { noted, route }.follow(response)
    })
}
