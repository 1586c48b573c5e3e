//! A live read: a job's read model at once, again after each change, then `closed`.

use std::pin::pin;

use async_stream::stream;
use axum::http::HeaderMap;
use axum::response::Response;
use tokio::time::Instant;

use super::{Ending, Woken, answer, last_event_id, seen_to_the_end};
use crate::http::answer::RenderedJob;
use crate::http::answer::{Code, Error};
use crate::http::app::App;
use crate::http::request::Caller;
use crate::http::request::JobRead;
use crate::http::routes::single_job::{Representation, found, rendered};
use crate::job::{JobKey, Position};
use crate::log::Filter;
use crate::tails::{PACE, frame};

/// Answers with a live read of the job. A watcher that has seen the job end gets 204.
pub async fn live(
    app: &App,
    caller: &Caller,
    headers: &HeaderMap,
    reading: &JobRead,
    view: Representation,
) -> Result<Response, Error> {
    let resumed = last_event_id(headers)?;
    let (mut ending, held) = Ending::open(app, caller, reading.heartbeat).await?;
    // The bell is taken before the job is read: an event in between rings it.
    let key = reading.key.clone();
    let mut bell = app.tails.bell(&Filter::of_job(&key));
    let first = rendered(app, &view, found(app, &view, &key, reading.min).await?).await?;
    if let Some(answer) = seen_to_the_end(app, &key, resumed)? {
        return Ok(answer);
    }
    let app = app.clone();
    Ok(answer(
        first.position,
        stream! {
            let _held = held;
            yield frame::RETRY;
            let mut shown = first;
            loop {
                let revision = shown.revision;
                yield frame::event_frame(Some(revision), "snapshot", shown.body.trim_ascii_end());
                ending.sent();
                let mut looked = Instant::now();
                if shown.ended {
                    yield frame::position_frame("closed", revision);
                    return;
                }
                // The bell may ring for events that the snapshot shows already. Only a new revision is sent.
                let mut seen = shown.position;
                shown = loop {
                    match ending.wait(&mut bell, seen).await {
                        Woken::Done(()) => {}
                        Woken::Heartbeat => {
                            yield ending.beat_of(revision, bell.skip_quiet(seen));
                            continue;
                        }
                        Woken::End => return,
                    }
                    let mut next = pin!(next(&app, &view, &key, (looked, revision)));
                    let next = loop {
                        match ending.during(next.as_mut()).await {
                            Woken::Done(next) => break next,
                            Woken::Heartbeat => yield ending.beat_of(revision, seen),
                            Woken::End => return,
                        }
                    };
                    looked = Instant::now();
                    match next {
                        Ok(Next::Changed(next)) => break next,
                        Ok(Next::Same(position)) => seen = position,
                        // The bell has rung for an event that is not shown yet, so the next wait ends at once.
                        Err(error) if error.code == Code::READS_BUSY => {}
                        Err(_) => return,
                    }
                };
            }
        },
    ))
}

/// A read of the job after the bell has rung.
enum Next {
    /// The job has not changed up to this position.
    Same(Position),
    /// The job has changed.
    Changed(RenderedJob),
}

/// Reads the job at the next time that [`PACE`] allows, and compares it with the revision that is shown.
async fn next(
    app: &App,
    view: &Representation,
    key: &JobKey,
    (looked, shown): (Instant, Position),
) -> Result<Next, Error> {
    tokio::time::sleep_until(looked + PACE).await;
    let found = found(app, view, key, None).await?;
    if found.value.position == shown {
        return Ok(Next::Same(found.position));
    }
    rendered(app, view, found).await.map(Next::Changed)
}
