//! A single job as it changes: its read model at once, then again after each change, then `closed`.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_stream::stream;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use tokio::time::Instant;

use super::frame;
use super::{Ending, Woken, answer, last_event_id};
use crate::http::app::App;
use crate::http::auth::Caller;
use crate::http::error::Error;
use crate::http::params::Reading;
use crate::job::{Job, JobKey, Kind, Position};
use crate::ledger::Shown;
use crate::log::Filter;

/// Makes a job's read model: one line of JSON, or text without newlines.
pub type Render = fn(App, Shown<Arc<Job>>) -> Pin<Box<dyn Future<Output = Result<Vec<u8>, Error>> + Send>>;

/// Least time between two snapshots: at most five a second, and always the newest.
const PACE: Duration = Duration::from_millis(200);

/// Answers with the job, live. 204 to a watcher that has seen it end.
pub async fn live(
    app: &App,
    caller: &Caller,
    headers: &HeaderMap,
    reading: &Reading,
    kind: Option<Kind>,
    render: Render,
) -> Result<Response, Error> {
    let resumed = last_event_id(headers)?;
    let open = app.tails.enter(&app.ledger, app.limits.tails.take(caller, 1)?);
    // Subscribed before the job is read: what happens in between rings.
    let key = reading.key.clone();
    let mut bell = app.tails.bell(&Filter { org: Some(key.org), job: Some(key.id.clone()), ..Filter::default() });
    let first = read(app, &key, kind, reading.min).await?;
    let first_text = render(app.clone(), first.clone()).await?;
    if let (Some(resumed), Some(ended)) = (resumed, app.ledger.final_position(&key)?)
        && resumed >= ended
    {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let mut ending = Ending::new(app, caller);
    let app = app.clone();
    Ok(answer(
        first.position,
        stream! {
            let _open = open;
            yield frame::RETRY;
            let (mut shown, mut text) = (first, first_text);
            loop {
                let revision = shown.value.position;
                yield frame::sent(Some(revision), "snapshot", &text);
                ending.sent();
                let mut looked = Instant::now();
                if shown.value.state.ended_at().is_some() {
                    yield frame::at("closed", revision);
                    return;
                }
                // The bell may ring for what is shown already, or for nothing: only a change is shown.
                while shown.value.position == revision {
                    match ending.wait(&mut bell, shown.position).await {
                        Woken::Bell => {}
                        Woken::Heartbeat => {
                            yield frame::heartbeat(revision);
                            continue;
                        }
                        Woken::End => return,
                    }
                    tokio::time::sleep_until(looked + PACE).await;
                    let Ok(next) = read(&app, &key, kind, None).await else { return };
                    (shown, looked) = (next, Instant::now());
                }
                let Ok(next) = render(app.clone(), shown.clone()).await else { return };
                text = next;
            }
        },
    ))
}

async fn read(app: &App, key: &JobKey, kind: Option<Kind>, min: Option<Position>) -> Result<Shown<Arc<Job>>, Error> {
    let shown = app.ledger.job(key, min).await?;
    let job = shown.value.filter(|job| kind.is_none_or(|kind| job.kind == kind)).ok_or_else(Error::no_such_job)?;
    Ok(Shown { value: job, position: shown.position, now: shown.now })
}
