//! How a job is run: its worker, the worker's lease, and the retries after a failure.

use super::id::Position;

/// How often the ledger repeats a failed job, and after which pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Most retries, 1 to 100.
    pub max: u32,
    /// The pause before the first retry, in seconds, 0 to 86,400. Each further pause is twice as long.
    pub backoff_sec: u32,
}

impl Retry {
    /// The longest pause before a retry, in seconds: a day.
    pub const MAX_BACKOFF: u32 = 86_400;

    /// The retries for the job that repeats this one; `None` after the last retry.
    pub fn next(self) -> Option<Retry> {
        let backoff_sec = self.backoff_sec.saturating_mul(2).min(Retry::MAX_BACKOFF);
        (self.max > 1).then(|| Retry { max: self.max - 1, backoff_sec })
    }
}

/// The worker that started a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worker {
    /// The worker's name.
    pub name: String,
    /// The worker's lease; `None` if the job was started without one.
    pub lease: Option<Lease>,
    /// Whether the ledger ended the job, because no report came for too long.
    pub lost: bool,
}

/// A worker's exclusive right to report about a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// How long the lease lasts after each report, in seconds, 1 to 86,400.
    pub seconds: u32,
    /// The position of the `job.started` that began the lease. It names the lease.
    pub since: Position,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_retry_waits_twice_as_long_and_leaves_one_retry_less() {
        let retry = Retry { max: 3, backoff_sec: 50_000 };
        let second = retry.next().unwrap();
        assert_eq!(second, Retry { max: 2, backoff_sec: Retry::MAX_BACKOFF });
        assert_eq!(second.next().unwrap().next(), None);
    }
}
