//! The streams of server-sent events: tails of the log, live lists, and live reads of single jobs.
//!
//! Not here: where the frames come from (`tails`).

mod beats;
mod busy;
mod changes;
mod events;
mod list;
mod live;
mod openings;
mod output;

pub use busy::or_busy;
pub use changes::live_changes;
pub use events::{TailOf, tail};
pub use list::live_list;
pub use live::live;
pub use openings::Openings;
pub use output::live_output;

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_stream::Stream;

use self::beats::{Beat, Beats};
use crate::cluster::Cluster;
use crate::http::POSITION;
use crate::http::answer::{Code, Error};
use crate::http::app::App;
use crate::http::connection::Lease;
use crate::http::connection::LeaseGuard;
use crate::http::limits::Permit;
use crate::http::request::Caller;
use crate::job::{JobKey, Position};
use crate::tails::{Bell, Open, TailError, frame};

/// An answer that streams `frames`. `head` is the head of the log at the start. No proxy may compress, buffer or store it.
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

/// The position in `Last-Event-ID`, which a browser sends when it reconnects.
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

/// The answer to a client that comes back after the job's final event, which it has seen: 204 stops an `EventSource`.
fn seen_to_the_end(app: &App, key: &JobKey, seen: Option<Position>) -> Result<Option<Response>, Error> {
    let Some(seen) = seen else { return Ok(None) };
    let ended = app.ledger.final_position(key)?;
    Ok(ended.filter(|ended| seen >= *ended).map(|_| StatusCode::NO_CONTENT.into_response()))
}

/// A stream's view of the events that end it: the server stops, its token or session ends, or the node is apart from its cluster.
struct Ending {
    app: App,
    lease: Lease,
    stopping: watch::Receiver<bool>,
    /// `None` for a ledger on one machine.
    apart: Option<watch::Receiver<bool>>,
    beats: Beats,
}

/// Why a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Woken<T> {
    /// The awaited work is done.
    Done(T),
    /// A heartbeat is due.
    Heartbeat,
    /// The stream must end.
    End,
}

/// What a stream holds as long as it is open.
struct Held {
    _bound: LeaseGuard,
    _permit: Permit,
    _open: Open,
}

impl Ending {
    /// Opens a stream for `caller`: binds its connection to the stream, and makes the connection's send buffer small, so that a watcher
    /// that does not read costs little memory. `heartbeat` is how often the client asked for a heartbeat.
    ///
    /// Waits for the stream's turn, so that thousands of watchers that come at once do not hold up other requests. At most the streams
    /// that the limits admit wait.
    ///
    /// The stream is counted before its first read of the log: from then on the publisher renders every event.
    ///
    /// # Errors
    ///
    /// 503 `too-many-tails`, and `stream-silent` on a node that is apart from its cluster.
    async fn open(app: &App, caller: &Caller, heartbeat: Option<Duration>) -> Result<(Ending, Held), Error> {
        let apart = app.cluster.as_ref().map(Cluster::apart);
        if apart.as_ref().is_some_and(|apart| *apart.borrow()) {
            let detail = "this node does not hear its cluster, or lacks messages; open the stream on another node";
            return Err(Error::new(Code::STREAM_SILENT, detail));
        }
        let permit = app.limits.tails.try_acquire(caller, 1)?;
        app.openings.turn(&app.stopping).await;
        let lease = Lease::new(app, caller);
        let bound = caller.connection().bind(lease.clone());
        caller.connection().shrink_send_buffer();
        let held = Held { _bound: bound, _permit: permit, _open: app.tails.enter(&app.ledger) };
        let (app, stopping) = (app.clone(), app.stopping.clone());
        Ok((Ending { app, lease, stopping, apart, beats: Beats::new(heartbeat, Instant::now()) }, held))
    }

    /// A message was sent.
    fn sent(&mut self) {
        self.beats.sent(Instant::now());
    }

    /// The heartbeat that is due. `seen` is the position up to which the client has seen everything.
    fn beat(&mut self, seen: Position) -> Bytes {
        self.beat_of(seen, seen)
    }

    /// The same for a stream whose messages have another `id`: `id` is that of the newest one.
    fn beat_of(&mut self, id: Position, seen: Position) -> Bytes {
        match self.beats.beat(Instant::now()) {
            Beat::Event => frame::heartbeat_event(seen, self.app.ledger.now()),
            Beat::IdAlone => frame::heartbeat(id),
        }
    }

    /// Waits until `bell` rings for an event after `cursor`, a heartbeat is due, or the stream must end.
    async fn wait(&mut self, bell: &mut Bell, cursor: Position) -> Woken<()> {
        match self.during(bell.rings_after(cursor)).await {
            Woken::Done(true) => Woken::Done(()),
            Woken::Done(false) | Woken::End => Woken::End,
            Woken::Heartbeat => Woken::Heartbeat,
        }
    }

    /// Waits until `work` is done, a heartbeat is due, or the stream must end. The end wins over finished work.
    async fn during<T>(&mut self, work: impl Future<Output = T>) -> Woken<T> {
        let expiry = self.time_left();
        let stopped = async { self.stopping.wait_for(|stopping| *stopping).await.is_ok() };
        let apart = async {
            match &mut self.apart {
                Some(apart) => apart.wait_for(|apart| *apart).await.is_ok(),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            _ = stopped => Woken::End,
            _ = apart => Woken::End,
            () = self.lease.over() => Woken::End,
            () = tokio::time::sleep(expiry) => Woken::End,
            done = work => Woken::Done(done),
            () = tokio::time::sleep_until(self.beats.due()) => Woken::Heartbeat,
        }
    }

    /// Whether the stream must end now. A long replay asks between two stretches, because it never waits.
    fn is_over(&mut self) -> bool {
        *self.stopping.borrow() || self.lease.is_over() || self.time_left().is_zero()
    }

    /// Time until the token expires; a year if it does not expire, because a timer needs an end.
    fn time_left(&self) -> Duration {
        let now = self.app.ledger.now();
        match self.lease.expires() {
            Some(expires) => Duration::from_millis(expires.millis_since(now)),
            None => Duration::from_secs(365 * 24 * 3600),
        }
    }
}

impl From<TailError> for Error {
    fn from(error: TailError) -> Error {
        Error::internal(&error)
    }
}
