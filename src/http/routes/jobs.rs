//! `GET /ledger/jobs`, `/ledger/jobs/{id}` and its whole hook output.

use async_stream::try_stream;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Serialize;
use utoipa::ToSchema;

use crate::access::Capability;
use crate::blocking::off_thread;
use crate::http::POSITION;
use crate::http::answer::Error;
use crate::http::answer::PageName;
use crate::http::answer::page;
use crate::http::answer::{Long, streamed};
use crate::http::app::App;
use crate::http::request::Caller;
use crate::http::request::Params;
use crate::http::request::Segment;
use crate::http::request::cursor;
use crate::http::routes::single::{Render, View, single_job};
use crate::job::{JobId, Position};
use crate::ledger::{ReadError, hook_chunk, hook_output};
use crate::model::{JobEntry, JobModel, SHOWN_OUTPUT, line};
use crate::views::{JobList, JobQuery};

/// A page of jobs.
#[derive(Debug, Serialize, ToSchema)]
pub struct JobPage {
    /// Newest first.
    jobs: Vec<JobEntry>,
    /// `after` of the next page; null on the last.
    next: Option<String>,
}

/// List jobs of all kinds, newest first.
#[utoipa::path(
    get, path = "/ledger/jobs", tag = "ledger", operation_id = "list_jobs",
    params(
        ("kind" = Option<crate::model::KindName>, Query, description = "Of one kind"),
        ("status" = Option<crate::model::StatusName>, Query, description = "In one state"),
        ("job_type" = Option<String>, Query, pattern = "^[A-Za-z0-9._-]{1,64}$", description = "Background and generic jobs of one type"),
        ("label" = Option<String>, Query, pattern = "^[^:]*:", description = "With this label, `name:value`"),
        ("created_by" = Option<String>, Query, description = "Created for this name"),
        ("created_after" = Option<chrono::DateTime<chrono::Utc>>, Query, description = "Created strictly after"),
        ("created_before" = Option<chrono::DateTime<chrono::Utc>>, Query, description = "Created strictly before"),
        ("id_prefix" = Option<String>, Query, description = "Whose id starts so"),
        ("first" = Option<u64>, Query, description = "Jobs on a page, 1 to 1000; default 50", minimum = 1, maximum = 1000),
        ("after" = Option<String>, Query, description = "`next` of the page before"),
        ("org" = Option<uuid::Uuid>, Query, description = "Of one organisation, for auditors"),
        ("min_position" = Option<u64>, Query, description = "Answer only when the views show this position"),
    ),
    responses(
        (status = 200, description = "A page", body = JobPage),
        (status = 400, description = "A parameter is not what was expected"),
        (status = 404, description = "`org` is not the caller's"),
        (status = 503, description = "The views are not there yet"),
    )
)]
pub async fn list(State(app): State<App>, caller: Caller, mut params: Params) -> Result<Response, Error> {
    caller.require(Capability::ReadLedger)?;
    let first = params.count("first", 50, 1000)?;
    let after = params.text("after")?;
    let min = params.one("min_position")?;
    let label = params.text("label")?.map(|label| match label.split_once(':') {
        Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
        None => Err(Error::parameter("label", "expected `name:value`")),
    });
    let query = JobQuery {
        org: caller.org_of_list(params.one("org")?)?,
        kind: params.one("kind")?,
        status: params.one("status")?,
        job_type: params.one("job_type")?,
        label: label.transpose()?,
        created_by: params.text("created_by")?,
        created_after: params.time("created_after")?,
        created_before: params.time("created_before")?,
        id_prefix: params.text("id_prefix")?.map(as_ids_are),
        ..JobQuery::default()
    };
    params.finish()?;
    let before = after.map(|after| cursor::decode(&after, &query)).transpose()?;
    let render = |list: &JobList| {
        let last = list.jobs.last().filter(|_| list.more);
        Bytes::from(line(&JobPage {
            next: last.map(|job| cursor::encode(job.created_position, &query)),
            jobs: list.jobs.iter().map(JobEntry::from).collect(),
        }))
    };
    let name = PageName { route: "/ledger/jobs", query: JobQuery { before, ..query.clone() }, limit: first };
    let shown = app.pages.get(&app.ledger, name, min, render).await?;
    Ok(page(shown))
}

/// A prefix as ids are written: a whole UUID in lower case, as on every way in. Of a part nobody can tell whether it is of one.
fn as_ids_are(prefix: String) -> String {
    prefix.parse::<JobId>().map_or(prefix, |id| id.to_string())
}

const VIEW: View = View {
    name: "/ledger/jobs/{id}",
    kind: None,
    content_type: "application/json",
    also: &[],
    revisioned: true,
    render: Render::Whole(|ledger, job| {
        let output = hook_output(ledger, job, SHOWN_OUTPUT)?;
        Ok(line(&JobModel::shown(job, output)))
    }),
};

/// Read one job: everything the ledger knows of it.
///
/// With `as_of` (a position, or an RFC 3339 time of recording) as the ledger stood then; with `Accept: text/event-stream` live.
#[utoipa::path(
    get, path = "/ledger/jobs/{id}", tag = "ledger", operation_id = "get_job",
    params(("id" = String, Path, description = "The job"), crate::http::description::ReadingParams),
    responses(
        (status = 200, description = "The job", content((JobModel = "application/json"), (String = "text/event-stream"))),
        (status = 400, description = "A parameter is not what was expected"),
        (status = 404, description = "No such job, or not yet then"),
        (status = 406, description = "`Accept` allows neither form"),
        crate::http::description::LiveAnswers,
        crate::http::description::Revisioned,
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
    let reading = params.reading(&caller, &id)?;
    single_job(app, caller, headers, reading, VIEW).await
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
        (status = 200, description = "What the hook wrote, stdout and stderr as they came", body = String, content_type = "text/plain; charset=utf-8"),
        (status = 400, description = "A parameter is not what was expected"),
        (status = 404, description = "No such job, or not yet then"),
        (status = 503, description = "The views are not there yet, or too many exports are being sent (`too-many-exports`)"),
    )
)]
pub async fn output(
    State(app): State<App>,
    caller: Caller,
    Segment(id): Segment,
    params: Params,
) -> Result<Response, Error> {
    caller.require(Capability::ReadLedger)?;
    let reading = params.reading(&caller, &id)?;
    let long = Long::new(&app, &caller, app.limits.exports.wait(&caller, 1).await?);
    let (position, job) = match reading.as_of {
        None => {
            let shown = app.ledger.job(&reading.key, reading.min).await?;
            (shown.position, shown.value.map(|job| (*job).clone()))
        }
        Some(moment) => {
            let turn = app.ledger.turn(reading.min).await?;
            let shown = app.ledger.job_as_of(&turn, &reading.key, moment).await?;
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
