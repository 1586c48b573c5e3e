//! Exports: one JSON text a line, read from the log while they are sent, up to the head at the time of the request.

use async_stream::try_stream;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;

use super::{Error, LongAnswer, streamed};
use crate::http::POSITION;
use crate::http::app::App;
use crate::http::observe::off_thread;
use crate::job::Position;

/// A part of the log.
#[derive(Debug, Clone, Copy)]
pub struct Range {
    /// Its first position.
    pub from: Position,
    /// Its last position.
    pub to: Position,
}

/// The lines of the first part of a range.
#[derive(Debug)]
pub struct Lines {
    /// The lines, perhaps none.
    pub text: Vec<u8>,
    /// The last position that was read for them.
    pub read_to: Position,
}

/// Answers with the lines that `read` makes of `range`, as `answer` allows. Each call of `read` gets the rest of the range and
/// reads at least one event of it.
pub fn ndjson(
    app: App,
    answer: LongAnswer,
    range: Range,
    read: impl Fn(&App, Range) -> Result<Lines, Error> + Clone + Send + 'static,
) -> Response {
    let lines = try_stream! {
        let Range { from: mut next, to } = range;
        while next <= to {
            let (app, read) = (app.clone(), read.clone());
            let lines = off_thread(move || read(&app, Range { from: next, to })).await;
            let Lines { text, read_to } = lines.map_err(|_| std::io::Error::other("the log cannot be read"))?;
            next = read_to.next();
            if !text.is_empty() {
                yield Bytes::from(text);
            }
        }
    };
    let headers = [(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson")), (POSITION, range.to.get().into())];
    (headers, streamed::<std::io::Error>(answer, lines)).into_response()
}
