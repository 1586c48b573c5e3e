//! `POST /ledger/jobs/{id}/retry`: repeats a failed or cancelled job.

use axum::extract::State;
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::claims::job_text;
use super::job::REPRESENTATION;
use super::single_job::{found, rendered};
use crate::access::Capability;
use crate::history;
use crate::http::POSITION;
use crate::http::answer::{Code, Error, JsonLine};
use crate::http::app::App;
use crate::http::observe::in_request;
use crate::http::request::{Caller, Params, Segment};
use crate::job::JobKey;
use crate::model::JobModel;
use crate::workers::{RetryError, retry as repeat};

/// The job that repeats another one.
#[derive(Debug, Serialize, ToSchema)]
pub struct RetryAnswer {
    /// The new job, as `/ledger/jobs/{id}` shows it.
    #[schema(value_type = JobModel)]
    job: Box<RawValue>,
}

/// Repeat a failed or cancelled job.
///
/// Creates a job with the same kind and spec, and the label `retry_of`. The old job shows it as `retried_as`. A job is repeated once:
/// repeat the newest of the chain.
#[utoipa::path(
    post, path = "/ledger/jobs/{id}/retry", tag = "ledger", operation_id = "retry_job",
    params(("id" = String, Path, description = "The job")),
    responses(
        (status = 201, description = "The new job, whose path is in `Location`", body = RetryAnswer),
        (status = 400, description = "A parameter that is unknown here"),
        (status = 403, description = "The role may not append"),
        (status = 404, description = "No such job"),
        (status = 409, description = "The job is not failed or cancelled, was repeated before, or cannot be repeated"),
        (status = 503, description = "The ledger takes no append now. After `outcome-unknown`, read the job first: `retried_as` names the new job, if there is one"),
    )
)]
pub async fn retry(
    State(app): State<App>,
    caller: Caller,
    Segment(id): Segment,
    params: Params,
) -> Result<Response, Error> {
    caller.require(Capability::Append)?;
    params.finish()?;
    let key = caller.own_job(&id)?;
    let id = repeat(&app.ledger, &key, &caller.0.name).await?;
    let location = HeaderValue::from_str(&format!("/ledger/jobs/{id}")).expect("a job id is ASCII");
    let shown = found(&app, &REPRESENTATION, &JobKey { org: key.org, id }, None).await?;
    let rendered = rendered(&app, &REPRESENTATION, shown).await?;
    let position = HeaderValue::from(rendered.position.get());
    let headers = [(LOCATION, location), (POSITION, position)];
    Ok((StatusCode::CREATED, headers, JsonLine(RetryAnswer { job: job_text(&rendered.body) })).into_response())
}

impl From<RetryError> for Error {
    fn from(error: RetryError) -> Error {
        let detail = error.to_string();
        match error {
            RetryError::NoSuchJob => Error::no_such_job(),
            RetryError::Redacted | RetryError::Labels(_) => Error::new(Code::NOT_REPEATABLE, detail),
            RetryError::Append(error) => Error::append(error, false),
            RetryError::History(history::Error::Log(error)) => error.into(),
            RetryError::History(error) => {
                in_request(|| tracing::error!(error = &error as &dyn std::error::Error, "a job cannot be read"));
                Error::new(Code::JOB_UNREADABLE, "the job's history cannot be read; the server's log has the cause")
            }
        }
    }
}
