//! What became of the reports of a job, as far as its next call must tell.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::error::{Error, Refusal};

/// What became of reports.
#[derive(Debug, Default)]
pub(super) struct Status(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// The first refusal that no call has returned yet.
    refused: Option<Refusal>,
    /// Why nothing more can be delivered.
    fatal: Option<Error>,
    /// Since when there is no answer, and the newest reason.
    failing: Option<(Instant, String)>,
}

impl Status {
    /// The ledger has answered.
    pub(super) fn answered(&self) {
        self.0.lock().failing = None;
    }

    /// There is no answer to a request that was sent at `since`.
    pub(super) fn no_answer(&self, since: Instant, why: String) {
        let mut known = self.0.lock();
        let since = known.failing.take().map_or(since, |(since, _)| since);
        known.failing = Some((since, why));
    }

    /// The ledger refuses a report.
    pub(super) fn refused(&self, refusal: Refusal) {
        self.0.lock().refused.get_or_insert(refusal);
    }

    /// Nothing more can be delivered.
    pub(super) fn fatal(&self, error: Error) {
        self.0.lock().fatal.get_or_insert(error);
    }

    /// The error that the next call returns. A refusal is returned once.
    pub(super) fn error(&self) -> Result<(), Error> {
        let mut known = self.0.lock();
        if let Some(fatal) = &known.fatal {
            return Err(fatal.clone());
        }
        known.refused.take().map_or(Ok(()), |refusal| Err(Error::Refused(Box::new(refusal))))
    }

    /// Whether nothing more can be delivered.
    pub(super) fn is_fatal(&self) -> bool {
        self.0.lock().fatal.is_some()
    }

    /// Since when there is no answer, and the newest reason; `None` if there is one.
    pub(super) fn failing(&self) -> Option<(Duration, String)> {
        self.0.lock().failing.as_ref().map(|(since, why)| (since.elapsed(), why.clone()))
    }
}
