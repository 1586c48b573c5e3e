//! A single job as it changes: its read model at once, then again after each change, then `closed`.

use std::pin::pin;
use std::time::Duration;

use async_stream::stream;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use tokio::time::Instant;

use super::frame;
use super::{Ending, Woken, answer, last_event_id};
use crate::http::answer::Error;
use crate::http::answer::Rendered;
use crate::http::app::App;
use crate::http::request::Caller;
use crate::http::request::Reading;
use crate::http::routes::single::{View, found, rendered};
use crate::job::{JobKey, Position};
use crate::log::Filter;

/// Least time between two snapshots: at most five a second, and always the newest.
const PACE: Duration = Duration::from_millis(200);

/// Answers with the job, live. 204 to a watcher that has seen it end.
pub async fn live(
    app: &App,
    caller: &Caller,
    headers: &HeaderMap,
    reading: &Reading,
    view: View,
) -> Result<Response, Error> {
    let resumed = last_event_id(headers)?;
    let (mut ending, bound) = Ending::new(app, caller);
    let open = app.tails.enter(&app.ledger, (bound, app.limits.tails.take(caller, 1)?));
    // Subscribed before the job is read: what happens in between rings.
    let key = reading.key.clone();
    let mut bell = app.tails.bell(&Filter { org: Some(key.org), job: Some(key.id.clone()), ..Filter::default() });
    let first = rendered(app, &view, found(app, &view, &key, reading.min).await?).await?;
    if let (Some(resumed), Some(ended)) = (resumed, app.ledger.final_position(&key)?)
        && resumed >= ended
    {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let app = app.clone();
    Ok(answer(
        first.position,
        stream! {
            let _open = open;
            yield frame::RETRY;
            let mut shown = first;
            loop {
                let revision = shown.revision;
                yield frame::sent(Some(revision), "snapshot", shown.body.trim_ascii_end());
                ending.sent();
                let mut looked = Instant::now();
                if shown.ended {
                    yield frame::at("closed", revision);
                    return;
                }
                // The bell may ring for what is shown already, or for nothing: only a change is shown.
                let mut seen = shown.position;
                shown = loop {
                    match ending.wait(&mut bell, seen).await {
                        Woken::Done(()) => {}
                        Woken::Heartbeat => {
                            yield frame::heartbeat(revision);
                            continue;
                        }
                        Woken::End => return,
                    }
                    let mut next = pin!(next(&app, &view, &key, (looked, revision)));
                    let next = loop {
                        match ending.during(next.as_mut()).await {
                            Woken::Done(next) => break next,
                            Woken::Heartbeat => yield frame::heartbeat(revision),
                            Woken::End => return,
                        }
                    };
                    looked = Instant::now();
                    match next {
                        Ok(Next::Changed(next)) => break next,
                        Ok(Next::Same(position)) => seen = position,
                        // The bell has rung for what is not shown yet, so the next wait is over at once.
                        Err(error) if error.code == Error::READS_BUSY => {}
                        Err(_) => return,
                    }
                };
            }
        },
    ))
}

/// What a look at a job finds.
enum Next {
    /// Everything up to here is shown already.
    Same(Position),
    /// The job has changed.
    Changed(Rendered),
}

/// The job when the pace allows, where the revision before is shown.
async fn next(app: &App, view: &View, key: &JobKey, (looked, shown): (Instant, Position)) -> Result<Next, Error> {
    tokio::time::sleep_until(looked + PACE).await;
    let found = found(app, view, key, None).await?;
    if found.value.position == shown {
        return Ok(Next::Same(found.position));
    }
    rendered(app, view, found).await.map(Next::Changed)
}
