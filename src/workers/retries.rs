//! Retries: a job that repeats another one, with the same kind and spec.
//!
//! One append creates the new job and tells the old job its id. So a job is repeated once, also if two ask for it at the same time.

use std::collections::{BTreeMap, HashSet};

use serde::Serialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::RETRY_PAUSE;
use crate::blocking::off_thread;
use crate::history;
use crate::job::{EventType, Job, JobId, JobKey, LEDGER, Position, RETRY_OF, Retry};
use crate::ledger::{Append, AppendError, Ledger, ReadError};
use crate::views::Candidate;
use crate::wire::{Incoming, Reject};

/// Most failed jobs that one look repeats.
const AT_ONCE: usize = 100;
/// Most jobs that cannot be repeated and are remembered, so that no look tries them again.
const REMEMBERED: usize = 10_000;

/// Why a job is not repeated.
#[derive(Debug, thiserror::Error)]
pub enum RetryError {
    /// There is no such job.
    #[error("no such job")]
    NoSuchJob,
    /// The spec was redacted.
    #[error("the job's spec is redacted, so it cannot be repeated; create a new job")]
    Redacted,
    /// The new job cannot have the old job's labels and one more.
    #[error("the job cannot be repeated with the label `{RETRY_OF}`: {0}; create a new job")]
    Labels(Reject),
    /// The ledger refuses the append.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The job cannot be read.
    #[error(transparent)]
    History(#[from] history::Error),
}

/// Data of the `job.created` that repeats a job.
#[derive(Serialize)]
struct Repeated<'a> {
    kind: &'a str,
    spec: &'a RawValue,
    created_by: &'a str,
    labels: BTreeMap<&'a str, &'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_before: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry: Option<RetriesLeft>,
}

#[derive(Serialize)]
struct RetriesLeft {
    max: u32,
    backoff_sec: u32,
}

/// Repeats a failed or cancelled job for `actor`, at once. Answers the new job.
///
/// # Errors
///
/// There is no such job, it is not failed or cancelled, it was repeated before, or the ledger takes no append now.
pub async fn retry(ledger: &Ledger, key: &JobKey, actor: &str) -> Result<JobId, RetryError> {
    let job = read(ledger, key).await?.ok_or(RetryError::NoSuchJob)?;
    repeat(ledger, &job, actor, job.retry, None).await
}

async fn read(ledger: &Ledger, key: &JobKey) -> Result<Option<Job>, history::Error> {
    let (log, key) = (ledger.clone(), key.clone());
    off_thread(move || log.job_from_log(&key)).await
}

/// Repeats `job`. No claim takes the new job within `pause` seconds.
async fn repeat(
    ledger: &Ledger,
    job: &Job,
    actor: &str,
    left: Option<Retry>,
    pause: Option<u32>,
) -> Result<JobId, RetryError> {
    if job.redactions.iter().any(|redaction| redaction.position == job.created_position) {
        return Err(RetryError::Redacted);
    }
    let new = Uuid::now_v7().hyphenated();
    let id: JobId = new.to_string().parse().expect("a UUID is a valid job id");
    let mut labels: BTreeMap<&str, &str> =
        job.labels.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    labels.insert(RETRY_OF, job.key.id.as_str());
    let data = Repeated {
        kind: job.kind.as_str(),
        spec: serde_json::from_str(&job.spec_json.0).expect("the log holds JSON"),
        created_by: &job.created_by,
        labels,
        not_before: pause.map(|seconds| ledger.now().plus(i64::from(seconds) * 1_000_000_000).to_string()),
        retry: left.map(|left| RetriesLeft { max: left.max, backoff_sec: left.backoff_sec }),
    };
    let data = serde_json::to_string(&data).expect("the data is JSON");
    let created = Incoming::own(EventType::Created, format!("retry:{new}"), id.clone(), &data);
    let data = serde_json::json!({ "retried_as": id.as_str() }).to_string();
    let retried = Incoming::own(EventType::Retried, format!("retried:{new}"), job.key.id.clone(), &data);
    let events = vec![created.map_err(RetryError::Labels)?, retried.expect("a job id is valid data")];
    let append = Append { org: job.key.org, actor: actor.to_owned(), events, guard: None, lease: None };
    ledger.append(append).await?;
    Ok(id)
}

/// Repeats each job that failed and has retries left. Never returns.
pub async fn repeat_failed_jobs(ledger: Ledger) {
    let mut failed = ledger.failed_bell();
    let mut impossible = HashSet::new();
    loop {
        failed.mark_unchanged();
        match repeat_all(&ledger, &mut impossible).await {
            // The sender lives as long as the ledger.
            Ok(()) => drop(failed.changed().await),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "failed jobs cannot be repeated yet");
                tokio::time::sleep(RETRY_PAUSE).await;
            }
        }
    }
}

/// Why no failed job is repeated just now.
#[derive(Debug, thiserror::Error)]
enum NotNow {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    History(#[from] history::Error),
    #[error(transparent)]
    Append(#[from] AppendError),
}

async fn repeat_all(ledger: &Ledger, impossible: &mut HashSet<JobKey>) -> Result<(), NotNow> {
    let mut after = Position::GENESIS;
    loop {
        let found = ledger.jobs_to_retry(after, AT_ONCE).await?;
        let Some(last) = found.last() else { return Ok(()) };
        after = last.created;
        for Candidate { key, .. } in found {
            if !impossible.contains(&key)
                && let Outcome::Impossible(why) = repeat_failed(ledger, &key).await?
            {
                tracing::warn!(error = &why as &dyn std::error::Error, job = %key.id, "a failed job is not repeated");
                if impossible.len() < REMEMBERED {
                    impossible.insert(key);
                }
            }
        }
    }
}

/// What became of a failed job.
enum Outcome {
    /// It is repeated, or needs not be.
    Done,
    /// It can never be repeated.
    Impossible(RetryError),
}

async fn repeat_failed(ledger: &Ledger, key: &JobKey) -> Result<Outcome, NotNow> {
    // The views found the job, and the log decides.
    let job = match read(ledger, key).await {
        Ok(Some(job)) if job.is_to_be_retried() => job,
        Err(history::Error::Log(error)) => return Err(history::Error::Log(error).into()),
        Err(error) => return Ok(Outcome::Impossible(error.into())),
        Ok(_) => return Ok(Outcome::Done),
    };
    let Some(retry) = job.retry else { return Ok(Outcome::Done) };
    match repeat(ledger, &job, LEDGER, retry.next(), Some(retry.backoff_sec)).await {
        Ok(new) => {
            ledger.metrics().repeated.inc();
            tracing::info!(job = %key.id, retried_as = %new, "a failed job is repeated");
            Ok(Outcome::Done)
        }
        // It was repeated in the meantime.
        Err(RetryError::Append(AppendError::Refused { .. })) => Ok(Outcome::Done),
        Err(RetryError::Append(error)) => Err(error.into()),
        Err(RetryError::History(error)) => Err(error.into()),
        Err(error) => Ok(Outcome::Impossible(error)),
    }
}
