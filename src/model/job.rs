//! A job as the ledger's own API shows it.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::job::{Credentials, Detail, Hook, Item, Job, Note, RawJson, Redaction, State, Summary};

/// Most notes, and most redactions, that a read of a job shows: the newest.
const SHOWN: usize = 100;

/// Bytes of a hook's output that a job shows at the most: 1 MiB.
pub const SHOWN_OUTPUT: usize = 1024 * 1024;

fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// A job without its parts: an entry of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct JobEntry {
    /// What it is and where it stands.
    #[serde(flatten)]
    head: JobHead,
    /// How far it is.
    #[serde(flatten)]
    reported: JobReported,
    /// Who cancelled it; null unless cancelled.
    cancelled: Option<CancelledModel>,
    /// Its revision: the position of its newest event.
    #[schema(minimum = 0)]
    position: u64,
}

/// Everything the ledger knows of a job.
#[derive(Debug, Serialize, ToSchema)]
pub struct JobModel {
    /// What it is and where it stands.
    #[serde(flatten)]
    head: JobHead,
    /// What it is to do, as it was stored.
    #[schema(value_type = Object)]
    spec: Box<RawValue>,
    /// How far it is.
    #[serde(flatten)]
    reported: JobReported,
    /// Its parts, in the order in which each was declared or first reported.
    items: Vec<ItemModel>,
    /// Its hook; null until that wrote something or ended.
    hook: Option<HookModel>,
    /// Who cancelled it; null unless cancelled.
    cancelled: Option<CancelledModel>,
    /// The newest 100 remarks, oldest first.
    notes: Vec<NoteModel>,
    /// How many older remarks are left out; absent where `notes` has all. `/ledger/jobs/{id}/events?type=job.noted` has them.
    #[serde(skip_serializing_if = "is_zero")]
    #[schema(required = false, minimum = 1)]
    notes_left_out: usize,
    /// The newest 100 erasures, oldest first; absent where nothing was erased.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    redactions: Vec<RedactionModel>,
    /// How many older erasures are left out; absent where `redactions` has all.
    /// `/ledger/jobs/{id}/events?type=job.redacted` has them.
    #[serde(skip_serializing_if = "is_zero")]
    #[schema(required = false, minimum = 1)]
    redactions_left_out: usize,
    /// Its revision: the position of its newest event.
    #[schema(minimum = 0)]
    position: u64,
}

/// What one event may change of a job, besides one of its parts.
#[derive(Debug, Serialize)]
pub(crate) struct JobCore {
    #[serde(flatten)]
    head: JobHead,
    #[serde(flatten)]
    reported: JobReported,
    hook: Option<HookModel>,
    cancelled: Option<CancelledModel>,
}

/// A job's hook alone.
#[derive(Debug, Serialize)]
pub(crate) struct JobHook {
    hook: Option<HookModel>,
}

/// What a job is and where it stands.
#[derive(Debug, Serialize, ToSchema)]
struct JobHead {
    /// Its id inside the organisation.
    id: String,
    /// The organisation.
    org_id: String,
    /// What sort of job it is: which documented API shows it, if any.
    #[schema(value_type = crate::model::KindName)]
    kind: &'static str,
    /// Where it stands.
    #[schema(value_type = crate::model::StatusName)]
    status: &'static str,
    /// When it was created.
    created_at: String,
    /// When it was started; null until then.
    started_at: Option<String>,
    /// When it ended; null until then.
    ended_at: Option<String>,
    /// Whom it was created for.
    created_by: String,
    /// For finding.
    labels: BTreeMap<String, String>,
}

/// What was reported of a job as a whole.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct JobReported {
    /// The newest message.
    message: Option<String>,
    /// Percent.
    #[schema(minimum = 0, maximum = 100)]
    progress: u8,
    /// The newest step.
    current_step: Option<String>,
    /// Totals so far; null until reported.
    #[schema(minimum = 0)]
    records_processed: Option<u64>,
    /// Records to process.
    #[schema(minimum = 0)]
    total_records: Option<u64>,
    /// Records created.
    #[schema(minimum = 0)]
    records_created: Option<u64>,
    /// Records updated.
    #[schema(minimum = 0)]
    records_updated: Option<u64>,
    /// Records deleted.
    #[schema(minimum = 0)]
    records_deleted: Option<u64>,
}

/// One part of a job.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ItemModel {
    /// Its id.
    item: String,
    /// Where it stands.
    #[schema(value_type = crate::model::ItemStatusName)]
    status: &'static str,
    /// The newest result's message.
    message: Option<String>,
    /// The newest result's detail.
    #[schema(value_type = Option<ItemDetail>)]
    detail: Option<DetailModel>,
    /// When the newest result happened; null while nothing was reported.
    at: Option<String>,
}

/// What a result says beyond its status.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum DetailModel {
    /// Of a database role.
    Role {
        /// Where the credentials lie.
        credentials_info: CredentialsModel,
    },
    /// Of an item of a generic job, as it was stored.
    Generic(Box<RawValue>),
}

/// What a result says beyond its status: of a database role `credentials_info`, of an item of a generic job any members.
#[derive(Serialize, ToSchema)]
#[allow(dead_code, reason = "describes `DetailModel`, of which a client cannot tell the forms apart")]
struct ItemDetail {
    /// Where the credentials of a database role lie.
    #[schema(required = false, nullable = false)]
    credentials_info: Option<CredentialsModel>,
    /// What the producer says of an item of a generic job.
    #[serde(flatten)]
    members: BTreeMap<String, serde_json::Value>,
}

/// Where credentials lie.
#[derive(Debug, Serialize, ToSchema)]
struct CredentialsModel {
    /// Who keeps them.
    #[schema(value_type = crate::model::ProviderName)]
    secrets_manager_provider: &'static str,
    /// The secret's id.
    secret_id: String,
    /// The names of its keys.
    secret_keys: Vec<String>,
}

/// A hook.
#[derive(Debug, Serialize, ToSchema)]
struct HookModel {
    /// What it wrote, up to 1 MiB; all of it is at `/ledger/jobs/{id}/output`.
    output: String,
    /// Its exit code; null until it ended.
    exit_code: Option<i32>,
    /// Whole seconds; null until it ended.
    #[schema(minimum = 0)]
    execution_time_sec: Option<u64>,
}

/// A cancellation.
#[derive(Debug, Serialize, ToSchema)]
struct CancelledModel {
    /// Who did it.
    by: String,
    /// Why.
    reason: Option<String>,
    /// When.
    at: String,
}

/// A remark.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NoteModel {
    /// What was said.
    text: String,
    /// Who said it.
    by: String,
    /// When.
    at: String,
}

/// An erasure: the event at `position` reads `[redacted]` wherever it had text.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RedactionModel {
    /// The event whose data was erased.
    #[schema(minimum = 0)]
    position: u64,
    /// Why.
    reason: String,
    /// Who erased it.
    by: String,
    /// When.
    at: String,
}

impl From<&Summary> for JobHead {
    fn from(job: &Summary) -> JobHead {
        JobHead {
            id: job.key.id.to_string(),
            org_id: job.key.org.to_string(),
            kind: job.kind.as_str(),
            status: job.state.status().as_str(),
            created_at: job.created_at.to_string(),
            started_at: job.state.started_at().map(|time| time.to_string()),
            ended_at: job.state.ended_at().map(|time| time.to_string()),
            created_by: job.created_by.clone(),
            labels: job.labels.clone(),
        }
    }
}

impl From<&Summary> for JobReported {
    fn from(job: &Summary) -> JobReported {
        let counts = job.tally.counts;
        JobReported {
            message: job.message.clone(),
            progress: job.percent(),
            current_step: job.current_step.clone(),
            records_processed: counts.processed,
            total_records: counts.total,
            records_created: counts.created,
            records_updated: counts.updated,
            records_deleted: counts.deleted,
        }
    }
}

impl From<&Summary> for JobEntry {
    fn from(job: &Summary) -> JobEntry {
        JobEntry {
            head: job.into(),
            reported: job.into(),
            cancelled: cancelled(&job.state),
            position: job.position.get(),
        }
    }
}

impl JobModel {
    /// The model of `job`, whose hook wrote `output`, as a read answers it: with the newest 100 notes and redactions.
    pub fn shown(job: &Job, output: String) -> JobModel {
        JobModel::with(job, output, SHOWN)
    }

    /// The model with every note and redaction, for what compares two states of a job.
    pub fn whole(job: &Job, output: String) -> JobModel {
        JobModel::with(job, output, usize::MAX)
    }

    fn with(job: &Job, output: String, most: usize) -> JobModel {
        let notes_left_out = job.notes.len().saturating_sub(most);
        let redactions_left_out = job.redactions.len().saturating_sub(most);
        JobModel {
            head: JobHead::from(&job.summary),
            spec: raw(&job.spec_json),
            reported: JobReported::from(&job.summary),
            items: job.items.as_slice().iter().map(ItemModel::from).collect(),
            hook: job.hook.as_ref().map(|hook| HookModel::new(hook, output)),
            cancelled: cancelled(&job.state),
            notes: job.notes[notes_left_out..].iter().map(NoteModel::from).collect(),
            notes_left_out,
            redactions: job.redactions[redactions_left_out..].iter().map(RedactionModel::from).collect(),
            redactions_left_out,
            position: job.position.get(),
        }
    }
}

impl JobHook {
    /// That of `job`, which wrote `output`.
    pub(crate) fn new(job: &Summary, output: String) -> JobHook {
        JobHook { hook: job.hook.as_ref().map(|hook| HookModel::new(hook, output)) }
    }
}

impl JobCore {
    /// That of `job`, whose hook wrote `output`.
    pub(crate) fn new(job: &Summary, output: String) -> JobCore {
        JobCore {
            head: job.into(),
            reported: job.into(),
            hook: job.hook.as_ref().map(|hook| HookModel::new(hook, output)),
            cancelled: cancelled(&job.state),
        }
    }
}

/// A value as it was stored, verbatim.
pub fn raw(json: &RawJson) -> Box<RawValue> {
    RawValue::from_string(json.0.to_string()).expect("stored after it was read as JSON")
}

fn cancelled(state: &State) -> Option<CancelledModel> {
    match state {
        State::Cancelled { by, reason, ended_at, .. } => {
            Some(CancelledModel { by: by.clone(), reason: reason.clone(), at: ended_at.to_string() })
        }
        _ => None,
    }
}

impl HookModel {
    fn new(hook: &Hook, output: String) -> HookModel {
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
