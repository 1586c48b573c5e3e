//! `GET /api/v1/jobs` and `GET /api/v1/jobs/running`.

use std::convert::Infallible;

use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Serialize;
use utoipa::ToSchema;

use super::model::{RunningTask, TaskEntry};
use crate::access::Capability;
use crate::http::{
    App, Caller, Error, LongAnswer, POSITION, PageName, Params, decode_cursor, encode_cursor, json, page, streamed,
};
use crate::job::{JobType, Kind, TaskType, Time};
use crate::model::{StatusName, TaskTypeName};
use crate::views::{JobList, JobQuery, RenderRow};

/// A page of background jobs.
#[derive(Debug, Serialize, ToSchema)]
struct TaskPage {
    /// The jobs, newest first.
    jobs: Vec<TaskEntry>,
    /// The start of the next page.
    #[serde(rename = "pageInfo")]
    page_info: PageInfo,
}

/// The start of the next page.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct PageInfo {
    /// Whether a next page exists.
    has_next_page: bool,
    /// `after` of the next page; null if this page is empty.
    end_cursor: Option<String>,
}

/// The texts before and after the rows of [`RunningTasks`].
const BEFORE: &[u8] = br#"{"jobs":["#;
const BEHIND: &[u8] = b"]}";

/// The running background jobs.
#[derive(Debug, Serialize, ToSchema)]
#[allow(dead_code, reason = "describes the text that the route joins from rows")]
struct RunningTasks {
    /// The jobs, newest first.
    jobs: Vec<RunningTask>,
}

/// List Jobs.
#[utoipa::path(
    get, path = "/api/v1/jobs", tag = "task", operation_id = "list_tasks",
    params(
        ("job_type" = Option<TaskTypeName>, Query, description = "Filter by job type"),
        ("status" = Option<StatusName>, Query, description = "Filter by status"),
        ("start_date" = Option<String>, Query, description = "Filter jobs started after this date (ISO 8601): a date, which is its midnight in UTC, or a timestamp with its offset", example = "2024-02-01"),
        ("end_date" = Option<String>, Query, description = "Filter jobs started before this date (ISO 8601), in the same forms", example = "2024-02-01T10:00:00Z"),
        ("first" = Option<u64>, Query, description = "Number of items to return, 1 to 1000; default 50", minimum = 1, maximum = 1000),
        ("after" = Option<String>, Query, description = "Cursor for pagination"),
        ("min_position" = Option<u64>, Query, description = "Answer only when the views show this position"),
    ),
    responses(
        (status = 200, description = "A page", body = TaskPage),
        (status = 400, description = "Invalid parameters"),
        (status = 403, description = "Insufficient permissions"),
        (status = 503, description = "The views have not reached the position in time"),
    )
)]
pub(super) async fn list(State(app): State<App>, caller: Caller, mut params: Params) -> Result<Response, Error> {
    caller.require(Capability::Tasks)?;
    let first = params.count("first", 50, 1000)?;
    let after = params.text("after")?;
    let min = params.one("min_position")?;
    let query = JobQuery {
        org: Some(caller.0.org),
        kind: Some(Kind::Task),
        status: params.one("status")?,
        job_type: params.one::<TaskType>("job_type")?.map(JobType::from),
        started_after: date(&mut params, "start_date")?,
        started_before: date(&mut params, "end_date")?,
        ..JobQuery::default()
    };
    params.finish()?;
    let beyond = after.map(|after| decode_cursor(&after, &query)).transpose()?;
    let render = |list: &JobList| {
        json(&TaskPage {
            page_info: PageInfo {
                has_next_page: list.more,
                end_cursor: list.jobs.last().map(|job| encode_cursor(job.created_position, &query)),
            },
            jobs: list.jobs.iter().map(TaskEntry::of).collect(),
        })
    };
    let name = PageName { route: "/api/v1/jobs", query: JobQuery { beyond, ..query.clone() }, limit: first };
    let shown = app.pages.get(&app.ledger, name, min, render).await?;
    Ok(page(shown))
}

/// Get Running Jobs.
#[utoipa::path(
    get, path = "/api/v1/jobs/running", tag = "task", operation_id = "running_tasks",
    params(("min_position" = Option<u64>, Query, description = "Answer only when the views show this position")),
    responses(
        (status = 200, description = "All currently running jobs", body = RunningTasks),
        (status = 400, description = "Invalid parameters"),
        (status = 403, description = "Insufficient permissions"),
        (status = 503, description = "The views have not reached the position in time, or too many large answers are being sent"),
    )
)]
pub(super) async fn running(State(app): State<App>, caller: Caller, mut params: Params) -> Result<Response, Error> {
    caller.require(Capability::Tasks)?;
    let min = params.one("min_position")?;
    params.finish()?;
    let long = LongAnswer::new(&app, &caller, app.limits.answers.acquire(&caller, 1).await?);
    // The document gives this list no pages, so the answer has all jobs.
    let render: RenderRow = |job| serde_json::to_vec(&RunningTask::of(job)).expect("the model is JSON");
    let shown = app.ledger.running_tasks(caller.0.org, min, render).await?;
    let length = BEFORE.len() + shown.value.iter().map(Bytes::len).sum::<usize>() + BEHIND.len();
    let rows = shown.value.to_vec();
    let parts = std::iter::once(Bytes::from_static(BEFORE)).chain(rows).chain([Bytes::from_static(BEHIND)]);
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (CONTENT_LENGTH, HeaderValue::from(length)),
        (POSITION, HeaderValue::from(shown.position.get())),
    ];
    Ok((headers, streamed(long, tokio_stream::iter(parts.map(Ok::<_, Infallible>)))).into_response())
}

/// Parses an ISO 8601 timestamp with an offset, or a date, which means midnight UTC. An unescaped `+` of an offset decodes to a space,
/// so a space stands for `+`.
fn date(params: &mut Params, name: &'static str) -> Result<Option<Time>, Error> {
    let Some(text) = params.text(name)?.map(|text| text.replace(' ', "+")) else { return Ok(None) };
    let is_date = text.len() == 10 && !text.contains('T');
    let full = if is_date { format!("{text}T00:00:00Z") } else { text.clone() };
    full.parse().map(Some).map_err(|_| {
        let found: String = text.chars().take(64).collect();
        let expected = "expected an ISO 8601 date or timestamp, such as `2024-02-01` or `2024-02-01T10:00:00Z`";
        Error::parameter(name, format!("{expected}, found `{found}`"))
    })
}
