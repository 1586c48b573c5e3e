//! Errors as answers. Only this layer knows status codes. What the body looks like follows the path prefix, because the
//! documented APIs have bodies of their own; the ledger's own are RFC 9457.

use std::borrow::Cow;
use std::sync::Arc;

use axum::extract::Request;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::access::{AccessError, SourceRefusal};
use crate::http::answer::caught;
use crate::job::{Position, Refusal};
use crate::ledger::{AppendError, ReadError, Standing};
use crate::model::line;
use crate::{log, wire};

/// An answer that is an error.
#[derive(Debug, Clone)]
pub struct Error {
    /// The status code.
    pub status: StatusCode,
    /// Stable, for programs.
    pub code: &'static str,
    /// For people: what was expected, what was found, what to do next.
    pub detail: String,
    /// Which event of the batch.
    pub index: Option<usize>,
    /// JSON pointer of the field.
    pub pointer: Option<Cow<'static, str>>,
    /// The job's newest position, where a guard failed.
    pub position: Option<Position>,
    /// How the job stands, where its state does not allow the event.
    pub standing: Option<Box<Standing>>,
}

impl Error {
    /// The code of a refused member that is named like a secret.
    pub const SECRET: &'static str = "secret";
    /// The code of a read that waited too long for its turn. It may be tried again at once.
    pub const READS_BUSY: &'static str = "reads-busy";

    /// An error without a place.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Error {
        Error { status, code, detail: detail.into(), index: None, pointer: None, position: None, standing: None }
    }

    /// 400 for the query parameter `name`.
    pub fn parameter(name: &str, detail: impl std::fmt::Display) -> Error {
        let name: String = name.chars().take(64).collect();
        Error::new(StatusCode::BAD_REQUEST, "bad-parameter", format!("parameter `{name}`: {detail}"))
    }

    /// 400 for a live read of the past.
    pub fn live_as_of() -> Error {
        Error::parameter("as_of", "expected none on a live read, which shows the job as it becomes")
    }

    /// 400 for the request as a whole.
    pub fn bad_request(detail: impl Into<String>) -> Error {
        Error::new(StatusCode::BAD_REQUEST, "bad-request", detail)
    }

    /// 401: who asks is not known.
    pub fn unauthorized() -> Error {
        let detail = "expected `Authorization: Bearer jl_…` with a token that is neither revoked nor expired; \
                      `jobledger token create` makes one";
        Error::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
    }

    /// 403: who asks may not.
    pub fn forbidden(detail: impl Into<String>) -> Error {
        Error::new(StatusCode::FORBIDDEN, "forbidden", detail)
    }

    /// 403 for an event whose source the token may not use; `index` in a batch.
    pub fn source(index: Option<usize>, refusal: SourceRefusal) -> Error {
        let (code, detail) = match refusal {
            SourceRefusal::NotYours => {
                ("source-not-yours", "the token is bound to other sources; `jobledger token list` shows them")
            }
            SourceRefusal::Owned => {
                ("source-owned", "the source belongs to another token; use that token, or another source")
            }
        };
        Error::new(StatusCode::FORBIDDEN, code, detail).at(index, Some("/source".into()))
    }

    /// 404 for a job. What belongs to another organisation is told no other way.
    pub fn no_such_job() -> Error {
        Error::new(StatusCode::NOT_FOUND, "no-such-job", "no such job")
    }

    /// 406.
    pub fn not_acceptable(offered: &str) -> Error {
        Error::new(StatusCode::NOT_ACCEPTABLE, "not-acceptable", format!("expected `Accept` to allow {offered}"))
    }

    /// 500; the cause goes to the log and nowhere else.
    pub fn internal(error: &(dyn std::error::Error + 'static)) -> Error {
        tracing::error!(error, "a request failed");
        Error::said_in_the_log()
    }

    /// 500 for a handler that panicked.
    pub fn panicked(said: &str) -> Error {
        tracing::error!(panic = said, "a request failed");
        Error::said_in_the_log()
    }

    fn said_in_the_log() -> Error {
        let detail = "the ledger could not do this; its log says why, under this answer's `x-request-id`";
        Error::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
    }

    fn at(mut self, index: Option<usize>, pointer: Option<Cow<'static, str>>) -> Error {
        self.index = index;
        self.pointer = pointer.filter(|pointer| !pointer.is_empty());
        self
    }

    /// A producer's event that cannot be taken; `index` in a batch.
    pub fn rejected(index: Option<usize>, reject: wire::Reject) -> Error {
        let detail = reject.to_string();
        match reject {
            wire::Reject::Malformed { pointer, .. } => {
                Error::new(StatusCode::BAD_REQUEST, "not-a-cloudevent", detail).at(index, Some(pointer))
            }
            wire::Reject::Invalid { pointer, .. } => {
                Error::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail).at(index, Some(pointer))
            }
            wire::Reject::Secret { pointer } => {
                Error::new(StatusCode::UNPROCESSABLE_ENTITY, Error::SECRET, detail).at(index, Some(pointer.into()))
            }
            wire::Reject::TooLarge { .. } => {
                Error::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", detail).at(index, Some("/data".into()))
            }
        }
    }

    /// An append that was refused; `batch` tells whether places are counted.
    pub fn append(error: AppendError, batch: bool) -> Error {
        let place = |index: usize| batch.then_some(index);
        let detail = error.to_string();
        let unavailable = |code| Error::new(StatusCode::SERVICE_UNAVAILABLE, code, detail.clone());
        match error {
            AppendError::Refused { index, refusal, standing } => match refusal {
                Refusal::NoSuchJob(_) => {
                    Error::new(StatusCode::NOT_FOUND, "no-such-job", detail).at(place(index), None)
                }
                Refusal::Lifecycle(_) | Refusal::RuledOut { .. } => {
                    let error = Error::new(StatusCode::CONFLICT, "lifecycle", detail).at(place(index), None);
                    Error { standing: standing.map(Box::new), ..error }
                }
                Refusal::Full { pointer, .. } => Error::new(StatusCode::UNPROCESSABLE_ENTITY, "job-full", detail)
                    .at(place(index), Some(pointer.into())),
                Refusal::Invalid { pointer, .. } => Error::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail)
                    .at(place(index), Some(pointer.into())),
            },
            AppendError::IdReused { index, .. } => {
                Error::new(StatusCode::CONFLICT, "id-reused", detail).at(place(index), None)
            }
            AppendError::GuardFailed { found } => {
                Error { position: found, ..Error::new(StatusCode::PRECONDITION_FAILED, "precondition-failed", detail) }
            }
            AppendError::GuardOnMany => Error::bad_request(detail),
            AppendError::Unreadable { index } => unavailable("job-unreadable").at(place(index), None),
            AppendError::Overloaded => unavailable("overloaded"),
            AppendError::Behind => unavailable("views-behind"),
            AppendError::ReadOnly(_) => unavailable("read-only"),
            AppendError::Stopping => unavailable("stopping"),
            AppendError::OutcomeUnknown => unavailable("outcome-unknown"),
            AppendError::ErasurePending { .. } => unavailable("erasure-pending"),
        }
    }
}

impl From<ReadError> for Error {
    fn from(error: ReadError) -> Error {
        match error {
            ReadError::Beyond { .. } => Error::new(StatusCode::BAD_REQUEST, "beyond-head", error.to_string()),
            ReadError::NotReached { .. } => {
                Error::new(StatusCode::SERVICE_UNAVAILABLE, "not-reached", error.to_string())
            }
            ReadError::Busy => Error::new(StatusCode::SERVICE_UNAVAILABLE, Error::READS_BUSY, error.to_string()),
            ReadError::Unsettled => Error::new(StatusCode::SERVICE_UNAVAILABLE, "unsettled", error.to_string()),
            ReadError::Late { .. } => {
                tracing::warn!(error = &error as &dyn std::error::Error, "a read waited too long for the views");
                let detail = "the views are not there yet; try again, and see `/readyz`";
                Error::new(StatusCode::SERVICE_UNAVAILABLE, "views-behind", detail)
            }
            ReadError::Views(error) if error.is_damage() => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the views cannot be read");
                let detail = "the views are being made again; try again, and see `/readyz`";
                Error::new(StatusCode::SERVICE_UNAVAILABLE, "views-behind", detail)
            }
            ReadError::Views(cause) if cause.unfoldable().is_some() => {
                tracing::warn!(error = &cause as &dyn std::error::Error, "a job cannot be read");
                let detail =
                    "the job's history cannot be read; `/readyz` names the job, and the server's log the event";
                Error::new(StatusCode::SERVICE_UNAVAILABLE, "job-unreadable", detail)
            }
            ReadError::Log(_) | ReadError::Views(_) => Error::internal(&error),
        }
    }
}

impl From<log::Error> for Error {
    fn from(error: log::Error) -> Error {
        Error::internal(&error)
    }
}

impl From<AccessError> for Error {
    fn from(error: AccessError) -> Error {
        match error {
            AccessError::Locked { .. } => {
                tracing::warn!(error = &error as &dyn std::error::Error, "access.db is locked")
            }
            _ => tracing::error!(error = &error as &dyn std::error::Error, "access.db cannot be read or written"),
        }
        let detail = "tokens and sessions cannot be read or written just now; try again, and see the ledger's log";
        Error::new(StatusCode::SERVICE_UNAVAILABLE, "access-unavailable", detail)
    }
}

/// Carries the error to the middleware that renders it, which knows the path and so the body.
impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

/// A documented API's error body.
#[derive(Debug, Clone, Copy)]
pub struct ErrorStyle {
    /// Paths that it is for: the prefix itself and everything below it.
    pub prefix: &'static str,
    /// Its content type.
    pub content_type: &'static str,
    /// Its body.
    pub body: fn(&Error, &str) -> Vec<u8>,
    /// The name of the body's schema.
    pub schema: fn() -> Cow<'static, str>,
}

impl ErrorStyle {
    /// The style for `path`: one of `styles`, or else the ledger's own.
    pub fn of<'s>(styles: &'s [ErrorStyle], path: &str) -> &'s ErrorStyle {
        styles.iter().find(|style| style.serves(path)).unwrap_or(&PROBLEM)
    }

    fn serves(&self, path: &str) -> bool {
        path.strip_prefix(self.prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// RFC 9457 body of the ledger's own API.
#[derive(Debug, Serialize, ToSchema)]
pub struct Problem {
    /// URI of the kind of problem; repeats the code.
    #[serde(rename = "type")]
    #[schema(example = "urn:jobledger:problem:lifecycle")]
    problem_type: String,
    /// The status in words.
    title: String,
    /// The status.
    status: u16,
    /// What was expected, what was found, what to do next.
    detail: String,
    /// Stable, for programs.
    code: String,
    /// Which event of the batch, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<u64>,
    /// JSON pointer of the field, from the event's root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pointer: Option<String>,
    /// The job's state, where that does not allow the event.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<crate::model::StatusName>)]
    state: Option<&'static str>,
    /// The job's newest position, where a guard failed or the job's state does not allow the event.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0)]
    position: Option<u64>,
    /// Beside `state`: when the job ended; null while it is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Option<String>>,
}

fn problem(error: &Error, _path: &str) -> Vec<u8> {
    let problem = Problem {
        problem_type: format!("urn:jobledger:problem:{}", error.code),
        title: title(error.status).into(),
        status: error.status.as_u16(),
        detail: error.detail.clone(),
        code: error.code.into(),
        index: error.index.map(|index| index as u64),
        pointer: error.pointer.as_ref().map(ToString::to_string),
        state: error.standing.as_ref().map(|job| job.state.as_str()),
        position: error.position.or(error.standing.as_ref().map(|job| job.position)).map(Position::get),
        ended_at: error.standing.as_ref().map(|job| job.ended_at.map(|time| time.to_string())),
    };
    line(&problem)
}

/// The status in words.
pub fn title(status: StatusCode) -> &'static str {
    status.canonical_reason().unwrap_or("Error")
}

static PROBLEM: ErrorStyle = ErrorStyle {
    prefix: "",
    content_type: "application/problem+json",
    body: problem,
    schema: <Problem as ToSchema>::name,
};

/// Marks an answer of an error status whose body is to stay.
#[derive(Debug, Clone, Copy)]
pub struct AsItIs;

/// Middleware: gives every error the body that its path asks for, those of the framework too (an unknown path, a method
/// that a path does not have), and to that of a panic.
pub fn render<F: Future<Output = Response>>(
    styles: Arc<[ErrorStyle]>,
    request: Request,
    next: impl FnOnce(Request) -> F,
) -> impl Future<Output = Response> {
    let uri = request.uri().clone();
    let answer = caught(next(request));
    async move { rendered(&styles, &uri, answer.await) }
}

fn rendered(styles: &[ErrorStyle], uri: &Uri, response: Response) -> Response {
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    if !is_error || response.extensions().get::<AsItIs>().is_some() {
        return response;
    }
    let (path, (parts, _)) = (uri.path(), response.into_parts());
    let error = match parts.extensions.get::<Arc<Error>>() {
        Some(error) => error.clone(),
        None => Arc::new(by_framework(status)),
    };
    let style = ErrorStyle::of(styles, path);
    let mut answer = (status, (style.body)(&error, path)).into_response();
    keep(&parts.headers, answer.headers_mut());
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(style.content_type));
    match status {
        StatusCode::UNAUTHORIZED => drop(headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))),
        StatusCode::SERVICE_UNAVAILABLE => drop(headers.insert(RETRY_AFTER, HeaderValue::from_static("1"))),
        _ => {}
    }
    answer
}

/// Headers that say more than the body, such as `Allow` and `Connection`.
fn keep(from: &HeaderMap, to: &mut HeaderMap) {
    for (name, value) in from {
        if name != CONTENT_TYPE && name != CONTENT_LENGTH {
            to.insert(name.clone(), value.clone());
        }
    }
}

fn by_framework(status: StatusCode) -> Error {
    match status {
        StatusCode::NOT_FOUND => {
            Error::new(status, "not-found", "nothing is at this path; `/openapi.json` lists every route")
        }
        StatusCode::METHOD_NOT_ALLOWED => {
            Error::new(status, "method-not-allowed", "this path does not have that method; `Allow` says which it has")
        }
        _ => Error::new(status, "bad-request", title(status)),
    }
}
