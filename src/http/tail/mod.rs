//! Server-sent events: tails of the log, and single jobs as they change.
//!
//! A tail is a loop: read after the cursor, send, wait for the bell. The bell carries positions and nothing else, so a slow
//! watcher costs its own socket only; nothing is dropped for it, and no transaction is held while a socket is written to.

mod bells;
mod events;
mod frame;
mod late;
mod live;
mod ring;

pub use events::{TailOf, tail};
pub use live::live;
pub use ring::{Tails, publish};

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_stream::Stream;

use self::bells::Bell;
use crate::http::POSITION;
use crate::http::answer::Error;
use crate::http::app::App;
use crate::http::connection::Bound;
use crate::http::connection::Lease;
use crate::http::request::Caller;
use crate::job::Position;

/// How long a tail is silent at the most.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// A stream of frames as an answer, from when the log was at `head`. Never compressed, never buffered, never kept.
fn answer(head: Position, frames: impl Stream<Item = Bytes> + Send + 'static) -> Response {
    let frames = tokio_stream::StreamExt::map(frames, Ok::<Bytes, Infallible>);
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
        (POSITION, head.get().into()),
    ];
    (headers, Body::from_stream(frames)).into_response()
}

/// The position in `Last-Event-ID`; a browser sends it when it reconnects.
fn last_event_id(headers: &HeaderMap) -> Result<Option<Position>, Error> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    let text = value.to_str().ok().map(str::trim);
    match text {
        Some("") => Ok(None),
        Some(text) => match text.parse() {
            Ok(position) => Ok(Some(position)),
            Err(error) => Err(Error::bad_request(format!("`Last-Event-ID`: {error}"))),
        },
        None => Err(Error::bad_request("`Last-Event-ID`: expected a position")),
    }
}

/// What ends a stream from outside: the server stops, or the token or the session behind it does.
struct Ending {
    app: App,
    lease: Lease,
    stopping: watch::Receiver<bool>,
    /// When the next heartbeat is due.
    heartbeat: Instant,
}

/// Why a wait is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Woken<T> {
    /// What was waited for is there.
    Done(T),
    /// Nothing was sent for a while.
    Heartbeat,
    /// The stream ends.
    End,
}

impl Ending {
    /// What ends the stream of `caller`. Its connection is bound to the stream, and keeps little of what is not read.
    fn new(app: &App, caller: &Caller) -> (Ending, Bound) {
        let lease = Lease::new(app, caller);
        let bound = caller.line().bind(lease.clone());
        caller.line().narrow();
        let (app, stopping) = (app.clone(), app.stopping.clone());
        (Ending { app, lease, stopping, heartbeat: Instant::now() + HEARTBEAT }, bound)
    }

    /// Something was sent.
    fn sent(&mut self) {
        self.heartbeat = Instant::now() + HEARTBEAT;
    }

    /// Waits until `bell` rings for something after `cursor`, a heartbeat is due, or the stream ends.
    async fn wait(&mut self, bell: &mut Bell, cursor: Position) -> Woken<()> {
        match self.during(bell.rings_after(cursor)).await {
            Woken::Done(true) => Woken::Done(()),
            Woken::Done(false) | Woken::End => Woken::End,
            Woken::Heartbeat => Woken::Heartbeat,
        }
    }

    /// Waits until `work` is done, a heartbeat is due, or the stream ends. A stream that is to end does not take what is done.
    async fn during<T>(&mut self, work: impl Future<Output = T>) -> Woken<T> {
        let expiry = self.time_left();
        let stopped = async { self.stopping.wait_for(|stopping| *stopping).await.is_ok() };
        let woken = tokio::select! {
            biased;
            _ = stopped => Woken::End,
            () = self.lease.over() => Woken::End,
            () = tokio::time::sleep(expiry) => Woken::End,
            done = work => Woken::Done(done),
            () = tokio::time::sleep_until(self.heartbeat) => Woken::Heartbeat,
        };
        if matches!(woken, Woken::Heartbeat) {
            self.sent();
        }
        woken
    }

    /// Whether the stream is to end now; asked between two pages of a long replay, which never waits.
    fn is_over(&mut self) -> bool {
        *self.stopping.borrow() || self.lease.is_over() || self.time_left().is_zero()
    }

    /// How long the token is good; a year for one that does not expire, because timers want an end.
    fn time_left(&self) -> Duration {
        let now = self.app.ledger.now();
        match self.lease.expires() {
            Some(expires) => Duration::from_millis(expires.millis_since(now)),
            None => Duration::from_secs(365 * 24 * 3600),
        }
    }
}
