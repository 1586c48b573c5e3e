//! The errors of the layers below as answers: which code each has, and where in the request it points.

use std::error::Error as StdError;

use crate::access::AccessError;
use crate::http::observe::in_request;
use crate::job::Refusal;
use crate::ledger::{AppendError, ProveError, ReadError};
use crate::webhooks::WebhookError;
use crate::{log, wire};

use super::{Code, Error};

impl Error {
    /// An event that cannot be read or is wrong in itself; `index` in a batch.
    pub fn rejected(index: Option<usize>, reject: wire::Reject) -> Error {
        let detail = reject.to_string();
        let (code, pointer) = match reject {
            wire::Reject::Malformed { pointer, .. } => (Code::NOT_A_CLOUDEVENT, pointer),
            wire::Reject::Invalid { pointer, .. } => (Code::INVALID, pointer),
            wire::Reject::Secret { pointer } => (Code::SECRET, pointer.into()),
            wire::Reject::TooLarge { .. } => (Code::TOO_LARGE, "/data".into()),
        };
        Error::new(code, detail).at(index, Some(pointer))
    }

    /// An append that was refused or failed. The index of an event is told only for a `batch`.
    pub fn append(error: AppendError, batch: bool) -> Error {
        let answer = Error::new(append_code(&error), error.to_string());
        match error {
            AppendError::Refused { index, refusal, standing } => {
                let pointer = match refusal {
                    Refusal::Full { pointer, .. } | Refusal::Invalid { pointer, .. } => Some(pointer.into()),
                    Refusal::NoSuchJob(_)
                    | Refusal::Lifecycle(_)
                    | Refusal::RuledOut { .. }
                    | Refusal::LeaseLost { .. } => None,
                };
                let tells = [Code::LIFECYCLE, Code::LEASE_LOST].contains(&answer.code);
                let standing = standing.filter(|_| tells).map(Box::new);
                Error { standing, ..answer.at(batch.then_some(index), pointer) }
            }
            AppendError::IdReused { index, .. } | AppendError::Unreadable { index } => {
                answer.at(batch.then_some(index), None)
            }
            AppendError::GuardFailed { found } => Error { position: found, ..answer },
            _ => answer,
        }
    }
}

fn append_code(error: &AppendError) -> Code {
    match error {
        AppendError::Refused { refusal, .. } => match refusal {
            Refusal::NoSuchJob(_) => Code::NO_SUCH_JOB,
            Refusal::Lifecycle(_) | Refusal::RuledOut { .. } => Code::LIFECYCLE,
            Refusal::LeaseLost { .. } => Code::LEASE_LOST,
            Refusal::Full { .. } => Code::JOB_FULL,
            Refusal::Invalid { .. } => Code::INVALID,
        },
        AppendError::IdReused { .. } => Code::ID_REUSED,
        AppendError::GuardFailed { .. } => Code::PRECONDITION_FAILED,
        AppendError::GuardOnMany => Code::BAD_REQUEST,
        AppendError::Unreadable { .. } => Code::JOB_UNREADABLE,
        AppendError::Overloaded => Code::OVERLOADED,
        AppendError::Behind => Code::VIEWS_BEHIND,
        AppendError::ReadOnly(_) => Code::READ_ONLY,
        AppendError::NotLeading | AppendError::EarlierOpen => Code::NO_LEADER,
        AppendError::Stopping => Code::STOPPING,
        AppendError::OutcomeUnknown => Code::OUTCOME_UNKNOWN,
        AppendError::RedactionPending { .. } => Code::ERASURE_PENDING,
    }
}

impl From<ReadError> for Error {
    fn from(error: ReadError) -> Error {
        let told = |code| Error::new(code, error.to_string());
        match &error {
            ReadError::Beyond { .. } => told(Code::BEYOND_HEAD),
            ReadError::NotReached { .. } => told(Code::NOT_REACHED),
            ReadError::Busy => told(Code::READS_BUSY),
            ReadError::Unsettled => told(Code::UNSETTLED),
            ReadError::Late { .. } => {
                let error = &error as &dyn StdError;
                in_request(|| tracing::warn!(error, "a read waited too long for the views"));
                Error::new(Code::VIEWS_BEHIND, "the views are behind; try again, and see `/readyz`")
            }
            ReadError::Views(cause) if cause.is_damage() => {
                in_request(|| tracing::warn!(error = cause as &dyn StdError, "the views cannot be read"));
                Error::new(Code::VIEWS_BEHIND, "the views are being rebuilt; try again, and see `/readyz`")
            }
            ReadError::Views(cause) if cause.unfoldable().is_some() => {
                in_request(|| tracing::warn!(error = cause as &dyn StdError, "a job cannot be read"));
                let detail =
                    "the job's history cannot be read; `/readyz` names the job, and the server's log the event";
                Error::new(Code::JOB_UNREADABLE, detail)
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

impl From<ProveError> for Error {
    fn from(error: ProveError) -> Error {
        Error::internal(&error)
    }
}

impl From<AccessError> for Error {
    fn from(error: AccessError) -> Error {
        let cause = &error as &dyn StdError;
        in_request(|| match error {
            AccessError::Locked { .. } => tracing::warn!(error = cause, "access.db is locked"),
            _ => tracing::error!(error = cause, "access.db cannot be read or written"),
        });
        let detail = "the server cannot read or write tokens and sessions now; try again, and see the server's log";
        Error::new(Code::ACCESS_UNAVAILABLE, detail)
    }
}

impl From<WebhookError> for Error {
    fn from(error: WebhookError) -> Error {
        let code = match error {
            WebhookError::Unknown(_) => Code::NO_SUCH_WEBHOOK,
            WebhookError::TooMany => Code::TOO_MANY_WEBHOOKS,
            WebhookError::BeyondHead { .. } => Code::BEYOND_HEAD,
            WebhookError::NotShared => Code::OUTCOME_UNKNOWN,
            _ => {
                let error = &error as &dyn StdError;
                in_request(|| tracing::warn!(error, "webhooks.db cannot be read or written"));
                let detail = "the server cannot read or write webhooks now; try again, and see the server's log";
                return Error::new(Code::WEBHOOKS_UNAVAILABLE, detail);
            }
        };
        Error::new(code, error.to_string())
    }
}
