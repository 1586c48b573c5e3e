//! Reports in the spool that an earlier process could not deliver.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use parking_lot::Mutex;

use super::cancellation::{Cancellation, Stop};
use super::courier::Courier;
use super::error::Error;
use super::lease::HeldLease;
use super::ledger::Ledger;
use super::spool::Spool;
use super::status::Status;

/// What the clones of a ledger share about leftovers.
#[derive(Debug, Default)]
pub(super) struct Leftovers {
    /// Whether a thread was started for them.
    has_begun: AtomicBool,
    /// One thread delivers at a time.
    delivering: Mutex<()>,
}

impl Ledger {
    /// Delivers what earlier processes left in the spool, and waits until that is done. A thread does the same beside the first job,
    /// so that this call is needed only to know the result. Files that a living process holds are left alone.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if there is no answer until the deadline. The first refusal; all other reports are delivered.
    /// [`Error::LeaseLost`] if the reports of a job came too late.
    pub fn deliver(&self) -> Result<(), Error> {
        let Some(folder) = &self.spool else { return Ok(()) };
        let _one = self.leftovers.delivering.lock();
        let mut delivered = Ok(());
        for path in Spool::waiting_in(folder).map_err(|error| unreadable(folder, error))? {
            let result = self.deliver_file(&path);
            if matches!(result, Err(Error::Unavailable { .. })) {
                return result;
            }
            delivered = delivered.and(result);
        }
        delivered
    }

    /// Starts a thread that delivers what waits, once a ledger.
    pub(super) fn deliver_beside(&self) {
        if self.spool.is_some() && !self.leftovers.has_begun.swap(true, Ordering::SeqCst) {
            let ledger = self.clone();
            // What cannot be delivered stays in the folder.
            thread::spawn(move || drop(ledger.deliver()));
        }
    }

    fn deliver_file(&self, path: &Path) -> Result<(), Error> {
        let reopened = Spool::reopen(path).map_err(|error| unreadable(path, error))?;
        let Some(spool) = reopened else { return Ok(()) };
        let (cancellation, status) = (Cancellation::default(), Arc::new(Status::default()));
        let courier = Courier {
            connection: self.connection.clone(),
            spool,
            // The first events of the file started the job. Sent again, their answer has the lease, if the lease still lasts.
            lease: HeldLease::default(),
            cancellation: cancellation.clone(),
            status: status.clone(),
            until: Some(Instant::now() + self.deadline),
        };
        courier.run();
        if let Some((_, why)) = status.failing() {
            let (url, spool) = (self.connection.url.clone(), Some(path.to_owned()));
            return Err(Error::Unavailable { url, why, waiting: courier.spool.waiting(), spool });
        }
        match cancellation.stop() {
            Some(Stop::LeaseLost) => Err(Error::LeaseLost(format!("of `{}`", path.display()))),
            _ => status.error(),
        }
    }
}

fn unreadable(path: &Path, error: std::io::Error) -> Error {
    Error::Spool { path: path.to_owned(), error: Arc::new(error) }
}
