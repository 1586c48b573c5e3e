//! The parts of a job's model: items, hook, cancellation, notes, redactions.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::words::{ItemStatusName, ProviderName};
use crate::job::{Credentials, Detail, Hook, Item, Note, RawJson, Redaction, State};

/// An item of a job: a database role, a rule action, or a part of a generic job.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ItemModel {
    /// The item's id.
    item: String,
    /// The item's status.
    #[schema(value_type = ItemStatusName)]
    status: &'static str,
    /// The message of the newest result.
    message: Option<String>,
    /// The detail of the newest result.
    #[schema(value_type = Option<ItemDetail>)]
    detail: Option<DetailModel>,
    /// The time of the newest result; null until the first result.
    at: Option<String>,
}

/// The detail of a result.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum DetailModel {
    /// The detail of a database role.
    Role {
        /// Where the credentials are stored.
        credentials_info: CredentialsModel,
    },
    /// The detail of an item of a generic job, verbatim.
    Generic(Box<RawValue>),
}

/// The detail of a result: `credentials_info` for a database role, any members for an item of a generic job.
#[derive(Serialize, ToSchema)]
#[allow(dead_code, reason = "describes both forms of `DetailModel`, which clients cannot tell apart")]
struct ItemDetail {
    /// Where the credentials of a database role are stored.
    #[schema(required = false, nullable = false)]
    credentials_info: Option<CredentialsModel>,
    /// The producer's members for an item of a generic job.
    #[serde(flatten)]
    members: BTreeMap<String, serde_json::Value>,
}

/// Where credentials are stored.
#[derive(Debug, Serialize, ToSchema)]
struct CredentialsModel {
    /// The secrets manager.
    #[schema(value_type = ProviderName)]
    secrets_manager_provider: &'static str,
    /// The id of the secret.
    secret_id: String,
    /// The names of the secret's keys.
    secret_keys: Vec<String>,
}

/// The hook of a job.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HookModel {
    /// The first 1 MiB of the output. `/ledger/jobs/{id}/output` has the whole output.
    output: String,
    /// The exit code; null until the hook has ended.
    exit_code: Option<i32>,
    /// The execution time in whole seconds; null until the hook has ended.
    #[schema(minimum = 0)]
    execution_time_sec: Option<u64>,
}

/// A cancellation.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CancelledModel {
    /// The actor who cancelled the job.
    by: String,
    /// The reason that the actor gave; null without one.
    reason: Option<String>,
    /// The time of the cancellation.
    at: String,
}

/// A note on a job.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NoteModel {
    /// The text of the note.
    text: String,
    /// The actor who wrote the note.
    by: String,
    /// The time of the note.
    at: String,
}

/// A redaction: the event at `position` shows `[redacted]` in place of its texts.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RedactionModel {
    /// The position of the redacted event.
    #[schema(minimum = 0)]
    position: u64,
    /// The reason for the redaction.
    reason: String,
    /// The actor who redacted the event.
    by: String,
    /// The time of the redaction.
    at: String,
}

/// A stored JSON value, verbatim.
pub fn raw(json: &RawJson) -> Box<RawValue> {
    RawValue::from_string(json.0.to_string()).expect("the ledger stores only texts that it has parsed as JSON")
}

impl CancelledModel {
    /// The cancellation of a job in `state`.
    pub(crate) fn of(state: &State) -> Option<CancelledModel> {
        match state {
            State::Cancelled { by, reason, ended_at, .. } => {
                Some(CancelledModel { by: by.clone(), reason: reason.clone(), at: ended_at.to_string() })
            }
            _ => None,
        }
    }
}

impl HookModel {
    /// The model of `hook`, which wrote `output`.
    pub(crate) fn new(hook: &Hook, output: String) -> HookModel {
        HookModel {
            output,
            exit_code: hook.exit.map(|exit| exit.code),
            execution_time_sec: hook.exit.map(|exit| exit.seconds),
        }
    }
}

impl From<&Item> for ItemModel {
    fn from(item: &Item) -> ItemModel {
        ItemModel {
            item: item.id.to_string(),
            status: item.status.as_str(),
            message: item.message.clone(),
            detail: item.detail.as_ref().map(DetailModel::from),
            at: item.at.map(|time| time.to_string()),
        }
    }
}

impl From<&Note> for NoteModel {
    fn from(note: &Note) -> NoteModel {
        NoteModel { text: note.text.clone(), by: note.by.clone(), at: note.at.to_string() }
    }
}

impl From<&Redaction> for RedactionModel {
    fn from(redaction: &Redaction) -> RedactionModel {
        RedactionModel {
            position: redaction.position.get(),
            reason: redaction.reason.clone(),
            by: redaction.by.clone(),
            at: redaction.at.to_string(),
        }
    }
}

impl From<&Detail> for DetailModel {
    fn from(detail: &Detail) -> DetailModel {
        match detail {
            Detail::Json(json) => DetailModel::Generic(raw(json)),
            Detail::Credentials(info) => DetailModel::Role { credentials_info: info.into() },
        }
    }
}

impl From<&Credentials> for CredentialsModel {
    fn from(info: &Credentials) -> CredentialsModel {
        CredentialsModel {
            secrets_manager_provider: info.provider.as_str(),
            secret_id: info.secret_id.clone(),
            secret_keys: info.secret_keys.clone(),
        }
    }
}
