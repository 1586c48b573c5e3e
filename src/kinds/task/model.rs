//! The read models of background jobs, with the keys in the order of the API's document.

use serde::Serialize;
use utoipa::ToSchema;

use crate::job::{Status, Summary, Time};
use crate::model::{StatusName, TaskTypeName};

/// An entry of the list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TaskEntry {
    /// Job ID.
    #[schema(example = "job-123")]
    id: String,
    /// The job's type, one of the document's ten.
    #[schema(value_type = TaskTypeName)]
    job_type: String,
    /// The job's state.
    #[schema(value_type = StatusName)]
    status: &'static str,
    /// Progress in percent.
    #[schema(minimum = 0, maximum = 100)]
    progress: u8,
    /// The time of the start; null until then.
    start_time: Option<String>,
    /// The time of the end; null until then.
    end_time: Option<String>,
    /// Milliseconds from start to end; null until the end.
    #[schema(minimum = 0)]
    duration_ms: Option<u64>,
    /// Records created so far.
    #[schema(minimum = 0)]
    records_created: u64,
    /// Records updated so far.
    #[schema(minimum = 0)]
    records_updated: u64,
    /// Records deleted so far.
    #[schema(minimum = 0)]
    records_deleted: u64,
}

/// The complete job.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::kinds) struct TaskJob {
    /// The members of the list's entry.
    #[serde(flatten)]
    entry: TaskEntry,
    /// The newest `current_step`; null until a report has one.
    current_step: Option<String>,
    /// Records processed so far.
    #[schema(minimum = 0)]
    records_processed: u64,
    /// Records to process; null until known.
    #[schema(minimum = 0)]
    total_records: Option<u64>,
    /// The newest message; null until a report has one.
    message: Option<String>,
    /// The time of creation.
    created_at: String,
}

/// The progress of a job.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TaskProgress {
    /// Job ID.
    id: String,
    /// The job's state.
    #[schema(value_type = StatusName)]
    status: &'static str,
    /// Progress in percent.
    #[schema(minimum = 0, maximum = 100)]
    progress: u8,
    /// The newest `current_step`; null until a report has one.
    current_step: Option<String>,
    /// Records processed so far.
    #[schema(minimum = 0)]
    records_processed: u64,
    /// Records to process; null until known.
    #[schema(minimum = 0)]
    total_records: Option<u64>,
    /// Milliseconds from the start to now, or to the end; null until the start.
    #[schema(minimum = 0)]
    elapsed_ms: Option<u64>,
}

/// An entry of the list of running jobs.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RunningTask {
    /// Job ID.
    id: String,
    /// The job's type, one of the document's ten.
    #[schema(value_type = TaskTypeName)]
    job_type: String,
    /// Always `running`.
    #[schema(value_type = StatusName)]
    status: &'static str,
    /// Progress in percent.
    #[schema(minimum = 0, maximum = 100)]
    progress: u8,
    /// The time of the start.
    start_time: Option<String>,
}

impl TaskEntry {
    pub(super) fn of(job: &Summary) -> TaskEntry {
        let counts = job.tally.counts;
        let (started, ended) = (job.state.started_at(), job.state.ended_at());
        TaskEntry {
            id: job.key.id.to_string(),
            job_type: job_type(job),
            status: job.state.status().as_str(),
            progress: job.percent(),
            start_time: started.map(|time| time.to_string()),
            end_time: ended.map(|time| time.to_string()),
            duration_ms: started.zip(ended).map(|(started, ended)| ended.millis_since(started)),
            records_created: counts.created.unwrap_or(0),
            records_updated: counts.updated.unwrap_or(0),
            records_deleted: counts.deleted.unwrap_or(0),
        }
    }
}

impl TaskJob {
    pub(in crate::kinds) fn of(job: &Summary) -> TaskJob {
        TaskJob {
            entry: TaskEntry::of(job),
            current_step: job.current_step.clone(),
            records_processed: job.tally.counts.processed.unwrap_or(0),
            total_records: job.tally.counts.total,
            message: job.message.clone(),
            created_at: job.created_at.to_string(),
        }
    }
}

impl TaskProgress {
    /// The progress of `job`. `now` is the end of `elapsed_ms` while the job runs: the one documented member that depends on the
    /// clock.
    pub(super) fn of(job: &Summary, now: Time) -> TaskProgress {
        TaskProgress {
            id: job.key.id.to_string(),
            status: job.state.status().as_str(),
            progress: job.percent(),
            current_step: job.current_step.clone(),
            records_processed: job.tally.counts.processed.unwrap_or(0),
            total_records: job.tally.counts.total,
            elapsed_ms: job.elapsed_ms(now),
        }
    }
}

impl RunningTask {
    pub(super) fn of(job: &Summary) -> RunningTask {
        RunningTask {
            id: job.key.id.to_string(),
            job_type: job_type(job),
            status: Status::Running.as_str(),
            progress: job.percent(),
            start_time: job.state.started_at().map(|time| time.to_string()),
        }
    }
}

fn job_type(job: &Summary) -> String {
    // The list and `View::kind` admit background jobs only, and each has a type.
    job.job_type.as_ref().map(ToString::to_string).unwrap_or_default()
}
