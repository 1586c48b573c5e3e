//! Jobs that a documented API creates: a document becomes one `job.created`, and is appended like any other event.
//!
//! Not here: the documents and the answers, which each API has of its own (`kinds`).

use axum::extract::Request;
use axum::http::header::{CONTENT_TYPE, HeaderValue, LOCATION};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Deserialize;
use uuid::Uuid;

use super::events::received;
use crate::http::POSITION;
use crate::http::answer::{Code, Error};
use crate::http::app::App;
use crate::http::limits::{LARGE, bytes_with_permit};
use crate::http::observe::off_thread;
use crate::http::request::{Caller, Params, accept};
use crate::job::{Created, Event, JobId};
use crate::json;
use crate::ledger::{Append, AppendError, INLINE};
use crate::mask::{Mask, NAMES};
use crate::wire::{self, Incoming, Reject};

/// How a documented API creates a job.
#[derive(Clone, Copy)]
pub struct Creation {
    /// The path of the route. It is the `source` of the events too, and the job is at the path below it that the id names.
    pub path: &'static str,
    /// The content types that the document may have.
    pub documents: &'static [&'static str],
    /// The content types that `Accept` may ask for, the usual one first.
    pub answers: &'static [&'static str],
    /// Makes the data of `job.created` from the document. A [`Reject`] points into the document.
    pub data: fn(&str) -> Result<String, Reject>,
    /// The place in the document of a JSON pointer into the event.
    pub place: fn(&str) -> String,
    /// Renders the answer.
    pub answer: fn(&NewJob<'_>) -> Vec<u8>,
}

/// A job that is being created.
pub struct NewJob<'a> {
    /// The job's id, a new UUIDv7.
    pub id: &'a JobId,
    /// The name on the caller's token.
    pub created_by: &'a str,
    /// The data of `job.created`.
    pub created: &'a Created,
}

/// The event to append, and the answer once it is recorded.
struct Prepared {
    id: JobId,
    event: Incoming,
    answer: Vec<u8>,
}

/// Creates the job that the body describes. Answers 202 when the job is in the log.
///
/// # Errors
///
/// 400 for a document that is no such job, and the errors of an append.
pub async fn create_job(
    app: App,
    caller: Caller,
    params: Params,
    request: Request,
    creation: Creation,
) -> Result<Response, Error> {
    let (parts, body) = request.into_parts();
    let body = received(&app, &caller, &parts.headers, body).await?;
    params.finish()?;
    let offered = creation.answers;
    let chosen = accept::choose(&parts.headers, offered).ok_or_else(|| Error::not_acceptable(&offered.join(", ")))?;
    check_content_type(&parts.headers, creation.documents)?;
    let Prepared { id, event, answer } = prepared(&app, &caller, body.bytes.clone(), creation).await?;
    let answer = match answer.len() > LARGE {
        true => bytes_with_permit(app.limits.answers.acquire(&caller, 1).await?, answer),
        false => Bytes::from(answer),
    };
    let append = Append { org: caller.0.org, actor: caller.0.name, events: vec![event], guard: None, lease: None };
    let appended = app.ledger.append(append).await.map_err(|error| not_appended(error, creation))?;
    let location = HeaderValue::try_from(format!("{}/{id}", creation.path)).expect("a path and a UUID are ASCII");
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(chosen)),
        (LOCATION, location),
        (POSITION, HeaderValue::from(appended.position().get())),
    ];
    Ok((StatusCode::ACCEPTED, headers, answer).into_response())
}

fn check_content_type(headers: &HeaderMap, expected: &[&str]) -> Result<(), Error> {
    let found = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let essence = found.split(';').next().unwrap_or("").trim();
    if expected.iter().any(|one| one.eq_ignore_ascii_case(essence)) {
        return Ok(());
    }
    let expected = expected.iter().map(|one| format!("`{one}`")).collect::<Vec<_>>().join(" or ");
    Err(Error::new(Code::UNSUPPORTED_MEDIA_TYPE, format!("expected `Content-Type` {expected}")))
}

/// Reads the document; on another thread if it is large.
async fn prepared(app: &App, caller: &Caller, body: Bytes, creation: Creation) -> Result<Prepared, Error> {
    let prepared = if body.len() > INLINE {
        let permit = app.limits.parses.acquire(caller, 1).await?;
        let (by, mask) = (caller.0.name.clone(), app.ledger.mask().clone());
        off_thread(move || {
            let _permit = permit;
            prepare(&body, &by, creation, &mask)
        })
        .await
    } else {
        prepare(&body, &caller.0.name, creation, app.ledger.mask())
    };
    prepared.inspect_err(|error| {
        if error.code.name == Code::SECRET.name {
            app.ledger.metrics().stopped(NAMES);
        }
    })
}

fn prepare(body: &[u8], created_by: &str, creation: Creation, mask: &Mask) -> Result<Prepared, Error> {
    let in_body = |reject: Reject| in_document(Error::rejected(None, reject.masked(mask)), str::to_owned);
    let text = std::str::from_utf8(body).map_err(|_| Error::bad_request("expected JSON in UTF-8"))?;
    let data = (creation.data)(text).map_err(in_body)?;
    let (name, job, source) = (Uuid::now_v7(), Uuid::now_v7(), creation.path);
    let event = format!(
        r#"{{"specversion":"1.0","id":"{name}","source":"{source}","type":"job.created","subject":"{job}","data":{data}}}"#
    );
    let event = wire::single(event.as_bytes(), mask)
        .map_err(|reject| in_document(Error::rejected(None, reject), creation.place))?;
    let (Some(id), Event::Created(created)) = (event.subject.clone(), &event.event) else {
        unreachable!("the event is a `job.created` that names its job")
    };
    let answer = (creation.answer)(&NewJob { id: &id, created_by, created });
    Ok(Prepared { id, event, answer })
}

/// The error with the place of the fault in its text: the documented error bodies have no member for it. The documents of the APIs
/// list no 422, so the answer is 400.
fn in_document(error: Error, place: impl Fn(&str) -> String) -> Error {
    let status = match error.code.status {
        StatusCode::UNPROCESSABLE_ENTITY => StatusCode::BAD_REQUEST,
        status => status,
    };
    let place = error.pointer.map(|pointer| place(&pointer)).filter(|place| !place.is_empty());
    let detail = match place {
        Some(place) => format!("`{place}`: {}", error.detail),
        None => error.detail,
    };
    Error::new(Code { status, ..error.code }, detail)
}

fn not_appended(error: AppendError, creation: Creation) -> Error {
    let outcome_unknown = matches!(error, AppendError::OutcomeUnknown);
    let error = in_document(Error::append(error, false), creation.place);
    match outcome_unknown {
        true => Error {
            detail:
                "whether the job was created is not known; look for it in `/ledger/jobs` before you create it again"
                    .to_owned(),
            ..error
        },
        false => error,
    }
}

/// Reads the JSON object `text` as a `T`; `root` is its place in the document.
///
/// # Errors
///
/// A [`Reject`] that points at the value that does not fit.
pub fn read_document<'a, T: Deserialize<'a>>(root: &str, text: &'a str) -> Result<T, Reject> {
    // serde alone would also read a struct from an array of its members in order.
    match text.trim_start().starts_with('{') {
        true => Ok(json::read(root, text)?),
        false => Err(Reject::Invalid { pointer: root.to_owned().into(), detail: "expected a JSON object".to_owned() }),
    }
}
