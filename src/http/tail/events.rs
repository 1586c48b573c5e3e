//! A tail of the log: every event after the cursor that passes the filter, then every new one.

use async_stream::stream;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::frame::{self, Frame, Taken};
use super::ring::TAKE;
use super::{Ending, Woken, answer, last_event_id};
use crate::http::answer::Error;
use crate::http::app::App;
use crate::http::request::Caller;
use crate::job::{JobKey, Position};
use crate::ledger::off_thread;
use crate::log::{Filter, enough};

/// Events read from the log at a time, by a watcher that is behind the ring.
const STEP: u64 = 256;

/// What to tail.
#[derive(Debug, Clone)]
pub struct TailOf {
    /// Which events.
    pub filter: Filter,
    /// Where to start, unless the watcher says `Last-Event-ID`; at the head where neither says.
    pub after: Option<Position>,
}

/// Answers with a tail. 204, which ends an EventSource for good, to a watcher that has seen its one job end.
pub fn tail(app: &App, caller: &Caller, headers: &HeaderMap, of: TailOf) -> Result<Response, Error> {
    let resumed = last_event_id(headers)?;
    // Counted before the first look at the log: from here on the ring takes every event.
    let (mut ending, bound) = Ending::new(app, caller);
    let open = app.tails.enter(&app.ledger, (bound, app.limits.tails.take(caller, 1)?));
    let one_job = of.filter.org.zip(of.filter.job.clone()).map(|(org, id)| JobKey { org, id });
    let mut bell = app.tails.bell(&of.filter);
    // Before the end is asked for: a job that ends in between ends after the cursor, and the tail sees it.
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
    // The file is a moment ahead of what was told: an event read there may be named here before its bell has rung.
    let head = if cursor > known { app.ledger.log(|log| log.head())? } else { known };
    let mut closing = ended.filter(|ended| *ended <= cursor);
    let given = resumed.is_some() || of.after.is_some();
    let (app, filter) = (app.clone(), of.filter);
    Ok(answer(
        known,
        stream! {
            let _open = open;
            yield if given { frame::RETRY } else { frame::start(cursor) };
            if cursor > head {
                // The watcher has seen more than there is: the log was restored from an older copy.
                yield frame::at("reset", head);
                return;
            }
            loop {
                let Ok(taken) = after(&app, cursor, &filter).await else { return };
                cursor = taken.cursor;
                closing = closing.or(taken.ended);
                if !taken.bytes.is_empty() {
                    ending.sent();
                    yield taken.bytes;
                }
                if taken.more {
                    if ending.is_over() {
                        return;
                    }
                    continue;
                }
                if let Some(position) = closing {
                    yield frame::at("closed", position);
                    return;
                }
                let woken = ending.wait(&mut bell, cursor).await;
                cursor = bell.pass_silence(cursor);
                match woken {
                    Woken::Done(()) => {}
                    Woken::Heartbeat => yield frame::heartbeat(cursor),
                    Woken::End => return,
                }
            }
        },
    ))
}

/// What comes after `cursor`: from the ring, or for a late watcher from the log.
async fn after(app: &App, cursor: Position, filter: &Filter) -> Result<Taken, Error> {
    if app.tails.comes_after(app.ledger.erased())
        && let Some(taken) = app.tails.take(cursor, filter)
    {
        return Ok(taken);
    }
    let redacted = app.ledger.erased();
    if let Some(taken) = app.tails.late.get(redacted, cursor, filter) {
        return Ok(taken);
    }
    let (app, filter) = (app.clone(), filter.clone());
    off_thread(move || {
        // Of one job the rest is looked at afterwards: the event that ends it counts, shown or not.
        let read = match filter.job {
            Some(_) => Filter { types: Vec::new(), kind: None, ..filter.clone() },
            None => filter.clone(),
        };
        let (mut frames, mut size) = (Vec::new(), 0);
        let page = app.ledger.log(|log| {
            log.page(cursor, STEP, &read, |row| {
                let frame = Frame::new(row).map_err(|error| Error::internal(&error))?;
                size += frame.bytes.len();
                frames.push(frame);
                Ok::<_, Error>(enough(size, TAKE))
            })
        })?;
        let taken = Taken::from(frames.iter(), &filter, page.scanned, TAKE);
        let taken = Taken { more: taken.more || page.scanned < page.head, ..taken };
        app.tails.late.keep(redacted, cursor, filter, &taken);
        Ok(taken)
    })
    .await
}
