//! Errors as answers: a code with its status, a text for people, and where in the request the fault lies.
//!
//! Not here: the error bodies of the documented APIs (`kinds`), and the errors of the layers below themselves.

mod code;
mod layers;
mod style;

pub use code::Code;
pub use style::{ErrorStyle, KeepBody, Problem, render, title};

use std::borrow::Cow;
use std::fmt::Display;
use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::access::SourceRefusal;
use crate::http::observe::in_request;
use crate::job::Position;
use crate::ledger::Standing;

/// An answer that is an error.
#[derive(Debug, Clone)]
pub struct Error {
    /// The code and the status.
    pub code: Code,
    /// For people: what was expected, what was found, what to do next.
    pub detail: String,
    /// The place of the event in its batch, from 0.
    pub index: Option<usize>,
    /// JSON pointer of the field, from the event's root.
    pub pointer: Option<Cow<'static, str>>,
    /// The job's newest position, where a precondition failed.
    pub position: Option<Position>,
    /// State, position and end of the job, where its state does not allow the event.
    pub standing: Option<Box<Standing>>,
}

impl Error {
    /// An error about the request as a whole.
    pub fn new(code: Code, detail: impl Into<String>) -> Error {
        Error { code, detail: detail.into(), index: None, pointer: None, position: None, standing: None }
    }

    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        self.code.status
    }

    /// 400 for the query parameter `name`.
    pub fn parameter(name: &str, detail: impl Display) -> Error {
        Error::new(Code::BAD_PARAMETER, format!("parameter `{}`: {detail}", shortened(name)))
    }

    /// 400 for a live read of the past.
    pub fn live_as_of() -> Error {
        Error::parameter("as_of", "expected none on a live read, which begins with the job as it is now")
    }

    /// 400 for the request as a whole.
    pub fn bad_request(detail: impl Into<String>) -> Error {
        Error::new(Code::BAD_REQUEST, detail)
    }

    /// 422 for the member at `pointer` of the body.
    pub fn invalid(pointer: impl Into<Cow<'static, str>>, detail: impl Display) -> Error {
        Error::new(Code::INVALID, detail.to_string()).at(None, Some(pointer.into()))
    }

    /// 401: the request has no token or session that is valid.
    pub fn unauthorized() -> Error {
        let detail = "expected `Authorization: Bearer jl_…` with a token that is neither revoked nor expired; \
                      `jobledger token create` makes one";
        Error::new(Code::UNAUTHORIZED, detail)
    }

    /// 403: the caller's role does not allow the request.
    pub fn forbidden(detail: impl Into<String>) -> Error {
        Error::new(Code::FORBIDDEN, detail)
    }

    /// 403 for an event whose source the token may not use; `index` in a batch.
    pub fn source(index: Option<usize>, refusal: SourceRefusal) -> Error {
        let (code, detail) = match refusal {
            SourceRefusal::NotYours => {
                (Code::SOURCE_NOT_YOURS, "the token is bound to other sources; `jobledger token list` shows them")
            }
            SourceRefusal::Owned => {
                (Code::SOURCE_OWNED, "the source belongs to another token; use that token, or another source")
            }
        };
        Error::new(code, detail).at(index, Some("/source".into()))
    }

    /// 404 for a job. A job of another organisation gets the same answer, so that it reveals nothing.
    pub fn no_such_job() -> Error {
        Error::new(Code::NO_SUCH_JOB, "no such job")
    }

    /// 503: no node of the cluster takes writes now.
    pub fn no_leader() -> Error {
        Error::new(Code::NO_LEADER, "no node of the cluster leads now, so this request recorded nothing; try again")
    }

    /// 406.
    pub fn not_acceptable(offered: &str) -> Error {
        Error::new(Code::NOT_ACCEPTABLE, format!("expected `Accept` to allow {offered}"))
    }

    /// 500. The cause goes to the log alone.
    pub fn internal(error: &(dyn std::error::Error + 'static)) -> Error {
        in_request(|| tracing::error!(error, "a request failed"));
        Error::in_the_log()
    }

    /// 500 for a handler that panicked with `message`, which goes to the log alone.
    pub fn panicked(message: &str) -> Error {
        in_request(|| tracing::error!(panic = message, "a request failed"));
        Error::in_the_log()
    }

    fn in_the_log() -> Error {
        let detail =
            "the ledger failed to answer this request; its log has the cause, under this answer's `x-request-id`";
        Error::new(Code::INTERNAL, detail)
    }

    fn at(mut self, index: Option<usize>, pointer: Option<Cow<'static, str>>) -> Error {
        self.index = index;
        self.pointer = pointer.filter(|pointer| !pointer.is_empty());
        self
    }
}

/// The first 64 characters of a text from a request: an error repeats no more.
pub fn shortened(text: &str) -> String {
    text.chars().take(64).collect()
}

/// Carries the error to the middleware that renders it, which knows the path and so the form of the body.
impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}
