//! `GET /ledger/jobs/{id}` and `/ledger/jobs/{id}/output`: one job, and the output of its hook.

use async_stream::try_stream;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;

use super::single_job::{Render, Representation, single_job};
use crate::access::Capability;
use crate::blocking::off_thread;
use crate::http::POSITION;
use crate::http::answer::{Error, LongAnswer, streamed};
use crate::http::app::App;
use crate::http::description::{ETagAnswers, SingleJobAnswers, SingleJobParams};
use crate::http::request::{Caller, Params, Segment, refuse_heartbeat};
use crate::job::Position;
use crate::ledger::{ReadError, hook_chunk, hook_output};
use crate::model::{JobModel, SHOWN_OUTPUT, line};

const REPRESENTATION: Representation = Representation {
    path: "/ledger/jobs/{id}",
    kind: None,
    content_type: "application/json",
    also: &[],
    has_etag: true,
    tells_changes: true,
    render: Render::Whole(|ledger, job| {
        let output = hook_output(ledger, job, SHOWN_OUTPUT)?;
        Ok(line(&JobModel::shown(job, output)))
    }),
};

/// Read one job: everything the ledger knows of it.
///
/// With `as_of` (a position, or an RFC 3339 time of recording), the job as the ledger stood at that moment. With
/// `Accept: text/event-stream` a live read: `event: snapshot` has the job, and `event: changed` the members that changed since
/// (`JobChange`), at most five a second. If too much has changed for that, `event: snapshot` has the whole job again.
#[utoipa::path(
    get, path = "/ledger/jobs/{id}", tag = "ledger", operation_id = "get_job",
    params(("id" = String, Path, description = "The job"), SingleJobParams),
    responses(
        (status = 200, description = "The job", content((JobModel = "application/json"), (String = "text/event-stream"))),
        SingleJobAnswers,
        ETagAnswers,
    )
)]
pub async fn one(
    State(app): State<App>,
    caller: Caller,
    Segment(id): Segment,
    headers: HeaderMap,
    params: Params,
) -> Result<Response, Error> {
    caller.require(Capability::ReadLedger)?;
    let read = params.job_read(&caller, &id)?;
    single_job(app, caller, headers, read, REPRESENTATION).await
}

/// Read all of a job's hook output.
#[utoipa::path(
    get, path = "/ledger/jobs/{id}/output", tag = "ledger", operation_id = "get_job_output",
    params(
        ("id" = String, Path, description = "The job"),
        ("as_of" = Option<String>, Query, description = "A position or an RFC 3339 time of recording"),
        ("org" = Option<uuid::Uuid>, Query, description = "The job's organisation, for auditors"),
        ("min_position" = Option<u64>, Query, description = "Answer only when the views show this position"),
    ),
    responses(
        (status = 200, description = "The hook's output, stdout and stderr in the order of arrival", body = String, content_type = "text/plain; charset=utf-8"),
        (status = 400, description = "A parameter is not what was expected"),
        (status = 404, description = "No such job, or none yet at `as_of`"),
        (status = 503, description = "The views have not reached the position in time, or too many exports are being sent (`too-many-exports`)"),
    )
)]
pub async fn output(
    State(app): State<App>,
    caller: Caller,
    Segment(id): Segment,
    params: Params,
) -> Result<Response, Error> {
    caller.require(Capability::ReadLedger)?;
    let read = params.job_read(&caller, &id)?;
    refuse_heartbeat(read.heartbeat)?;
    let long = LongAnswer::new(&app, &caller, app.limits.exports.acquire(&caller, 1).await?);
    let (position, job) = match read.as_of {
        None => {
            let shown = app.ledger.job(&read.key, read.min).await?;
            (shown.position, shown.value.map(|job| (*job).clone()))
        }
        Some(moment) => {
            let turn = app.ledger.turn(read.min).await?;
            let shown = app.ledger.job_as_of(&turn, &read.key, moment).await?;
            (shown.position, shown.value.map(|job| job.summary.clone()))
        }
    };
    let job = job.ok_or_else(Error::no_such_job)?;
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8")),
        (POSITION, HeaderValue::from(position.get())),
    ];
    let chunks = try_stream! {
        let mut after = job.hook.is_some().then_some(Position::GENESIS);
        while let Some(from) = after {
            let (ledger, key, upto) = (app.ledger.clone(), job.key.clone(), job.position);
            let (chunk, next) = off_thread(move || hook_chunk(&ledger, &key, from, upto)).await?;
            yield Bytes::from(chunk);
            after = next;
        }
    };
    Ok((headers, streamed::<ReadError>(long, chunks)).into_response())
}
