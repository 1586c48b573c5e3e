//! `GET /ledger/jobs/{id}`: one job.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::single_job::{Render, Representation, single_job};
use crate::access::Capability;
use crate::http::answer::Error;
use crate::http::app::App;
use crate::http::description::{ETagAnswers, SingleJobAnswers, SingleJobParams};
use crate::http::request::{Caller, Params, Segment};
use crate::ledger::hook_output;
use crate::model::{JobModel, SHOWN_OUTPUT, line};

/// The ledger's own model of a job.
pub(super) const REPRESENTATION: Representation = Representation {
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
