//! The end of jobs whose worker was lost: their lease ran out without a report.

use crate::blocking::off_thread;
use crate::history;
use crate::ledger::{AppendError, HeldLease, Ledger, Overdue, ReadError};

use super::{RETRY_PAUSE, end_job};

/// Ends each job whose lease runs out. Never returns.
pub async fn end_lost_jobs(ledger: Ledger) {
    loop {
        // Together, so that they share commits.
        let ends = ledger.overdue_leases().await.into_iter().map(|overdue| tokio::spawn(end(ledger.clone(), overdue)));
        for end in ends.collect::<Vec<_>>() {
            end.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
        }
    }
}

async fn end(ledger: Ledger, overdue: Overdue) {
    let Overdue { key, lease, worker, newest } = &overdue;
    let message = format!("worker {worker} was lost: no report for {} s", lease.seconds);
    let held = HeldLease::OfJob { job: key.id.clone(), since: lease.since };
    match end_job(&ledger, key, format!("lost:{}", lease.since), &message, *newest, Some(held)).await {
        Ok(()) => {
            tracing::info!(job = %key.id, worker, "a worker was lost, and the ledger ended its job");
            ledger.metrics().lost.inc();
            ledger.lease_is_over(&overdue);
        }
        // A report came in time.
        Err(AppendError::GuardFailed { .. }) => ledger.lease_goes_on(&overdue),
        Err(AppendError::Refused { .. } | AppendError::IdReused { .. }) => ledger.lease_is_over(&overdue),
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, job = %key.id, "the job of a lost worker cannot be ended yet");
            tokio::time::sleep(RETRY_PAUSE).await;
            ledger.lease_goes_on(&overdue);
        }
    }
}

/// Gives each lease in the log its full time, after the start and after a commit whose outcome was unknown. Never returns.
pub async fn resume_leases(ledger: Ledger) {
    loop {
        ledger.leases_to_resume().await;
        while let Err(error) = resume(&ledger).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "the leases of running jobs cannot be read yet");
            tokio::time::sleep(RETRY_PAUSE).await;
        }
        ledger.leases_are_resumed();
    }
}

async fn resume(ledger: &Ledger) -> Result<(), ReadError> {
    for key in ledger.leased_jobs().await? {
        // A file that may be deleted never leads to a signed event, so the lease comes from the log.
        let (log, job) = (ledger.clone(), key.clone());
        match off_thread(move || log.job_from_log(&job)).await {
            Ok(job) => job.iter().for_each(|job| ledger.resume_lease(job)),
            Err(history::Error::Log(error)) => return Err(error.into()),
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, job = %key.id, "a job cannot be read");
            }
        }
    }
    Ok(())
}
