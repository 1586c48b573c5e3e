//! The events of a job, as the fold takes them. [`crate::wire`] has their stored shapes and versions.

use super::event_type::EventType;
use super::id::{ItemId, JobId, Position};
use super::item::ItemStatus;
use super::run::Retry;
use super::spec::{Labels, RawJson, Spec, words};
use super::time::Time;

/// One event of a job, with its data. [`EventType`] has the row of each variant in the table of types.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The job exists. In a box, because it is twice as large as every other event, and one event in ten.
    Created(Box<Created>),
    /// A worker started the job.
    Started(Started),
    /// A worker reports how far the job is.
    Progress(Progress),
    /// An item has a result.
    ItemResult(ItemResult),
    /// The hook wrote output or ended.
    HookOutput(HookOutput),
    /// The job succeeded.
    Completed(Completed),
    /// The job failed.
    Failed(Failed),
    /// The job was cancelled.
    Cancelled(Cancelled),
    /// A remark; moves nothing.
    Noted(Noted),
    /// The data of one event was redacted; moves nothing.
    Redacted(Redacted),
    /// The ledger created a job that repeats this one; moves nothing.
    Retried(Retried),
}

impl Event {
    /// The event's row in the table of types.
    pub fn event_type(&self) -> EventType {
        match self {
            Event::Created(_) => EventType::Created,
            Event::Started(_) => EventType::Started,
            Event::Progress(_) => EventType::Progress,
            Event::ItemResult(_) => EventType::ItemResult,
            Event::HookOutput(_) => EventType::HookOutput,
            Event::Completed(_) => EventType::Completed,
            Event::Failed(_) => EventType::Failed,
            Event::Cancelled(_) => EventType::Cancelled,
            Event::Noted(_) => EventType::Noted,
            Event::Redacted(_) => EventType::Redacted,
            Event::Retried(_) => EventType::Retried,
        }
    }

    /// The counts that the event reports; all are absent if the event reports none.
    pub fn counts(&self) -> Counts {
        match self {
            Event::Started(e) => Counts { total: e.total_records, ..Counts::default() },
            Event::Progress(e) => e.counts,
            Event::Completed(e) => e.counts,
            _ => Counts::default(),
        }
    }
}

/// Data of `job.created`.
#[derive(Debug, Clone, PartialEq)]
pub struct Created {
    /// The job's spec.
    pub spec: Spec,
    /// The stored text of `spec`.
    pub spec_json: RawJson,
    /// The person or system that the job was created for; if absent, the actor.
    pub created_by: Option<String>,
    /// Up to 16 labels by which a list of jobs can be filtered.
    pub labels: Labels,
    /// No claim takes the job before this time.
    pub not_before: Option<Time>,
    /// How often the ledger repeats the job after a failure; `None` for never.
    pub retry: Option<Retry>,
}

/// Data of `job.started`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Started {
    /// Free text, up to 16 KiB.
    pub message: Option<String>,
    /// Number of records to process, 0 to 2^53.
    pub total_records: Option<u64>,
    /// The name of the worker, 1 to 128 bytes.
    pub worker: Option<String>,
    /// How long, in seconds, the worker's lease lasts after each report, 1 to 86,400; `None` for a job without a lease.
    pub lease_sec: Option<u32>,
    /// When the lease runs out if no report follows, as a claim said.
    pub lease_until: Option<Time>,
}

/// Record counts. Each is a total so far, 0 to 2^53, never an increment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Records processed.
    pub processed: Option<u64>,
    /// Records to process.
    pub total: Option<u64>,
    /// Records created.
    pub created: Option<u64>,
    /// Records updated.
    pub updated: Option<u64>,
    /// Records deleted.
    pub deleted: Option<u64>,
}

/// Data of `job.progress`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Progress {
    /// Percent, 0 to 100.
    pub percent: Option<u8>,
    /// Name of the step in progress, up to 16 KiB.
    pub current_step: Option<String>,
    /// Totals so far.
    pub counts: Counts,
    /// Free text, up to 16 KiB.
    pub message: Option<String>,
}

/// Data of `job.item_result`.
#[derive(Debug, Clone, PartialEq)]
pub struct ItemResult {
    /// The item that the result belongs to.
    pub item: ItemId,
    /// The result: running, completed or failed, never pending.
    pub status: ItemStatus,
    /// Free text, up to 16 KiB.
    pub message: Option<String>,
    /// More about the result, in a form that the job's kind fixes.
    pub detail: Option<Detail>,
}

/// What an item's result adds to its status and message. Only items of `dbrole` and `generic` jobs have a detail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Detail {
    /// Where the credentials of a database role are kept.
    Credentials(Credentials),
    /// A JSON object, on items of `generic` jobs only: the producer's text with secrets masked.
    Json(RawJson),
}

/// Where the credentials of a database role are kept. It names a secret and never holds one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The system that keeps the secret.
    pub provider: Provider,
    /// The secret's id in that system.
    pub secret_id: String,
    /// The names of the secret's keys.
    pub secret_keys: Vec<String>,
}

words! {
    /// The system that keeps the credentials of a database role.
    Provider, "secrets manager provider" {
        /// The product's own database.
        Database = "database",
        /// A vault.
        Vault = "vault",
    }
}

words! {
    /// The stream that the hook wrote to.
    Stream, "stream" {
        /// Standard output.
        Stdout = "stdout",
        /// Standard error.
        Stderr = "stderr",
    }
}

/// Data of `job.hook_output`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HookOutput {
    /// A chunk of output, up to 1 MiB.
    pub output: Option<String>,
    /// The stream that the hook wrote the chunk to.
    pub stream: Option<Stream>,
    /// How the hook ended; on its last event only.
    pub exit: Option<HookExit>,
}

/// How a hook ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HookExit {
    /// Unix exit code. A code other than 0 does not fail the job.
    pub code: i32,
    /// How long the hook ran, in whole seconds, 0 to 2^53.
    pub seconds: u64,
}

/// Data of `job.completed`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Completed {
    /// Free text, up to 16 KiB.
    pub message: Option<String>,
    /// Final totals.
    pub counts: Counts,
}

/// Data of `job.failed`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// Why the job failed, up to 16 KiB.
    pub message: String,
}

/// Data of `job.cancelled`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cancelled {
    /// Why the job was cancelled, up to 16 KiB.
    pub reason: Option<String>,
}

/// Data of `job.noted`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Noted {
    /// The remark, up to 16 KiB.
    pub text: String,
}

/// Data of `job.redacted`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redacted {
    /// Position of the event, in the same job, whose data is redacted.
    pub position: Position,
    /// Why the data is redacted. The reason itself can never be redacted.
    pub reason: String,
}

/// Data of `job.retried`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retried {
    /// The job that repeats this one.
    pub retried_as: JobId,
}
