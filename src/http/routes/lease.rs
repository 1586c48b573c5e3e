//! `PUT /ledger/jobs/{id}/lease`: renews a worker's lease, without an event.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::job::REPRESENTATION;
use super::single_job::found;
use crate::access::Capability;
use crate::http::answer::{Code, Error};
use crate::http::app::App;
use crate::http::request::{Caller, Params, Segment, lease_token};
use crate::ledger::{Renewal, Standing};

/// Renew a lease.
///
/// Gives the lease its full time again. Each report of the holder does the same.
#[utoipa::path(
    put, path = "/ledger/jobs/{id}/lease", tag = "ledger", operation_id = "renew_lease",
    params(
        ("id" = String, Path, description = "The job"),
        ("Ledger-Lease" = String, Header, pattern = "^jll_[0-9]{1,18}_[0-9a-f]{32}$", description = "The lease's token"),
    ),
    responses(
        (status = 204, description = "The lease has its full time again"),
        (status = 400, description = "No lease token, or a parameter that is unknown here"),
        (status = 403, description = "The role may not append"),
        (status = 404, description = "No such job"),
        (status = 409, description = "The lease is over (`lease-lost`): stop this work. `state` says how the job stands"),
        (status = 503, description = "The job cannot be read now"),
    )
)]
pub async fn renew(
    State(app): State<App>,
    caller: Caller,
    Segment(id): Segment,
    headers: HeaderMap,
    params: Params,
) -> Result<Response, Error> {
    caller.require(Capability::Append)?;
    params.finish()?;
    let token = lease_token(&headers)?.ok_or_else(|| Error::bad_request("expected the header `Ledger-Lease`"))?;
    let key = caller.own_job(&id)?;
    let renewal = app.ledger.renew_lease(&key, &token);
    if renewal == Renewal::Renewed {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let job = found(&app, &REPRESENTATION, &key, None).await?.value;
    if renewal == Renewal::Resuming && app.ledger.runs_under(&job, &token) {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let standing = Standing::of(&job);
    let detail = format!("the token belongs to no lease of this job that lasts, and the job is {}", standing.state);
    Err(Error { standing: Some(Box::new(standing)), ..Error::new(Code::LEASE_LOST, detail) })
}
