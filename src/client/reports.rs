//! What a worker reports: progress, items, output.

use serde::Serialize;
use serde_json::Value;

/// How far a job is. Counts are totals so far, whole numbers up to 2^53.
///
/// A member that is `None` stays as it was. Each member has a method, so that a report is one line:
/// `Progress::records(3, 10).step("ada")`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// Per cent, 0 to 100. Counts give it too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<u8>,
    /// What the job does now, at most 16 KiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_step: Option<String>,
    /// Records that are done, at most `total_records`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub records_processed: Option<u64>,
    /// Records of the whole job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_records: Option<u64>,
    /// Records that the job has created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub records_created: Option<u64>,
    /// Records that the job has updated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub records_updated: Option<u64>,
    /// Records that the job has deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub records_deleted: Option<u64>,
    /// A sentence for people, at most 16 KiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl Progress {
    /// So many per cent, 0 to 100.
    pub fn percent(progress: u8) -> Progress {
        Progress { progress: Some(progress), ..Progress::default() }
    }

    /// `processed` of `total` records.
    pub fn records(processed: u64, total: u64) -> Progress {
        Progress { records_processed: Some(processed), total_records: Some(total), ..Progress::default() }
    }

    /// With what the job does now.
    pub fn step(self, step: impl Into<String>) -> Progress {
        Progress { current_step: Some(step.into()), ..self }
    }

    /// With so many created records.
    pub fn created(self, records: u64) -> Progress {
        Progress { records_created: Some(records), ..self }
    }

    /// With so many updated records.
    pub fn updated(self, records: u64) -> Progress {
        Progress { records_updated: Some(records), ..self }
    }

    /// With so many deleted records.
    pub fn deleted(self, records: u64) -> Progress {
        Progress { records_deleted: Some(records), ..self }
    }

    /// With a sentence for people.
    pub fn message(self, message: impl Into<String>) -> Progress {
        Progress { message: Some(message.into()), ..self }
    }
}

/// How one part of a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ItemStatus {
    /// Under way.
    Running,
    /// Done.
    Completed,
    /// Not done.
    Failed,
}

/// The result of one part of a job. A later result of the same part replaces it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Item {
    item: String,
    status: ItemStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<Value>,
}

impl Item {
    /// The part `item` with this status.
    pub fn new(item: impl Into<String>, status: ItemStatus) -> Item {
        Item { item: item.into(), status, message: None, detail: None }
    }

    /// The part `item` is under way.
    pub fn running(item: impl Into<String>) -> Item {
        Item::new(item, ItemStatus::Running)
    }

    /// The part `item` is done.
    pub fn completed(item: impl Into<String>) -> Item {
        Item::new(item, ItemStatus::Completed)
    }

    /// The part `item` is not done, for this reason.
    pub fn failed(item: impl Into<String>, message: impl Into<String>) -> Item {
        Item::new(item, ItemStatus::Failed).message(message)
    }

    /// With a sentence for people, at most 16 KiB.
    pub fn message(self, message: impl Into<String>) -> Item {
        Item { message: Some(message.into()), ..self }
    }

    /// With any JSON about the part.
    pub fn detail(self, detail: Value) -> Item {
        Item { detail: Some(detail), ..self }
    }
}

/// A stream of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Stream {
    /// The stream's name in an event.
    pub fn name(self) -> &'static str {
        match self {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        }
    }
}
