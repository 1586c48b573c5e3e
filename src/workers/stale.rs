//! The end of running jobs without a lease that were forgotten: `serve --stale-after`.

use std::time::Duration;

use crate::blocking::off_thread;
use crate::history;
use crate::job::{JobKey, Position, Span};
use crate::ledger::{AppendError, Ledger, ReadError};

use super::{RETRY_PAUSE, end_job};

/// Most jobs that one look ends.
const AT_ONCE: usize = 100;
/// Longest time between two looks.
const LOOK: Duration = Duration::from_secs(60);

/// Ends each running job without a lease whose newest event was recorded longer ago than `after`. Never returns.
pub async fn end_stale_jobs(ledger: Ledger, after: Span) {
    let pause = Duration::from_secs((u64::from(after.seconds()) / 10).max(1)).min(LOOK);
    loop {
        match end_some(&ledger, after).await {
            // There may be more.
            Ok(ended) if ended == AT_ONCE => {}
            Ok(_) => tokio::time::sleep(pause).await,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "jobs without a report cannot be found yet");
                tokio::time::sleep(pause.max(RETRY_PAUSE)).await;
            }
        }
    }
}

/// Answers how many jobs were ended.
async fn end_some(ledger: &Ledger, after: Span) -> Result<usize, ReadError> {
    let before = ledger.now().plus(-after.nanos());
    let mut ended = 0;
    for (key, newest) in ledger.stale_jobs(before, AT_ONCE).await? {
        let (log, job) = (ledger.clone(), key.clone());
        let found = match off_thread(move || log.job_from_log(&job)).await {
            Err(history::Error::Log(error)) => return Err(error.into()),
            found => found.ok().flatten(),
        };
        // The views found the job, and the log decides.
        if found.is_some_and(|job| job.position == newest && job.recorded_at < before && job.lease().is_none()) {
            ended += usize::from(end(ledger, &key, newest, after).await);
        }
    }
    Ok(ended)
}

async fn end(ledger: &Ledger, key: &JobKey, newest: Position, after: Span) -> bool {
    let message = format!("no report for {} s", after.seconds());
    match end_job(ledger, key, format!("stale:{newest}"), &message, newest, None).await {
        Ok(()) => {
            ledger.metrics().lost.inc();
            tracing::info!(job = %key.id, "a job without a report was ended");
            true
        }
        Err(AppendError::GuardFailed { .. } | AppendError::Refused { .. }) => false,
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, job = %key.id, "a job without a report cannot be ended yet");
            false
        }
    }
}
