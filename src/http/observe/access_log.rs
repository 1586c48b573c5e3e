//! The access log: who read or tried what. Its lines have a target of their own, [`ACCESS_LOG`], and are JSON in every log.
//!
//! At `info` it has requests that were refused or failed, exports, evidence bundles, and reads of other organisations' data; at
//! `debug` every request. It never has tokens, sessions or bodies, and no query strings, because labels in a query may name people.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tracing::Level;

use super::noted::Noted;
use super::templates::Route;

/// The target of the access log.
pub const ACCESS_LOG: &str = "jobledger::access_log";

/// A line of the access log, before the answer ends.
pub(super) struct AccessLine {
    pub(super) noted: Arc<Noted>,
    pub(super) route: Route,
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
        let size = if self.noted.method == Method::HEAD { Some(0) } else { response.body().size_hint().exact() };
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
        let told = self.noted.told.lock();
        failed || told.refused || told.of_others || taken_away
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
        let AccessLine { noted, route } = line;
        let told = noted.told.lock();
        let by = told.by.as_ref();
        tracing::$level!(
            target: ACCESS_LOG,
            request = noted.id.to_str().unwrap_or(""),
            actor = by.map(|(actor, ..)| actor.as_str()),
            role = by.map(|(_, role, _)| role.as_str()),
            organisation = by.map(|(.., org)| tracing::field::display(org)),
            address = %noted.peer.ip(),
            forwarded_for = noted.forwarded.as_ref().and_then(|said| said.to_str().ok()).map(|said| &said[..said.len().min(256)]),
            method = noted.method.as_str(),
            route = route.as_str(),
            path = noted.uri.path(),
            status = status.as_u16(),
            bytes = sent,
            whole,
            ms = noted.started.elapsed().as_millis() as u64,
            other_organisations = told.of_others,
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

/// A body that counts the bytes that are read from it. It is made for its request, as the head of the answer is.
struct Followed {
    body: Body,
    ending: Ending,
}

impl HttpBody for Followed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let noted = self.ending.line.noted.clone();
        let polled = noted.within(|| Pin::new(&mut self.body).poll_frame(cx));
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
