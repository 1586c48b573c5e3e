//! The token that tells the work to stop.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// Why the work on a job must stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The job was cancelled in the ledger.
    Cancelled,
    /// The job is no longer this worker's: its lease ran out, or it has ended otherwise. The ledger may have repeated it.
    LeaseLost,
}

/// Tells the work on a job to stop. Cheap to clone.
///
/// The token is set when the ledger refuses a report, or the renewal of the lease. The client renews a lease three times as often as
/// it runs out, so the work learns of a cancellation within a third of the lease. Without a lease it learns of it at its next report.
#[derive(Debug, Clone, Default)]
pub struct Cancellation(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    stop: Mutex<Option<Stop>>,
    changed: Condvar,
}

impl Cancellation {
    /// Whether the work must stop, for one reason or the other.
    pub fn is_cancelled(&self) -> bool {
        self.stop().is_some()
    }

    /// Why the work must stop; `None` while it may go on.
    pub fn stop(&self) -> Option<Stop> {
        *self.0.stop.lock()
    }

    /// Waits at most `longest` until the work must stop. `None` if it may go on.
    pub fn wait(&self, longest: Duration) -> Option<Stop> {
        let mut stop = self.0.stop.lock();
        self.0.changed.wait_while_for(&mut stop, |stop| stop.is_none(), longest);
        *stop
    }

    /// The work must stop. The first reason stays.
    pub(super) fn set(&self, stop: Stop) {
        self.0.stop.lock().get_or_insert(stop);
        self.0.changed.notify_all();
    }
}
