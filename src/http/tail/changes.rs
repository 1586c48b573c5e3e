//! A live read in the ledger's own API: the whole job at once, then the members that change, then `closed`.

use std::pin::pin;

use async_stream::stream;
use axum::http::HeaderMap;
use axum::response::Response;
use tokio::time::{Instant, sleep_until};

use super::{Ending, Woken, answer, last_event_id, seen_to_the_end};
use crate::http::answer::{Code, Error, RenderedJob};
use crate::http::app::App;
use crate::http::request::{Caller, JobRead};
use crate::http::routes::single_job::{Representation, found, rendered};
use crate::job::{JobKey, Position};
use crate::log::Filter;
use crate::tails::{LiveJob, NextOfJob, PACE, frame};

/// Answers with a live read of the job. A watcher that has seen the job end gets 204.
pub async fn live_changes(
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
    let now = found(app, &view, &key, reading.min).await?;
    // Taken before the job is rendered: the messages begin at or before the revision that the client gets.
    let messages = app.live_jobs.of(&now.value);
    let first = rendered(app, &view, now).await?;
    if let Some(answer) = seen_to_the_end(app, &key, resumed)? {
        return Ok(answer);
    }
    let app = app.clone();
    Ok(answer(
        first.position,
        stream! {
            let _held = held;
            yield frame::RETRY;
            yield snapshot(&first);
            ending.sent();
            let (mut revision, mut seen, mut ended) = (first.revision, first.position, first.ended);
            let mut looked = Instant::now();
            drop(first);
            while !ended {
                match ending.wait(&mut bell, seen).await {
                    Woken::Done(()) => {}
                    Woken::Heartbeat => {
                        yield ending.beat_of(revision, bell.skip_quiet(seen));
                        continue;
                    }
                    Woken::End => return,
                }
                let mut next = pin!(next(&app, &view, &key, &messages, (revision, looked)));
                let next = loop {
                    match ending.during(next.as_mut()).await {
                        Woken::Done(next) => break next,
                        Woken::Heartbeat => yield ending.beat_of(revision, seen),
                        Woken::End => return,
                    }
                };
                looked = Instant::now();
                match next {
                    Ok(Next::Same(position)) => seen = position,
                    Ok(Next::Changed { bytes, to, job_ended }) => {
                        (revision, seen, ended) = (to, to, job_ended);
                        for bytes in bytes {
                            yield bytes;
                        }
                        ending.sent();
                    }
                    // The bell has rung for an event that is not shown yet, so the next wait ends at once.
                    Err(error) if error.code == Code::READS_BUSY => {}
                    Err(_) => return,
                }
            }
            yield frame::position_frame("closed", revision);
        },
    ))
}

/// What a stream does after its bell has rung.
enum Next {
    /// It waits: the job has not changed up to this position.
    Same(Position),
    /// It sends these messages.
    Changed { bytes: Vec<bytes::Bytes>, to: Position, job_ended: bool },
}

/// The messages that follow, or the whole job again if they cannot tell the change. `shown` is the revision that the client has.
async fn next(
    app: &App,
    view: &Representation,
    key: &JobKey,
    messages: &LiveJob,
    (shown, looked): (Position, Instant),
) -> Result<Next, Error> {
    match messages.next(&app.ledger, shown).await? {
        NextOfJob::Same(position) => Ok(Next::Same(position)),
        NextOfJob::Changed { bytes, revision, ended } => Ok(Next::Changed { bytes, to: revision, job_ended: ended }),
        NextOfJob::Whole => {
            sleep_until(looked + PACE).await;
            let whole = rendered(app, view, found(app, view, key, None).await?).await?;
            Ok(Next::Changed { bytes: vec![snapshot(&whole)], to: whole.revision, job_ended: whole.ended })
        }
    }
}

fn snapshot(job: &RenderedJob) -> bytes::Bytes {
    frame::event_frame(Some(job.revision), "snapshot", job.body.trim_ascii_end())
}
