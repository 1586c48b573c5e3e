//! A tail of the log: all events after the cursor that the filter shows, then each new one.

use std::time::Duration;

use async_stream::stream;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::{Ending, Woken, answer, last_event_id};
use crate::http::across::{Beyond, beyond};
use crate::http::answer::Error;
use crate::http::app::App;
use crate::http::request::Caller;
use crate::job::Position;
use crate::log::Filter;
use crate::tails::frame;

/// A request for a tail.
#[derive(Debug, Clone)]
pub struct TailOf {
    /// The events that the tail shows.
    pub filter: Filter,
    /// The cursor to start after, unless the watcher sends `Last-Event-ID`. Without both the tail starts at the head.
    pub after: Option<Position>,
    /// How often the client asked for a heartbeat.
    pub heartbeat: Option<Duration>,
    /// Whether the one job that the filter names must exist.
    pub must_exist: bool,
}

/// Answers with a tail. A watcher that has seen its one job end gets 204, which stops an EventSource.
///
/// # Errors
///
/// 404 for a job that must exist and does not, 400 for a `Last-Event-ID` that is no position, 503 for one stream too many.
pub async fn tail(app: &App, caller: &Caller, headers: &HeaderMap, of: TailOf) -> Result<Response, Error> {
    let resumed = last_event_id(headers)?;
    let one_job = of.filter.one_job();
    let is_missing = || match &one_job {
        Some(key) if of.must_exist => Ok::<_, Error>(app.ledger.log(|log| log.stream(key.org, &key.id))?.is_none()),
        _ => Ok(false),
    };
    let opened = Ending::open(app, caller, of.heartbeat).await;
    // The job is looked for in the stream's turn. The 404 goes before the refusal of one stream too many.
    if is_missing()? {
        return Err(Error::no_such_job());
    }
    let (mut ending, held) = opened?;
    let mut bell = app.tails.bell(&of.filter);
    // Read before the job's end: a job that ends in between ends after the cursor, and the tail shows its end.
    let known = app.ledger.head();
    let ended = match &one_job {
        Some(key) => app.ledger.final_position(key)?,
        None => None,
    };
    if let (Some(ended), Some(resumed)) = (ended, resumed)
        && resumed >= ended
    {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let mut cursor = resumed.or(of.after).unwrap_or(known);
    // A commit reaches the file before the head is published: a cursor from a page may be ahead of `known`.
    let head = if cursor > known { app.ledger.log(|log| log.head())? } else { known };
    let beyond = if cursor > head { Some(beyond(app, cursor).await) } else { None };
    let mut closing = ended.filter(|ended| *ended <= cursor);
    let given = resumed.is_some() || of.after.is_some();
    let (app, filter) = (app.clone(), of.filter);
    Ok(answer(
        known,
        stream! {
            let _held = held;
            yield if given { frame::RETRY } else { frame::start(cursor) };
            match beyond {
                None | Some(Beyond::Reached) => {}
                Some(Beyond::Restored) => {
                    yield frame::position_frame("reset", head);
                    return;
                }
                // The client comes back, perhaps to another node.
                Some(Beyond::Unknown) => return,
            }
            loop {
                let Ok(stretch) = app.tails.after(&app.ledger, cursor, &filter).await else { return };
                cursor = stretch.cursor;
                closing = closing.or(stretch.ended);
                if !stretch.bytes.is_empty() {
                    ending.sent();
                    yield stretch.bytes;
                }
                if stretch.more {
                    if ending.is_over() {
                        return;
                    }
                    continue;
                }
                if let Some(position) = closing {
                    yield frame::position_frame("closed", position);
                    return;
                }
                let woken = ending.wait(&mut bell, cursor).await;
                cursor = bell.skip_quiet(cursor);
                match woken {
                    Woken::Done(()) => {}
                    Woken::Heartbeat => yield ending.beat(cursor),
                    Woken::End => return,
                }
            }
        },
    ))
}
