//! `DELETE /api/v1/jobs/{id}`: cancels a job, and records the actor.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use uuid::Uuid;

use crate::access::Capability;
use crate::http::{App, Caller, Error, POSITION, Params, Segment, precondition};
use crate::job::{Kind, Refusal};
use crate::ledger::{Append, AppendError};
use crate::wire;

/// `source` of the events that this route appends.
const SOURCE: &str = "/api/v1/jobs";

/// Cancel Job.
///
/// Records already processed will remain; the job stays readable as `cancelled`, its counters kept.
#[utoipa::path(
    delete, path = "/api/v1/jobs/{id}", tag = "task", operation_id = "cancel_task",
    params(
        ("id" = String, Path, description = "Job ID"),
        ("If-Match" = Option<String>, Header, pattern = "^([*]|\"[0-9]{1,18}\")$", description = "The job's `ETag`: cancel only if nothing has happened to the job since; `*`: in every case"),
        ("If-None-Match" = Option<String>, Header, pattern = "^[*]$", description = "`*`: only if there is no such job, so nothing is ever cancelled"),
    ),
    responses(
        (status = 204, description = "Cancelled, now or before"),
        (status = 400, description = "The job has ended otherwise, a parameter is unknown, or a precondition has another form"),
        (status = 403, description = "Insufficient permissions"),
        (status = 404, description = "Job does not exist"),
        (status = 412, description = "`If-Match` names another revision than the job's newest, or `If-None-Match` was given"),
        (status = 503, description = "The ledger takes no writes just now"),
    )
)]
pub(super) async fn cancel(
    State(app): State<App>,
    caller: Caller,
    Segment(id): Segment,
    headers: HeaderMap,
    params: Params,
) -> Result<Response, Error> {
    caller.require(Capability::Tasks)?;
    // The parameters of a read are refused: a cancellation with `as_of` would still cancel now.
    params.finish()?;
    let guard = precondition(&headers)?;
    let key = caller.own_job(&id)?;
    // The route checks the kind alone. The writer thread decides whether the job may be cancelled.
    if app.ledger.log(|log| log.job_kind(key.org, &key.id))? != Some(Kind::Task) {
        return Err(Error::no_such_job());
    }
    let event = serde_json::json!({
        "specversion": "1.0",
        "id": Uuid::now_v7(),
        "source": SOURCE,
        "type": "job.cancelled",
        "subject": key.id.as_str(),
    });
    let incoming = wire::single(event.to_string().as_bytes(), app.ledger.mask())
        .map_err(|reject| Error::rejected(None, reject))?;
    let append = Append { org: key.org, actor: caller.0.name, events: vec![incoming], guard, lease: None };
    match app.ledger.append(append).await {
        Ok(appended) => {
            let position = HeaderValue::from(appended.position().get());
            Ok((StatusCode::NO_CONTENT, [(POSITION, position)]).into_response())
        }
        // The document lists no 409, so the route answers 400.
        Err(AppendError::Refused { refusal: Refusal::Lifecycle(conflict), .. }) => {
            let state = conflict.state.map_or("gone", |state| state.as_str());
            Err(Error::bad_request(format!("the job is {state}, and only a pending or running job can be cancelled")))
        }
        Err(AppendError::OutcomeUnknown) => Err(Error {
            detail:
                "whether the job was cancelled is not known; cancel it again, a second time is answered as the first"
                    .to_owned(),
            ..Error::append(AppendError::OutcomeUnknown, false)
        }),
        Err(error) => Err(Error::append(error, false)),
    }
}
