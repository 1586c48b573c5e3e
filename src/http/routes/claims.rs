//! `POST /ledger/claims`: hands a worker the oldest pending job that fits.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;
use uuid::Uuid;

use super::append::LeaseAnswer;
use super::job::REPRESENTATION;
use super::single_job::{found, rendered};
use crate::access::Capability;
use crate::http::POSITION;
use crate::http::answer::{Code, Error, JsonLine};
use crate::http::app::App;
use crate::http::request::body::{json_object, read_small};
use crate::http::request::{Caller, Params};
use crate::job::Kind;
use crate::model::{JobModel, KindName};
use crate::views::Wanted;
use crate::wire::{MAX_LEASE_SEC, check_worker};
use crate::workers::{Claim, ClaimError, MAX_WAIT_SEC};

/// Most bytes of a claim.
const MOST: usize = 16 << 10;

/// A worker's request for a job.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClaimRequest {
    /// The request's id. The same id gets the same job and the same token while the job runs.
    id: Uuid,
    /// The kind of the job.
    #[schema(value_type = KindName)]
    kind: String,
    /// The type of a background or generic job; every type if absent.
    #[schema(pattern = "^[A-Za-z0-9._-]{1,64}$")]
    job_type: Option<String>,
    /// Labels that the job has, among others.
    labels: Option<BTreeMap<String, String>>,
    /// The worker's name, for people.
    #[schema(min_length = 1, max_length = 128)]
    worker: String,
    /// How long the lease lasts after each report, in seconds.
    #[schema(minimum = 1, maximum = 86400)]
    lease_sec: u64,
    /// How long to wait for a job, in seconds.
    #[schema(minimum = 0, maximum = 60)]
    wait_sec: u64,
}

/// A job and its lease.
#[derive(Debug, Serialize, ToSchema)]
pub struct ClaimAnswer {
    /// The job, as `/ledger/jobs/{id}` shows it.
    #[schema(value_type = JobModel)]
    job: Box<RawValue>,
    /// The worker's lease of the job.
    lease: LeaseAnswer,
}

/// The answer to a claim that waits while the server stops. If a job was started for the claim, the same claim gets that job again.
pub fn stops() -> Error {
    Error::new(Code::STOPPING, "the server stops; send the same claim again")
}

/// Claim a job.
///
/// Starts the oldest pending job that fits, for the caller alone, and gives its lease. Waits up to `wait_sec` for such a job. Send the
/// same request with the same id again after an error, and after an answer that was lost.
#[utoipa::path(
    post, path = "/ledger/claims", tag = "ledger", operation_id = "claim_job",
    request_body(content = ClaimRequest, content_type = "application/json"),
    responses(
        (status = 201, description = "The job, which now runs under the caller's lease", body = ClaimAnswer),
        (status = 204, description = "No job fits"),
        (status = 400, description = "Not JSON, or a parameter that is unknown here"),
        (status = 403, description = "The role may not append"),
        (status = 409, description = "The id belongs to a claim of another worker, or of a job that has ended"),
        (status = 413, description = "A body over 16 KiB"),
        (status = 415, description = "A content type other than `application/json`"),
        (status = 422, description = "A member is not what was expected; `pointer` names it"),
        (status = 503, description = "Too many claims at once, or the ledger takes no append now: send the same claim again"),
    )
)]
pub async fn claim(
    State(app): State<App>,
    caller: Caller,
    params: Params,
    request: Request,
) -> Result<Response, Error> {
    caller.require(Capability::Append)?;
    params.finish()?;
    let (parts, body) = request.into_parts();
    let body = read_small(body, MOST).await?;
    let claim = parse(&caller, &parts.headers, &body)?;
    let mut stopping = app.stopping.clone();
    let claimed = tokio::select! {
        claimed = app.claims.claim(&app.ledger, &claim) => claimed?,
        _ = stopping.wait_for(|stopping| *stopping) => return Err(stops()),
    };
    let Some(claimed) = claimed else { return Ok(StatusCode::NO_CONTENT.into_response()) };
    let shown = found(&app, &REPRESENTATION, &claimed.key, Some(claimed.since)).await?;
    let rendered = rendered(&app, &REPRESENTATION, shown).await?;
    let full = Duration::from_secs(claim.lease_sec.into());
    let left = app.ledger.lease_left(&claimed.key, claimed.since).unwrap_or(full);
    let lease = LeaseAnswer::new(&app, &claimed.key, claimed.since, left);
    let job = job_text(&rendered.body);
    let position = axum::http::HeaderValue::from(rendered.position.get());
    Ok((StatusCode::CREATED, [(POSITION, position)], JsonLine(ClaimAnswer { job, lease })).into_response())
}

/// A rendered job as a member of another answer.
pub fn job_text(rendered: &[u8]) -> Box<RawValue> {
    serde_json::from_slice(rendered).expect("a rendered job is JSON")
}

/// Reads the claim.
fn parse(caller: &Caller, headers: &HeaderMap, body: &[u8]) -> Result<Claim, Error> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    if !content_type.split(';').next().unwrap_or("").trim().eq_ignore_ascii_case("application/json") {
        return Err(Error::new(Code::UNSUPPORTED_MEDIA_TYPE, "expected `application/json`"));
    }
    let request: ClaimRequest = json_object(body)?;
    let ClaimRequest { id, kind, job_type, labels, worker, lease_sec, wait_sec } = request;
    let kind: Kind = kind.parse().map_err(|error| Error::invalid("/kind", error))?;
    let job_type = job_type.map(|text| text.parse()).transpose();
    let job_type = job_type.map_err(|error| Error::invalid("/job_type", error))?;
    let in_range = |pointer: &'static str, found: u64, least: u64, most: u64| match (least..=most).contains(&found) {
        true => Ok(()),
        false => Err(Error::invalid(pointer, format!("expected a whole number from {least} to {most}, found {found}"))),
    };
    in_range("/lease_sec", lease_sec, 1, MAX_LEASE_SEC)?;
    in_range("/wait_sec", wait_sec, 0, MAX_WAIT_SEC)?;
    check_worker("/worker", &worker).map_err(|reject| Error::rejected(None, reject))?;
    let labels = labels.unwrap_or_default();
    if labels.len() > 16 {
        return Err(Error::invalid("/labels", format!("expected at most 16 labels, found {}", labels.len())));
    }
    Ok(Claim {
        id,
        actor: caller.0.name.clone(),
        wanted: Wanted { org: caller.0.org, kind, job_type, labels },
        worker,
        lease_sec: u32::try_from(lease_sec).expect("checked above"),
        wait: Duration::from_secs(wait_sec),
    })
}

impl From<ClaimError> for Error {
    fn from(error: ClaimError) -> Error {
        let detail = error.to_string();
        match error {
            ClaimError::Worker(detail) => Error::invalid("/worker", detail),
            ClaimError::IdReused { .. } => Error::new(Code::ID_REUSED, detail),
            ClaimError::TooMany => Error::new(Code::TOO_MANY_CLAIMS, detail),
            ClaimError::Append(error) => Error::append(error, false),
            ClaimError::Read(error) => error.into(),
            ClaimError::Log(error) => error.into(),
        }
    }
}
