//! Reads of what there is to do, for claims, leases and retries.

use rusqlite::Connection;

use super::{ReadError, Shown};
use crate::job::{JobKey, Position, Time};
use crate::ledger::Ledger;
use crate::views::{self, Candidate, Wanted, claimable, leased, next_claimable, stale, to_retry};

/// The jobs that a claim may take now.
#[derive(Debug)]
pub struct Claimable {
    /// The oldest that fit, the oldest first.
    pub jobs: Vec<Candidate>,
    /// When the next job that fits may be claimed; `None` if `jobs` has one, or if none waits for its time.
    pub next: Option<Time>,
}

impl Ledger {
    /// The oldest `limit` pending jobs that fit and may be claimed now.
    ///
    /// # Errors
    ///
    /// As [`Ledger::jobs`].
    pub async fn claimable(&self, wanted: &Wanted, limit: usize) -> Result<Shown<Claimable>, ReadError> {
        let now = self.now();
        let read = |conn: &Connection| {
            let jobs = claimable(conn, wanted, now, limit)?;
            let next = if jobs.is_empty() { next_claimable(conn, wanted, now)? } else { None };
            Ok(Claimable { jobs, next })
        };
        self.view(None, |_| None, read, |_, _| ()).await
    }

    /// Every running job with a lease.
    ///
    /// # Errors
    ///
    /// As [`Ledger::jobs`].
    pub async fn leased_jobs(&self) -> Result<Vec<JobKey>, ReadError> {
        self.to_do(leased).await
    }

    /// At most `limit` failed jobs that the ledger is to repeat, after the job that was created at `after`.
    ///
    /// # Errors
    ///
    /// As [`Ledger::jobs`].
    pub async fn jobs_to_retry(&self, after: Position, limit: usize) -> Result<Vec<Candidate>, ReadError> {
        self.to_do(|conn| to_retry(conn, after, limit)).await
    }

    /// At most `limit` running jobs without a lease whose newest event was recorded before `before`, with its position.
    ///
    /// # Errors
    ///
    /// As [`Ledger::jobs`].
    pub async fn stale_jobs(&self, before: Time, limit: usize) -> Result<Vec<(JobKey, Position)>, ReadError> {
        self.to_do(|conn| stale(conn, before, limit)).await
    }

    async fn to_do<T>(&self, read: impl Fn(&Connection) -> Result<T, views::Error>) -> Result<T, ReadError> {
        // Looks at many rows, at times.
        let read = |conn: &Connection| tokio::task::block_in_place(|| read(conn));
        Ok(self.view(None, |_| None, read, |_, _| ()).await?.value)
    }
}
