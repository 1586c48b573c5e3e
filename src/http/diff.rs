//! `GET /ledger/jobs/{id}/diff`.

use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;

use crate::access::Capability;
use crate::history::{self, job_facts};
use crate::http::answer::{Error, page};
use crate::http::app::App;
use crate::http::observe::off_thread;
use crate::http::request::{Caller, Params, Segment, Span};
use crate::job::{JobKey, Position};
use crate::ledger::{Ledger, PointInTime, ReadError, Shown};
use crate::model::{Differ, JobDiff, line};

/// Compare a job at two moments.
///
/// Which fields of the job, as `/ledger/jobs/{id}` shows it, differ between `from` and `to`, from what to what, and by whose
/// events. A job that did not exist yet at `from` is compared with nothing.
#[utoipa::path(
    get, path = "/ledger/jobs/{id}/diff", tag = "ledger", operation_id = "diff_job",
    params(
        ("id" = String, Path, description = "The job"),
        ("from" = String, Query, description = "A position or an RFC 3339 time of recording (inclusive): the earlier moment"),
        ("to" = Option<String>, Query, description = "The later moment; the newest event where absent"),
        ("org" = Option<uuid::Uuid>, Query, description = "The job's organisation, for auditors"),
        ("min_position" = Option<u64>, Query, description = "Answer only when the log has this position"),
    ),
    responses(
        (status = 200, description = "What differs", body = JobDiff),
        (status = 400, description = "A parameter is not what was expected, or `from` is after `to`"),
        (status = 404, description = "No such job, or not yet at `to`"),
        (status = 503, description = "The log is not there yet, or too many reads of the past are under way"),
    )
)]
pub async fn diff(
    State(app): State<App>,
    caller: Caller,
    Segment(id): Segment,
    params: Params,
) -> Result<Response, Error> {
    caller.require(Capability::ReadLedger)?;
    let span = params.span(&caller, &id)?;
    let (diff, to) = job_diff(&app, span, |diff| Bytes::from(line(&diff))).await?;
    Ok(page(Shown { value: diff, position: to.position, now: to.time }))
}

/// Compares a job at two moments, gives the diff to `render`, which runs off the async threads, and answers the later moment too.
///
/// # Errors
///
/// 400 if `from` is after `to`; 404 if the job did not exist at `to`; 503 if the log is not there yet.
pub async fn job_diff<T: Send + 'static>(
    app: &App,
    span: Span,
    render: impl FnOnce(JobDiff) -> T + Send + 'static,
) -> Result<(T, PointInTime), Error> {
    if let Some(min) = span.min {
        app.ledger.reach(min).await?;
    }
    let from = app.ledger.point_in_time("from", Some(span.from)).await?;
    let to = app.ledger.point_in_time("to", span.to).await?;
    // Without `to` the later moment is the newest event; a clock that is behind may name an earlier `from`.
    if from > to && span.to.is_some() {
        let detail = format!("expected a moment at or before `to` ({}), found {}", shown(to), shown(from));
        return Err(Error::parameter("from", detail));
    }
    let turn = app.ledger.turn(None).await?;
    let (ledger, key) = (app.ledger.clone(), span.key);
    let found = off_thread(move || {
        let differ = compared(&ledger, &key, from.position, to.position)?;
        let diff = differ.finish(from, to).map(render);
        drop(turn);
        Ok::<_, ReadError>(diff)
    });
    let diff = found.await?.ok_or_else(Error::no_such_job)?;
    Ok((diff, to))
}

fn shown(place: PointInTime) -> String {
    format!("position {}, {}", place.position, place.time)
}

/// Folds the job's events in (from, to].
fn compared(ledger: &Ledger, key: &JobKey, from: Position, to: Position) -> Result<Differ, ReadError> {
    let before = ledger.past(key, from)?;
    ledger.log(|log| {
        let mut differ = Differ::new(before);
        job_facts(log, key, from, to, |fact| {
            let position = fact.position;
            differ.take(fact).map_err(history::Error::misfit(position)).map_err(ReadError::from)
        })?;
        Ok(differ)
    })
}
