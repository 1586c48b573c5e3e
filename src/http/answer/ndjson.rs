//! Lines of the log as they are read: one JSON text a line, up to the head of the moment of asking.

use async_stream::try_stream;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;

use crate::blocking::off_thread;
use crate::http::POSITION;
use crate::http::answer::Error;
use crate::http::answer::{Long, streamed};
use crate::http::app::App;
use crate::job::Position;

/// Lines that were read, and the last position that was looked at for them.
pub type Stretch = (Vec<u8>, Position);

/// Answers with what `read` makes of the log from `from` up to `head`, stretch by stretch. It is given where a stretch begins
/// and the head, and looks at one event at least. The answer counts as `long`.
pub fn ndjson(
    app: App,
    long: Long,
    (from, head): (Position, Position),
    read: impl Fn(&App, Position, Position) -> Result<Stretch, Error> + Clone + Send + 'static,
) -> Response {
    let lines = try_stream! {
        let mut next = from;
        while next <= head {
            let (app, read) = (app.clone(), read.clone());
            let stretch = off_thread(move || read(&app, next, head)).await;
            let (lines, last) = stretch.map_err(|_| std::io::Error::other("the log cannot be read"))?;
            next = last.next();
            if !lines.is_empty() {
                yield Bytes::from(lines);
            }
        }
    };
    let headers = [(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson")), (POSITION, head.get().into())];
    (headers, streamed::<std::io::Error>(long, lines)).into_response()
}
