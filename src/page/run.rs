//! How a job is run, as its page shows it: the worker, its lease, and the retries.

use super::row::{org_query, segment};
use crate::job::{OrgId, Retry, Summary};
use crate::ledger::Ledger;

/// The texts about the run of a job. An empty text is not shown.
pub(super) struct RunRow {
    /// How long the job ran, or has run.
    pub took: String,
    /// The worker's name, with a remark if the ledger ended its job.
    pub worker: String,
    /// The lease, with the time that is left.
    pub lease: String,
    /// From when on the job may be claimed.
    pub not_before: String,
    /// The retries that are left.
    pub retries: String,
    /// The job that this one repeats.
    pub retry_of: Link,
    /// The job that repeats this one.
    pub retried_as: Link,
}

/// A link to another job; without text there is none.
#[derive(Default)]
pub(super) struct Link {
    pub text: String,
    pub href: String,
}

impl RunRow {
    /// The run of a job for a person of the organisation `own`. A job as it stood in the past shows no time that is left.
    pub fn of(ledger: &Ledger, job: &Summary, own: OrgId, past: bool) -> RunRow {
        let link = |id: Option<&str>| {
            id.map_or_else(Link::default, |id| Link {
                text: id.to_owned(),
                href: format!("/jobs/{}{}", segment(id), org_query("?", job.key.org, own)),
            })
        };
        let until = job.state.ended_at().unwrap_or_else(|| if past { job.recorded_at } else { ledger.now() });
        let took = job.state.started_at().map(|started| span(until.millis_since(started) / 1000));
        let worker = job.worker.as_ref().map(|worker| match worker.lost {
            true => format!("{}, lost", worker.name),
            false => worker.name.clone(),
        });
        let lease = job.lease().map(|lease| {
            let left = ledger.lease_left(&job.key, lease.since).filter(|_| !past);
            let left = left.map(|left| format!(", {} s left", left.as_secs())).unwrap_or_default();
            format!("{} s after each report{left}", lease.seconds)
        });
        RunRow {
            took: took.unwrap_or_default(),
            worker: worker.unwrap_or_default(),
            lease: lease.unwrap_or_default(),
            not_before: job.not_before.map(|time| time.to_string()).unwrap_or_default(),
            retries: job.retry.map(retries).unwrap_or_default(),
            retry_of: link(job.retry_of()),
            retried_as: link(job.retried_as.as_ref().map(|id| id.as_str())),
        }
    }
}

/// So many seconds in words. `job.js` writes the same.
fn span(seconds: u64) -> String {
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

fn retries(retry: Retry) -> String {
    format!("{} left, the next after {} s", retry.max, retry.backoff_sec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_has_its_two_largest_units() {
        assert_eq!(
            [0, 59, 60, 3_599, 3_600, 90_061].map(span),
            ["0 s", "59 s", "1 min 0 s", "59 min 59 s", "1 h 0 min", "25 h 1 min"]
        );
    }
}
