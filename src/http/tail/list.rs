//! A live list of jobs: its first page at once, then the rows that change.

use std::pin::pin;
use std::time::Duration;

use async_stream::stream;
use axum::http::HeaderMap;
use axum::response::Response;
use tokio::time::Instant;

use super::{Ending, Woken, answer, last_event_id};
use crate::http::answer::Error;
use crate::http::app::App;
use crate::http::request::Caller;
use crate::ledger::ReadError;
use crate::log::Filter;
use crate::tails::{ListOf, LiveList, PACE, frame};

/// Answers with a live list. A client that names the last position that it saw gets the changes since.
pub async fn live_list(
    app: &App,
    caller: &Caller,
    headers: &HeaderMap,
    of: ListOf,
    heartbeat: Option<Duration>,
) -> Result<Response, Error> {
    let resumed = last_event_id(headers)?;
    let (mut ending, held) = Ending::open(app, caller, heartbeat).await?;
    // Before the page is read: from then on no change is missed.
    let held = (held, app.ledger.watch_jobs());
    let mut bell = app.tails.bell(&Filter { org: of.query.org, kind: of.query.kind, ..Filter::default() });
    let (mut list, first) = LiveList::begin(&app.ledger, of, resumed).await?;
    Ok(answer(
        list.position(),
        stream! {
            let _held = held;
            yield frame::RETRY;
            yield first;
            ending.sent();
            let mut looked = Instant::now();
            loop {
                match ending.wait(&mut bell, list.position()).await {
                    Woken::Done(()) => {}
                    Woken::Heartbeat => {
                        list.skip_to(bell.skip_quiet(list.position()));
                        yield ending.beat(list.position());
                        if !list.depends_on_time() {
                            continue;
                        }
                    }
                    Woken::End => return,
                }
                let shown = list.position();
                let next = {
                    let mut next = pin!(list.next(looked + PACE));
                    loop {
                        match ending.during(next.as_mut()).await {
                            Woken::Done(next) => break next,
                            Woken::Heartbeat => yield ending.beat(shown),
                            Woken::End => return,
                        }
                    }
                };
                looked = Instant::now();
                match next {
                    Ok(Some(message)) => {
                        ending.sent();
                        yield message;
                    }
                    Ok(None) => {}
                    // The bell has rung for an event that the list has not looked at, so the next wait ends at once.
                    Err(ReadError::Busy) => {}
                    Err(_) => return,
                }
            }
        },
    ))
}
