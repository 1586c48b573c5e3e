//! A job as a row of the list, and as the head of its own page.

use crate::job::{Counts, OrgId, State, Summary};

/// The texts of a job's row. `jobs.js` fills the same fields from the API's JSON.
#[derive(Default)]
pub(super) struct JobRow {
    pub id: String,
    /// The position of `job.created`, which orders the list.
    pub created_position: u64,
    /// The path of the job's page.
    pub href: String,
    pub kind: &'static str,
    pub job_type: String,
    pub status: &'static str,
    /// The job's newest words: the cancellation, the message, or the step.
    pub doing: String,
    pub percent: u8,
    /// Records, such as `650 of 1000`.
    pub counts: String,
    pub created_by: String,
    pub created_at: String,
    pub ended_at: String,
    pub last_event_at: String,
}

impl JobRow {
    /// The row of a job for a person of the organisation `own`.
    pub fn of(job: &Summary, own: OrgId) -> JobRow {
        JobRow {
            id: job.key.id.to_string(),
            created_position: job.created_position.get(),
            href: format!("/jobs/{}{}", segment(job.key.id.as_str()), org_query("?", job.key.org, own)),
            kind: job.kind.as_str(),
            job_type: job.job_type.as_ref().map(ToString::to_string).unwrap_or_default(),
            status: job.state.status().as_str(),
            doing: doing(job),
            percent: job.percent(),
            counts: counts(job.tally.counts),
            created_by: job.created_by.clone(),
            created_at: job.created_at.to_string(),
            ended_at: job.state.ended_at().map(|time| time.to_string()).unwrap_or_default(),
            last_event_at: job.recorded_at.to_string(),
        }
    }
}

/// A job's id as a segment of a path.
pub(super) fn segment(id: &str) -> String {
    // A form writes a space as `+`, which a path does not read as a space.
    let form: String = form_urlencoded::byte_serialize(id.as_bytes()).collect();
    form.replace('+', "%20")
}

/// The parameter that names a job's organisation, after `mark`; empty for the person's own.
pub(super) fn org_query(mark: &str, org: OrgId, own: OrgId) -> String {
    if org == own { String::new() } else { format!("{mark}org={org}") }
}

fn doing(job: &Summary) -> String {
    match &job.state {
        State::Cancelled { by, reason: Some(reason), .. } => format!("cancelled by {by}: {reason}"),
        State::Cancelled { by, .. } => format!("cancelled by {by}"),
        state => {
            let step = job.current_step.clone().filter(|_| state.ended_at().is_none());
            step.or_else(|| job.message.clone()).unwrap_or_default()
        }
    }
}

fn counts(counts: Counts) -> String {
    match (counts.processed, counts.total) {
        (Some(processed), Some(total)) => format!("{processed} of {total}"),
        (Some(processed), None) => processed.to_string(),
        (None, Some(total)) => format!("0 of {total}"),
        (None, None) => String::new(),
    }
}
