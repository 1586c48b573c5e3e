//! `GET /ledger/jobs/counts`: how many jobs are in each state.

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::jobs::job_query;
use crate::access::Capability;
use crate::http::answer::{Error, page};
use crate::http::app::App;
use crate::http::description::JobFilterParams;
use crate::http::request::{Caller, Params};
use crate::job::Status;
use crate::ledger::Shown;
use crate::model::{StatusName, line};
use crate::views::JobCounts;

/// How many jobs are in each state.
#[derive(Debug, Serialize, ToSchema)]
pub struct CountsModel {
    /// Created, and not started.
    #[schema(minimum = 0)]
    pending: u64,
    /// Started, and not ended.
    #[schema(minimum = 0)]
    running: u64,
    /// Ended with success.
    #[schema(minimum = 0)]
    completed: u64,
    /// Ended with a failure.
    #[schema(minimum = 0)]
    failed: u64,
    /// Ended by a cancellation.
    #[schema(minimum = 0)]
    cancelled: u64,
    /// Present, and true, if the ledger looked at 10,000 jobs and left the others out: there are at least so many.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    at_least: bool,
}

impl From<JobCounts> for CountsModel {
    fn from(counts: JobCounts) -> CountsModel {
        CountsModel {
            pending: counts.of(Status::Pending),
            running: counts.of(Status::Running),
            completed: counts.of(Status::Completed),
            failed: counts.of(Status::Failed),
            cancelled: counts.of(Status::Cancelled),
            at_least: counts.at_least,
        }
    }
}

/// Count the jobs in each state.
///
/// Takes the filters of the list. The numbers are exact with no filter, with `status`, with `kind`, `job_type` or both, with
/// `created_by` alone and with `cancelled_by` alone, and with other filters if at most 10,000 jobs are to be looked at.
#[utoipa::path(
    get, path = "/ledger/jobs/counts", tag = "ledger", operation_id = "count_jobs",
    params(
        JobFilterParams,
        ("status" = Option<StatusName>, Query, description = "In one state; the others are 0"),
    ),
    responses(
        (status = 200, description = "The numbers", body = CountsModel),
        (status = 400, description = "A parameter is not what was expected"),
        (status = 404, description = "`org` is not the caller's"),
        (status = 503, description = "The views have not reached the position in time"),
    )
)]
pub async fn counts(State(app): State<App>, caller: Caller, mut params: Params) -> Result<Response, Error> {
    caller.require(Capability::ReadLedger)?;
    let min = params.one("min_position")?;
    let query = job_query(&caller, &mut params)?;
    params.finish()?;
    let Shown { value, position, now } = app.ledger.job_counts(&query, min).await?;
    Ok(page(Shown { value: line(&CountsModel::from(value)).into(), position, now }))
}
