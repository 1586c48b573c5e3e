//! What can happen to a job, in today's terms. Stored shapes and their versions are in [`crate::wire`].

use super::id::{ItemId, Position};
use super::item::ItemStatus;
use super::spec::{Labels, RawJson, Spec, words};

/// One thing that happened to a job.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The job exists.
    Created(Created),
    /// A worker took it.
    Started(Started),
    /// How far it is.
    Progress(Progress),
    /// A part of it has a result.
    ItemResult(ItemResult),
    /// The hook wrote something, or ended.
    HookOutput(HookOutput),
    /// It ended well.
    Completed(Completed),
    /// It ended badly.
    Failed(Failed),
    /// Somebody stopped it.
    Cancelled(Cancelled),
    /// A remark; moves nothing.
    Noted(Noted),
    /// The data of one of its events was erased; moves nothing.
    Redacted(Redacted),
}

impl Event {
    /// The types of which a job's history is.
    pub const TYPES: [&'static str; 10] = [
        "job.created",
        "job.started",
        "job.progress",
        "job.item_result",
        "job.hook_output",
        "job.completed",
        "job.failed",
        "job.cancelled",
        "job.noted",
        Event::REDACTED,
    ];
    /// The type of an erasure.
    pub const REDACTED: &'static str = "job.redacted";
    /// The types that end a job.
    pub const FINAL: [&'static str; 3] = ["job.completed", "job.failed", "job.cancelled"];
    /// The types that may come after the end.
    pub const AFTERWARDS: [&'static str; 2] = ["job.noted", Event::REDACTED];

    /// The CloudEvents `type`.
    pub fn type_name(&self) -> &'static str {
        match self {
            Event::Created(_) => "job.created",
            Event::Started(_) => "job.started",
            Event::Progress(_) => "job.progress",
            Event::ItemResult(_) => "job.item_result",
            Event::HookOutput(_) => "job.hook_output",
            Event::Completed(_) => "job.completed",
            Event::Failed(_) => "job.failed",
            Event::Cancelled(_) => "job.cancelled",
            Event::Noted(_) => "job.noted",
            Event::Redacted(_) => Event::REDACTED,
        }
    }

    /// The counts that the event reports, all absent where it reports none.
    pub fn counts(&self) -> Counts {
        match self {
            Event::Started(e) => Counts { total: e.total_records, ..Counts::default() },
            Event::Progress(e) => e.counts,
            Event::Completed(e) => e.counts,
            _ => Counts::default(),
        }
    }
}

/// `job.created`.
#[derive(Debug, Clone, PartialEq)]
pub struct Created {
    /// What the job is to do.
    pub spec: Spec,
    /// The same as it is stored.
    pub spec_json: RawJson,
    /// Whom it was created for; the actor where absent.
    pub created_by: Option<String>,
    /// Up to 16 short strings, for finding.
    pub labels: Labels,
}

/// `job.started`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Started {
    /// A remark for people.
    pub message: Option<String>,
    /// How many records there are to process.
    pub total_records: Option<u64>,
}

/// Record counts: totals so far, each 0 to 2^53, never increments.
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

/// `job.progress`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Progress {
    /// Percent, 0 to 100.
    pub percent: Option<u8>,
    /// What is being done.
    pub current_step: Option<String>,
    /// Totals so far.
    pub counts: Counts,
    /// A remark for people.
    pub message: Option<String>,
}

/// `job.item_result`.
#[derive(Debug, Clone, PartialEq)]
pub struct ItemResult {
    /// Which part.
    pub item: ItemId,
    /// Running, completed or failed; never pending.
    pub status: ItemStatus,
    /// A remark for people.
    pub message: Option<String>,
    /// What is known besides.
    pub detail: Option<Detail>,
}

/// What a result says besides its status and message. Only database-role and generic jobs have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Detail {
    /// Where the credentials of a database role lie.
    Credentials(Credentials),
    /// A JSON object, as it was given but for masked secrets; on generic jobs alone.
    Json(RawJson),
}

/// Where the credentials of a database role were put. Names a secret, never holds one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Who keeps them.
    pub provider: Provider,
    /// The secret's id in the vault.
    pub secret_id: String,
    /// The names of the secret's keys.
    pub secret_keys: Vec<String>,
}

words! {
    /// Who keeps the credentials of a database role.
    Provider, "secrets manager provider" {
        /// The product's own database.
        Database = "database",
        /// A vault.
        Vault = "vault",
    }
}

words! {
    /// Where hook output was written.
    Stream, "stream" {
        /// Standard output.
        Stdout = "stdout",
        /// Standard error.
        Stderr = "stderr",
    }
}

/// `job.hook_output`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HookOutput {
    /// A chunk of what the hook wrote, up to 1 MiB.
    pub output: Option<String>,
    /// Where it wrote it.
    pub stream: Option<Stream>,
    /// On the last chunk: how the hook ended.
    pub exit: Option<HookExit>,
}

/// How a hook ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HookExit {
    /// Unix exit code; not zero does not fail the job.
    pub code: i32,
    /// Whole seconds.
    pub seconds: u64,
}

/// `job.completed`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Completed {
    /// A remark for people.
    pub message: Option<String>,
    /// Final totals.
    pub counts: Counts,
}

/// `job.failed`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// Why.
    pub message: String,
}

/// `job.cancelled`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cancelled {
    /// Why.
    pub reason: Option<String>,
}

/// `job.noted`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Noted {
    /// The remark.
    pub text: String,
}

/// `job.redacted`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redacted {
    /// The event of the same job whose data is erased.
    pub position: Position,
    /// Why. It stays for ever, like everything that explains an erasure.
    pub reason: String,
}
