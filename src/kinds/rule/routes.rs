//! `GET /authorization/rules/jobs/{jobId}` and its `/state`.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::model::{RuleJob, state_word};
use crate::access::Capability;
use crate::http::{
    App, Caller, ETagAnswers, Error, Params, Render, Representation, Segment, SingleJobAnswers, SingleJobParams,
    single_job,
};
use crate::job::Kind;

const JOB: Representation = Representation {
    path: "/authorization/rules/jobs/{jobId}",
    kind: Some(Kind::Rule),
    content_type: "application/vnd.sas.authorization.rule.job+json",
    also: &["application/json"],
    has_etag: true,
    tells_changes: false,
    render: Render::Whole(|_, job| Ok(serde_json::to_vec(&RuleJob::of(job)).expect("the model is JSON"))),
};

const STATE: Representation = Representation {
    path: "/authorization/rules/jobs/{jobId}/state",
    content_type: "text/plain;charset=UTF-8",
    also: &[],
    render: Render::Row(|job, _| state_word(job.state.status()).as_bytes().to_vec()),
    ..JOB
};

/// Get information about a rule job.
///
/// With `as_of`, the job as the ledger stood at that moment. With `Accept: text/event-stream`, a live read.
#[utoipa::path(
    get, path = "/authorization/rules/jobs/{jobId}", tag = "rule", operation_id = "get_rule_job",
    params(("jobId" = String, Path, description = "The ID of the rule job"), SingleJobParams),
    responses(
        (status = 200, description = "The specified rule job exists",
            content((RuleJob = "application/vnd.sas.authorization.rule.job+json"), (RuleJob = "application/json"), (String = "text/event-stream"))),
        SingleJobAnswers,
        (status = 404, description = "No rule job with the specified ID was found"),
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
    let read = params.job_read(&caller, &id)?;
    single_job(app, caller, headers, read, JOB).await
}

/// Get the state of a rule job.
///
/// One word of text. With `as_of`, the state as the ledger stood at that moment. With `Accept: text/event-stream`, a live read.
#[utoipa::path(
    get, path = "/authorization/rules/jobs/{jobId}/state", tag = "rule", operation_id = "get_rule_job_state",
    params(("jobId" = String, Path, description = "The ID of the rule job"), SingleJobParams),
    responses(
        (status = 200, description = "The state",
            content((String = "text/plain;charset=UTF-8"), (String = "text/event-stream"))),
        SingleJobAnswers,
        (status = 404, description = "No rule job with the specified ID was found"),
        ETagAnswers,
    )
)]
pub(super) async fn state(
    State(app): State<App>,
    caller: Caller,
    Segment(id): Segment,
    headers: HeaderMap,
    params: Params,
) -> Result<Response, Error> {
    caller.require(Capability::ReadJobs)?;
    let read = params.job_read(&caller, &id)?;
    single_job(app, caller, headers, read, STATE).await
}
