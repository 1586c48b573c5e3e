//! The model of a job in the ledger's own API.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::parts::{CancelledModel, HookModel, ItemModel, NoteModel, RedactionModel, raw};
use super::words::{KindName, StatusName};
use crate::job::{Job, Summary};

/// Most notes and most redactions in an answer: the newest 100 of each.
pub const SHOWN_PARTS: usize = 100;

/// Most bytes of a hook's output in an answer, 1 MiB.
pub const SHOWN_OUTPUT: usize = 1024 * 1024;

fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// A job in a list, without its parts.
#[derive(Debug, Serialize, ToSchema)]
pub struct JobEntry {
    /// The job's identity and state.
    #[serde(flatten)]
    head: JobHead,
    /// The job's newest report.
    #[serde(flatten)]
    reported: JobReported,
    /// The cancellation; null unless the job was cancelled.
    cancelled: Option<CancelledModel>,
    /// When the ledger recorded the job's newest event.
    last_event_at: String,
    /// The job's revision: the position of its newest event.
    #[schema(minimum = 0)]
    position: u64,
}

/// A job with all its parts.
#[derive(Debug, Serialize, ToSchema)]
pub struct JobModel {
    /// The job's identity and state.
    #[serde(flatten)]
    head: JobHead,
    /// The job's spec, verbatim.
    #[schema(value_type = Object)]
    spec: Box<RawValue>,
    /// The job's newest report.
    #[serde(flatten)]
    reported: JobReported,
    /// The items, in the order in which each was declared or first reported.
    items: Vec<ItemModel>,
    /// The hook; null until it has written output or ended.
    hook: Option<HookModel>,
    /// The cancellation; null unless the job was cancelled.
    cancelled: Option<CancelledModel>,
    /// The newest 100 notes, oldest first.
    notes: Vec<NoteModel>,
    /// The number of older notes that `notes` leaves out; absent if 0. `/ledger/jobs/{id}/events?type=job.noted` has them.
    #[serde(skip_serializing_if = "is_zero")]
    #[schema(required = false, minimum = 1)]
    notes_left_out: usize,
    /// The newest 100 redactions, oldest first; absent if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    redactions: Vec<RedactionModel>,
    /// The number of older redactions that `redactions` leaves out; absent if 0.
    /// `/ledger/jobs/{id}/events?type=job.redacted` has them.
    #[serde(skip_serializing_if = "is_zero")]
    #[schema(required = false, minimum = 1)]
    redactions_left_out: usize,
    /// When the ledger recorded the job's newest event.
    last_event_at: String,
    /// The job's revision: the position of its newest event.
    #[schema(minimum = 0)]
    position: u64,
}

/// The members of [`JobModel`] that an event may change, without items, notes and redactions.
#[derive(Debug, Serialize)]
pub(crate) struct JobCore {
    #[serde(flatten)]
    head: JobHead,
    #[serde(flatten)]
    reported: JobReported,
    hook: Option<HookModel>,
    cancelled: Option<CancelledModel>,
}

/// The member `hook` of [`JobModel`] alone.
#[derive(Debug, Serialize)]
pub(crate) struct JobHook {
    hook: Option<HookModel>,
}

/// A job's identity and state.
#[derive(Debug, Serialize, ToSchema)]
struct JobHead {
    /// The job's id, unique in the organisation.
    id: String,
    /// The job's organisation.
    org_id: String,
    /// The job's kind. It says which documented API shows the job.
    #[schema(value_type = KindName)]
    kind: &'static str,
    /// The job's state.
    #[schema(value_type = StatusName)]
    status: &'static str,
    /// The time of creation.
    created_at: String,
    /// The time of the start; null until then.
    started_at: Option<String>,
    /// The time of the end; null until then.
    ended_at: Option<String>,
    /// The person or service that the job was created for.
    created_by: String,
    /// Labels, by which lists find the job.
    labels: BTreeMap<String, String>,
    /// No claim takes the job before this time; absent if none was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_before: Option<String>,
    /// How often the ledger repeats the job after a failure; absent for never.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry: Option<RetryModel>,
    /// The job that this one repeats; absent if it repeats none.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_of: Option<String>,
    /// The job that repeats this one; absent if none does.
    #[serde(skip_serializing_if = "Option::is_none")]
    retried_as: Option<String>,
    /// The worker's name; absent if `job.started` named none.
    #[serde(skip_serializing_if = "Option::is_none")]
    worker: Option<String>,
    /// Present, and true, if the ledger ended the job because no report of the worker came.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    worker_lost: bool,
    /// How long the worker's lease lasts after each report, in seconds; absent for a job without a lease.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    lease_sec: Option<u32>,
}

/// How often the ledger repeats a job after a failure.
#[derive(Debug, Serialize, ToSchema)]
struct RetryModel {
    /// The retries that are left.
    #[schema(minimum = 1, maximum = 100)]
    max: u32,
    /// The pause before the next retry, in seconds. Each further pause is twice as long, up to a day.
    #[schema(minimum = 0, maximum = 86400)]
    backoff_sec: u32,
}

/// The newest report on a job as a whole.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct JobReported {
    /// The newest message.
    message: Option<String>,
    /// Progress in percent.
    #[schema(minimum = 0, maximum = 100)]
    progress: u8,
    /// The newest `current_step`.
    current_step: Option<String>,
    /// Records processed so far; null until reported. The other counts are totals so far too.
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

impl From<&Summary> for JobHead {
    fn from(job: &Summary) -> JobHead {
        let worker = job.worker.as_ref();
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
            not_before: job.not_before.map(|time| time.to_string()),
            retry: job.retry.map(|retry| RetryModel { max: retry.max, backoff_sec: retry.backoff_sec }),
            retry_of: job.retry_of().map(str::to_owned),
            retried_as: job.retried_as.as_ref().map(|id| id.to_string()),
            worker: worker.map(|worker| worker.name.clone()),
            worker_lost: worker.is_some_and(|worker| worker.lost),
            lease_sec: worker.and_then(|worker| worker.lease).map(|lease| lease.seconds),
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
            cancelled: CancelledModel::of(&job.state),
            last_event_at: job.recorded_at.with_micros(),
            position: job.position.get(),
        }
    }
}

impl JobModel {
    /// The model of `job` for an answer, with the newest 100 notes and redactions. `output` is the hook's output.
    pub fn shown(job: &Job, output: String) -> JobModel {
        JobModel::with(job, output, SHOWN_PARTS)
    }

    /// The model of `job` for a comparison, with all notes and redactions.
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
            cancelled: CancelledModel::of(&job.state),
            notes: job.notes[notes_left_out..].iter().map(NoteModel::from).collect(),
            notes_left_out,
            redactions: job.redactions[redactions_left_out..].iter().map(RedactionModel::from).collect(),
            redactions_left_out,
            last_event_at: job.recorded_at.with_micros(),
            position: job.position.get(),
        }
    }
}

impl JobHook {
    /// The hook of `job`; `output` is its output.
    pub(crate) fn new(job: &Summary, output: String) -> JobHook {
        JobHook { hook: job.hook.as_ref().map(|hook| HookModel::new(hook, output)) }
    }
}

impl JobCore {
    /// The core of `job`; `output` is the hook's output.
    pub(crate) fn new(job: &Summary, output: String) -> JobCore {
        JobCore {
            head: job.into(),
            reported: job.into(),
            hook: job.hook.as_ref().map(|hook| HookModel::new(hook, output)),
            cancelled: CancelledModel::of(&job.state),
        }
    }
}
