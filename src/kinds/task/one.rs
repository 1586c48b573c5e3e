//! `GET /api/v1/jobs/{id}` and `GET /api/v1/jobs/{id}/progress`.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::model::{TaskJob, TaskProgress};
use crate::access::Capability;
use crate::http::{
    App, Caller, ETagAnswers, Error, Params, Render, Representation, Segment, SingleJobAnswers, SingleJobParams,
    single_job,
};
use crate::job::Kind;

const JOB: Representation = Representation {
    path: "/api/v1/jobs/{id}",
    kind: Some(Kind::Task),
    content_type: "application/json",
    also: &[],
    has_etag: true,
    tells_changes: false,
    render: Render::Row(|job, _| serde_json::to_vec(&TaskJob::of(job)).expect("the model is JSON")),
};

const PROGRESS: Representation = Representation {
    path: "/api/v1/jobs/{id}/progress",
    // `elapsed_ms` depends on the clock, so the answer has no `ETag`.
    has_etag: false,
    tells_changes: false,
    render: Render::Row(|job, now| serde_json::to_vec(&TaskProgress::of(job, now)).expect("the model is JSON")),
    ..JOB
};

/// Get Job.
///
/// With `as_of`, the job as the ledger stood at that moment. With `Accept: text/event-stream`, a live read.
#[utoipa::path(
    get, path = "/api/v1/jobs/{id}", tag = "task", operation_id = "get_task",
    params(("id" = String, Path, description = "Job ID"), SingleJobParams),
    responses(
        (status = 200, description = "The complete job object with all details", content((TaskJob = "application/json"), (String = "text/event-stream"))),
        SingleJobAnswers,
        (status = 400, description = "Invalid parameters"),
        (status = 403, description = "Insufficient permissions"),
        (status = 404, description = "The job does not exist, or did not exist at `as_of`"),
        ETagAnswers,
    )
)]
pub(super) async fn get(
    State(app): State<App>,
    caller: Caller,
    Segment(id): Segment,
    headers: HeaderMap,
    params: Params,
) -> Result<Response, Error> {
    caller.require(Capability::Tasks)?;
    let read = params.job_read(&caller, &id)?;
    single_job(app, caller, headers, read, JOB).await
}

/// Get Job Progress.
///
/// With `as_of`, the job as the ledger stood at that moment. With `Accept: text/event-stream`, a live read.
#[utoipa::path(
    get, path = "/api/v1/jobs/{id}/progress", tag = "task", operation_id = "get_task_progress",
    params(("id" = String, Path, description = "Job ID"), SingleJobParams),
    responses(
        (status = 200, description = "How far the job is", content((TaskProgress = "application/json"), (String = "text/event-stream"))),
        SingleJobAnswers,
        (status = 400, description = "Invalid parameters"),
        (status = 403, description = "Insufficient permissions"),
        (status = 404, description = "The job does not exist, or did not exist at `as_of`"),
    )
)]
pub(super) async fn progress(
    State(app): State<App>,
    caller: Caller,
    Segment(id): Segment,
    headers: HeaderMap,
    params: Params,
) -> Result<Response, Error> {
    caller.require(Capability::Tasks)?;
    let read = params.job_read(&caller, &id)?;
    single_job(app, caller, headers, read, PROGRESS).await
}
