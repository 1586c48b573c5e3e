//! The access log: who read or tried what. Its lines have a target of their own, [`ACCESS_LOG`], and are JSON in every log.
//!
//! At `info` it has requests that were refused or failed, exports, evidence bundles, and reads of other organisations' data; at
//! `debug` every request. It never has tokens, sessions or bodies, and no query strings, because labels in a query may name people.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::{Body, HttpBody};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderValue, Method, StatusCode, Uri};
use axum::response::Response;
use bytes::Bytes;
use futures_util::FutureExt;
use hyper::body::{Frame, SizeHint};
use tracing::Level;

use super::templates::Route;
use crate::access::{Principal, Role};
use crate::job::OrgId;

/// The target of the access log.
pub const ACCESS_LOG: &str = "jobledger::access_log";

tokio::task_local! {
    /// The facts about the request that this task answers.
    static TOLD: RefCell<Told>;
}

/// The facts about a request that become known while the server answers it.
#[derive(Debug, Default)]
pub(super) struct Told {
    by: Option<(String, Role, OrgId)>,
    of_others: bool,
    refused: bool,
}

/// Notes for the access log that the request comes with the token of `principal`, or with a session of this token.
pub fn asked_by(principal: &Principal) {
    let by = || Some((principal.name.clone(), principal.role, principal.org));
    let _ = TOLD.try_with(|told| told.borrow_mut().by = by());
}

/// Notes for the access log that the answer has data of other organisations.
pub fn reads_of_others() {
    let _ = TOLD.try_with(|told| told.borrow_mut().of_others = true);
}

/// Notes for the access log that the request was refused, although its answer has the status of a success.
pub fn refused() {
    let _ = TOLD.try_with(|told| told.borrow_mut().refused = true);
}

/// Awaits `answer`, and returns it with the facts that were noted meanwhile.
pub(super) fn listening<T>(answer: impl Future<Output = T>) -> impl Future<Output = (T, Told)> {
    TOLD.scope(RefCell::default(), answer.map(|answer| (answer, TOLD.with(RefCell::take))))
}

/// The fields of a line of the access log that are known before the answer ends.
pub(super) struct AccessLine {
    pub(super) request: HeaderValue,
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) route: Route,
    pub(super) peer: SocketAddr,
    pub(super) forwarded: Option<HeaderValue>,
    pub(super) started: Instant,
    pub(super) told: Told,
}

impl AccessLine {
    /// Has the line written: at once if the length of the body is known, and such a body counts as sent. A line for another body
    /// is written when the body has ended, or the connection before it.
    pub(super) fn follow(self, response: Response) -> Response {
        let status = response.status();
        let level = if self.is_notable(&response) { Level::INFO } else { Level::DEBUG };
        let wanted = match level {
            Level::INFO => tracing::enabled!(target: ACCESS_LOG, Level::INFO),
            _ => tracing::enabled!(target: ACCESS_LOG, Level::DEBUG),
        };
        if !wanted {
            return response;
        }
        let size = if self.method == Method::HEAD { Some(0) } else { response.body().size_hint().exact() };
        let length = response.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        let mut ending = Ending { line: self, level, status, length, sent: 0, whole: false };
        match size {
            Some(size) => {
                (ending.sent, ending.whole) = (size, true);
                response
            }
            None => response.map(|body| Body::new(Followed { body, ending })),
        }
    }

    fn is_notable(&self, response: &Response) -> bool {
        let content_type = response.headers().get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
        let taken_away = matches!(content_type, b"application/x-ndjson" | b"application/x-tar");
        let failed = response.status().is_client_error() || response.status().is_server_error();
        failed || self.told.refused || self.told.of_others || taken_away
    }
}

/// Writes the line when it is dropped.
struct Ending {
    line: AccessLine,
    level: Level,
    status: StatusCode,
    /// The answer's `Content-Length`; `None` if it has none. hyper stops reading the body after so many bytes, and may not see its
    /// end.
    length: Option<u64>,
    /// Bytes of the body that the connection has taken.
    sent: u64,
    /// Whether the connection has taken the body to its end.
    whole: bool,
}

macro_rules! write_line {
    ($level:ident, $ending:expr) => {{
        let Ending { line, status, sent, whole, .. } = $ending;
        let by = line.told.by.as_ref();
        tracing::$level!(
            target: ACCESS_LOG,
            request = line.request.to_str().unwrap_or(""),
            actor = by.map(|(actor, ..)| actor.as_str()),
            role = by.map(|(_, role, _)| role.as_str()),
            organisation = by.map(|(.., org)| tracing::field::display(org)),
            address = %line.peer.ip(),
            forwarded_for = line.forwarded.as_ref().and_then(|said| said.to_str().ok()).map(|said| &said[..said.len().min(256)]),
            method = line.method.as_str(),
            route = line.route.as_str(),
            path = line.uri.path(),
            status = status.as_u16(),
            bytes = sent,
            whole,
            ms = line.started.elapsed().as_millis() as u64,
            other_organisations = line.told.of_others,
        );
    }};
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.whole |= self.length == Some(self.sent);
        match self.level {
            Level::INFO => write_line!(info, &*self),
            _ => write_line!(debug, &*self),
        }
    }
}

/// A body that counts the bytes that are read from it.
struct Followed {
    body: Body,
    ending: Ending,
}

impl HttpBody for Followed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => self.ending.sent += frame.data_ref().map_or(0, |data| data.len() as u64),
            Poll::Ready(None) => self.ending.whole = true,
            _ => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
