//! Leases: which worker alone may report about a job, and until when. Also the bells for jobs that wait to be claimed or repeated.
//!
//! The log says which job has a lease, and for how long it lasts after a report. Until when it lasts is in memory alone: each report
//! and each renewal starts the time anew. The time runs by a monotonic clock. A start gives every lease its full time again, so no
//! job ends because the ledger itself was away.
//!
//! Not here: the rule that only the holder reports (`job::decide`), and the end of a job whose lease ran out (`workers`).

mod running;
mod secret;
mod token;

pub(super) use running::Leases;
pub use running::{Overdue, Renewal};
pub(super) use secret::LeaseSecret;
pub use secret::LeaseSecretError;
pub use token::{BadLeaseToken, LeaseToken};

use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::Ledger;
use crate::history::{self, fold_job};
use crate::job::{Job, JobId, JobKey, OrgId, Position, Summary};
use crate::wire::Incoming;

/// The lease that the sender of an append names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeldLease {
    /// The lease of this job that began with the `job.started` at this position.
    OfJob {
        /// The job.
        job: JobId,
        /// The position of `job.started`.
        since: Position,
    },
    /// A token that belongs to none of the jobs in the append.
    Foreign,
}

impl Ledger {
    /// The token of the lease that the `job.started` at `since` began.
    pub fn lease_token(&self, key: &JobKey, since: Position) -> LeaseToken {
        self.inner.leases.secret().token(key, since)
    }

    /// Which lease of these events' jobs `token` belongs to.
    pub fn held_lease(&self, org: OrgId, events: &[Incoming], token: &LeaseToken) -> HeldLease {
        let mut last = None;
        let ids = events.iter().filter_map(|event| event.subject.as_ref());
        let mut ids = ids.filter(|id| last.replace(*id) != Some(*id));
        let fits = |id: &&JobId| self.is_token_of(&JobKey { org, id: (*id).clone() }, token);
        match ids.find(fits) {
            Some(job) => HeldLease::OfJob { job: job.clone(), since: token.since() },
            None => HeldLease::Foreign,
        }
    }

    /// How long the lease that began at `since` still lasts; `None` if it is over.
    pub fn lease_left(&self, key: &JobKey, since: Position) -> Option<Duration> {
        self.inner.leases.left(key, since, Instant::now())
    }

    /// Starts the time of a lease anew.
    pub fn renew_lease(&self, key: &JobKey, token: &LeaseToken) -> Renewal {
        match self.is_token_of(key, token) {
            true => self.inner.leases.renew(key, token.since(), Instant::now()),
            false => Renewal::Lost,
        }
    }

    /// Waits until a lease has run out, and takes those that have. The caller ends their jobs, and says for each lease whether it
    /// goes on or is over.
    pub async fn overdue_leases(&self) -> Vec<Overdue> {
        self.inner.leases.overdue().await
    }

    /// Tells that the job of an overdue lease has not ended: a report came in time, or the end could not be recorded yet.
    pub fn lease_goes_on(&self, overdue: &Overdue) {
        self.inner.leases.goes_on(&overdue.key, overdue.lease.since);
    }

    /// Tells that the job of an overdue lease has ended.
    pub fn lease_is_over(&self, overdue: &Overdue) {
        self.inner.leases.is_over(&overdue.key, overdue.lease.since);
    }

    /// A bell that rings with the position of each `job.created`.
    pub fn created_bell(&self) -> watch::Receiver<Position> {
        self.inner.leases.created_bell()
    }

    /// A bell that rings with the position of each `job.failed`.
    pub fn failed_bell(&self) -> watch::Receiver<Position> {
        self.inner.leases.failed_bell()
    }

    /// Waits until leases have to be taken from the log: after the start, and after a commit whose outcome was unknown. The caller
    /// resumes the lease of every running job, and then calls [`Ledger::leases_are_resumed`].
    pub async fn leases_to_resume(&self) {
        self.inner.leases.to_resume().await;
    }

    /// Gives the lease of a running job its full time, unless the lease is known already.
    pub fn resume_lease(&self, job: &Job) {
        self.inner.leases.resume(job, Instant::now());
    }

    /// Tells that the lease of every running job was resumed.
    pub fn leases_are_resumed(&self) {
        self.inner.leases.resumed();
    }

    /// How many leases last.
    pub fn count_leases(&self) -> usize {
        self.inner.leases.count()
    }

    /// The job, folded from the log alone; `None` if there is no such job. Reads all events of the job, so it may take long.
    ///
    /// # Errors
    ///
    /// The log cannot be read, or the job's events do not fold.
    pub fn job_from_log(&self, key: &JobKey) -> Result<Option<Job>, history::Error> {
        self.log(|log| fold_job(log, key, None, Position::MAX))
    }

    /// Whether `job` runs under the lease of `token`.
    pub fn runs_under(&self, job: &Summary, token: &LeaseToken) -> bool {
        job.lease().is_some_and(|lease| lease.since == token.since()) && self.is_token_of(&job.key, token)
    }

    fn is_token_of(&self, key: &JobKey, token: &LeaseToken) -> bool {
        self.inner.leases.secret().is_of(token, key)
    }
}
