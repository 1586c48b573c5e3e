//! `GET /ledger/jobs/{id}/evidence`: sends the evidence bundle of a job. The bundle is made in a temporary file first.
//!
//! Not here: the contents of a bundle (`evidence`).

mod file;

use std::io::Seek;

use async_stream::try_stream;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;

use self::file::{LimitReached, LimitedFile};
use crate::access::Capability;
use crate::evidence::{EvidenceError, covered, folder_name, write_evidence};
use crate::http::POSITION;
use crate::http::answer::{Code, Error, LongAnswer, streamed};
use crate::http::app::App;
use crate::http::observe::off_thread;
use crate::http::request::{Caller, Params, Segment};
use crate::job::Position;
use crate::tree::Size;

/// Bytes of a bundle in one part of the answer, 256 KiB.
const STEP: usize = 256 << 10;
/// Most checkpoints in `since`.
const MOST_SINCE: usize = 16;

/// The evidence bundle of a job: a tar that proves the job's history offline, with `verify.py` or `jobledger verify bundle`.
///
/// The bundle has the exact leaves, data and salts of the job's events, the ledger's own events, proofs under the newest
/// checkpoint, a timeline to read, and instructions to check all of them by hand. The same state of the log gives the same bytes.
#[utoipa::path(
    get, path = "/ledger/jobs/{id}/evidence", tag = "tree", operation_id = "get_evidence",
    params(
        ("id" = String, Path, description = "The job"),
        ("since" = Option<Vec<u64>>, Query, description = "The size of a checkpoint that the auditor holds. The bundle then \
            proves that the log continues that checkpoint. May repeat", minimum = 1, max_items = 16),
        ("org" = Option<uuid::Uuid>, Query, description = "The job's organisation, for auditors"),
        ("min_position" = Option<u64>, Query, description = "Answer only when the log has this position"),
    ),
    responses(
        (status = 200, description = "The bundle", body = String, content_type = "application/x-tar"),
        (status = 400, description = "A parameter is not what was expected"),
        (status = 404, description = "No such job, or no checkpoint covers the job"),
        (status = 422, description = "The bundle is larger than the server's limit (`bundle-too-large`)"),
        (status = 503, description = "The log has not reached `min_position`, or too many bundles are being made or sent (`too-many-bundles`)"),
    )
)]
pub async fn evidence(
    State(app): State<App>,
    caller: Caller,
    method: Method,
    Segment(id): Segment,
    mut params: Params,
) -> Result<Response, Error> {
    caller.require(Capability::ReadLedger)?;
    let since = params.many("since", MOST_SINCE)?.iter().map(|size| size.parse()).collect::<Result<Vec<Size>, _>>();
    let since = since.map_err(|error| Error::parameter("since", error))?;
    let (key, min) = params.job(&caller, &id)?;
    if let Some(min) = min {
        app.ledger.reach(min).await?;
    }
    let name = format!("attachment; filename=\"{}.tar\"", folder_name(&key));
    if method == Method::HEAD {
        let covered = off_thread(move || app.ledger.log(|log| covered(log, &key, &since))).await?;
        return Ok((headers(&name, covered), ()).into_response());
    }
    let long = LongAnswer::new(&app, &caller, app.limits.bundles.try_acquire(&caller, 1)?);
    // The bundle is made in a file: a reader of the log must not wait for a socket, and a job's events may not fit into memory.
    // The work keeps its place in the limit of bundles, because it goes on if the client disconnects.
    let made = off_thread(move || {
        let mut file = LimitedFile::new(&caller, &app.limits.bundle_bytes)?;
        let covered = app.ledger.log(|log| write_evidence(log, &key, &since, &mut file))?;
        file.rewind()?;
        Ok::<_, EvidenceError>((file, covered, long))
    });
    let (file, covered, long) = made.await?;
    let mut headers = headers(&name, covered);
    headers.insert(CONTENT_LENGTH, file.len().into());
    Ok((headers, sent(file, long)).into_response())
}

fn headers(disposition: &str, covered: Position) -> HeaderMap {
    HeaderMap::from_iter([
        (CONTENT_TYPE, HeaderValue::from_static("application/x-tar")),
        (CONTENT_DISPOSITION, HeaderValue::from_str(disposition).expect("a job's id is plain ASCII")),
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (POSITION, covered.get().into()),
    ])
}

fn sent(file: LimitedFile, long: LongAnswer) -> Body {
    let bytes = try_stream! {
        let mut file = file;
        loop {
            let (rest, part) = off_thread(move || file.part(STEP).map(|part| (file, part))).await?;
            file = rest;
            if part.is_empty() {
                break;
            }
            yield Bytes::from(part);
        }
    };
    streamed::<std::io::Error>(long, bytes)
}

impl From<EvidenceError> for Error {
    fn from(error: EvidenceError) -> Error {
        let missing = |code| Error::new(code, error.to_string());
        match error {
            EvidenceError::NoSuchJob => Error::no_such_job(),
            EvidenceError::NoCheckpoint => missing(Code::NO_CHECKPOINT),
            EvidenceError::NotCovered(_) => missing(Code::NOT_COVERED),
            EvidenceError::Since { .. } => Error::parameter("since", error),
            EvidenceError::Write(error) if error.get_ref().is_some_and(|cause| cause.is::<LimitReached>()) => {
                let reached = error.into_inner().and_then(|cause| cause.downcast::<LimitReached>().ok());
                reached.map_or_else(|| unreachable!("the guard has checked the type"), |reached| reached.0)
            }
            error => Error::internal(&error),
        }
    }
}
