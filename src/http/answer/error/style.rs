//! The body of an error. Its form follows the prefix of the path, because each documented API has its own; the ledger's own
//! routes answer RFC 9457 problems.

use std::borrow::Cow;
use std::sync::Arc;

use axum::extract::Request;
use axum::http::header::{ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Code, Error};
use crate::http::answer::caught;
use crate::job::Position;
use crate::model::line;

/// The form of the errors under one prefix of paths.
#[derive(Debug, Clone, Copy)]
pub struct ErrorStyle {
    /// The prefix. It stands for itself and every path below it.
    pub prefix: &'static str,
    /// The content type of the body.
    pub content_type: &'static str,
    /// Writes the body for an error and the path of its request.
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
    /// The job's state, where the state does not allow the event.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<crate::model::StatusName>)]
    state: Option<&'static str>,
    /// The job's newest position, where a precondition failed or the job's state does not allow the event.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0)]
    position: Option<u64>,
    /// Beside `state`: when the job ended; null while the job is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Option<String>>,
}

fn problem(error: &Error, _path: &str) -> Vec<u8> {
    let problem = Problem {
        problem_type: format!("urn:jobledger:problem:{}", error.code.name),
        title: title(error.status()).into(),
        status: error.status().as_u16(),
        detail: error.detail.clone(),
        code: error.code.name.into(),
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

/// An extension of a response: the middleware of this module keeps its body although the status is that of an error.
#[derive(Debug, Clone, Copy)]
pub struct KeepBody;

/// Middleware: gives every error the body that its path asks for. That includes panics, and errors of axum itself: an unknown
/// path, and a method that a path does not have.
pub fn render<F: Future<Output = Response>>(
    styles: Arc<[ErrorStyle]>,
    request: Request,
    next: impl FnOnce(Request) -> F,
) -> impl Future<Output = Response> {
    let uri = request.uri().clone();
    caught(next(request)).map(move |answer| rendered(&styles, &uri, answer))
}

fn rendered(styles: &[ErrorStyle], uri: &Uri, response: Response) -> Response {
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    if !is_error || response.extensions().get::<KeepBody>().is_some() {
        return response;
    }
    let (path, (parts, _)) = (uri.path(), response.into_parts());
    let error = match parts.extensions.get::<Arc<Error>>() {
        Some(error) => error.clone(),
        None => Arc::new(error_of_axum(status)),
    };
    let style = ErrorStyle::of(styles, path);
    let mut answer = (status, (style.body)(&error, path)).into_response();
    copy_headers(&parts.headers, answer.headers_mut());
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(style.content_type));
    let more = match status {
        StatusCode::UNAUTHORIZED => Some((WWW_AUTHENTICATE, "Bearer")),
        StatusCode::SERVICE_UNAVAILABLE => Some((RETRY_AFTER, "1")),
        _ if error.code == Code::UNSUPPORTED_ENCODING => Some((ACCEPT_ENCODING, "gzip, zstd")),
        _ => None,
    };
    if let Some((name, value)) = more {
        headers.insert(name, HeaderValue::from_static(value));
    }
    answer
}

/// Copies the headers that do not describe the body, such as `Allow` and `Connection`.
fn copy_headers(from: &HeaderMap, to: &mut HeaderMap) {
    for (name, value) in from {
        if name != CONTENT_TYPE && name != CONTENT_LENGTH {
            to.insert(name.clone(), value.clone());
        }
    }
}

fn error_of_axum(status: StatusCode) -> Error {
    match status {
        StatusCode::NOT_FOUND => {
            Error::new(Code::NOT_FOUND, "nothing is at this path; `/openapi.json` lists every route")
        }
        StatusCode::METHOD_NOT_ALLOWED => {
            Error::new(Code::METHOD_NOT_ALLOWED, "this path does not have that method; `Allow` names those that it has")
        }
        _ => Error::new(Code { status, ..Code::BAD_REQUEST }, title(status)),
    }
}
