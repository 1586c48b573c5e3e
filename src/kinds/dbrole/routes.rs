//! `GET /dbroles/jobs/{id}`.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::model::DbRoleJob;
use crate::access::Capability;
use crate::http::{
    App, Caller, ETagAnswers, Error, Params, Render, Representation, Segment, SingleJobAnswers, SingleJobParams,
    single_job,
};
use crate::job::{JobId, Kind};

const REPRESENTATION: Representation = Representation {
    path: "/dbroles/jobs/{id}",
    kind: Some(Kind::DbRole),
    content_type: "application/json",
    also: &[],
    has_etag: true,
    tells_changes: false,
    render: Render::Whole(|_, job| Ok(serde_json::to_vec(&DbRoleJob::of(job)).expect("the model is JSON"))),
};

/// Get DB Role Job.
///
/// With `as_of`, the job as the ledger stood at that moment. With `Accept: text/event-stream`, a live read.
#[utoipa::path(
    get, path = "/dbroles/jobs/{id}", tag = "dbrole", operation_id = "get_db_role_job",
    params(("id" = uuid::Uuid, Path, description = "The unique identifier of the resource, a UUID"), SingleJobParams),
    responses(
        (status = 200, description = "OK", content((DbRoleJob = "application/json"), (String = "text/event-stream"))),
        SingleJobAnswers,
        (status = 400, description = "The id is no UUID, or a parameter is not what was expected"),
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
    caller.require(Capability::ReadJobs)?;
    if id.parse::<JobId>().ok().and_then(|id| id.as_uuid()).is_none() {
        let found: String = id.chars().take(64).collect();
        return Err(Error::bad_request(format!("expected the id to be a UUID, found `{found}`")));
    }
    let read = params.job_read(&caller, &id)?;
    single_job(app, caller, headers, read, REPRESENTATION).await
}
