//! Erased for good: what a redaction took out of the log is taken out of the files, and only then it counts as done.
//!
//! A commit that erases leaves the old page in the WAL, and the views what they knew. A thread of its own cuts the WAL and has
//! the views copied, as often as it takes until nobody reads what is to go; the writer never waits for it. A process that
//! dies in between does the rest at its next start.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tokio::sync::watch;

use super::commit::after_failed_sync;
use super::projection::{PATIENCE, Projection};
use super::{Options, Threads};
use crate::chain;
use crate::job::Position;
use crate::sqlite::{ErrorKind, copy_back};

/// Pause before the next try, while somebody reads.
const PAUSE: Duration = Duration::from_millis(10);
/// Pause after an error.
const RETRY: Duration = Duration::from_secs(1);

/// Which erasures are recorded, and which of them are done.
#[derive(Debug)]
pub(super) struct Erasures {
    /// The newest redaction that is committed.
    recorded: AtomicU64,
    /// The newest one when the ledger was opened.
    found: Position,
    /// What was erased up to here is in no file any more.
    done: watch::Sender<Position>,
    /// Whether to stop.
    stop: Mutex<bool>,
    changed: Condvar,
}

impl Erasures {
    /// Of a log whose newest redaction is `found`.
    pub(super) fn new(found: Position) -> Erasures {
        Erasures {
            recorded: AtomicU64::new(found.get()),
            found,
            done: watch::Sender::new(Position::GENESIS),
            stop: Mutex::new(false),
            changed: Condvar::new(),
        }
    }

    /// The newest redaction; what was read before it was recorded may show what is gone.
    pub(super) fn recorded(&self) -> Position {
        Position::new(self.recorded.load(Ordering::SeqCst))
    }

    /// A commit up to `position` erased something. Comes before anybody is answered.
    pub(super) fn record(&self, position: Position) {
        let _lock = self.stop.lock();
        self.recorded.fetch_max(position.get(), Ordering::SeqCst);
        self.changed.notify_all();
    }

    /// Whether everything is done that was recorded before the ledger was opened.
    pub(super) fn made_good(&self) -> bool {
        *self.done.borrow() >= self.found
    }

    /// Waits until what was erased up to `position` is in no file any more; `false` when that takes too long.
    pub(super) async fn wait_for(&self, position: Position) -> bool {
        let mut done = self.done.subscribe();
        let reached = done.wait_for(|done| *done >= position);
        matches!(tokio::time::timeout(PATIENCE, reached).await, Ok(Ok(_)))
    }

    /// Ends the thread.
    pub(super) fn stop(&self) {
        *self.stop.lock() = true;
        self.changed.notify_all();
    }

    /// Rests for `pause`; `true` when the ledger stops.
    fn rests(&self, pause: Duration) -> bool {
        let mut stop = self.stop.lock();
        self.changed.wait_while_for(&mut stop, |stop| !*stop, pause);
        *stop
    }

    /// The newest redaction that is not done, once there is one; `None` when the ledger stops.
    fn next(&self) -> Option<Position> {
        let idle = |stop: &mut bool| !*stop && self.recorded() <= *self.done.borrow();
        let mut stop = self.stop.lock();
        self.changed.wait_while(&mut stop, idle);
        (!*stop).then(|| self.recorded())
    }
}

/// Starts the thread. With [`Options::external_copy_back`] the WAL of the log is somebody else's to cut.
pub(super) fn start(
    erasures: Arc<Erasures>,
    projection: Arc<Projection>,
    log: PathBuf,
    options: &Options,
    threads: &Threads,
) -> Result<std::thread::JoinHandle<()>, std::io::Error> {
    let (external_copy_back, end) = (options.external_copy_back, options.end);
    threads.start("eraser", move || {
        while let Some(wanted) = erasures.next() {
            let mut cut = external_copy_back;
            loop {
                let gone = gone(&projection, &log, wanted, &mut cut, end);
                match &gone {
                    Ok(true) => {
                        erasures.done.send_replace(wanted);
                        break;
                    }
                    Ok(false) => {}
                    Err(why) => tracing::error!(why, "what was erased cannot be taken out of the files yet"),
                }
                if erasures.rests(if gone.is_ok() { PAUSE } else { RETRY }) {
                    return;
                }
            }
        }
    })
}

/// Whether what was erased up to `wanted` is in no file any more; `cut` keeps whether the log's are done.
fn gone(
    projection: &Projection,
    log: &std::path::Path,
    wanted: Position,
    cut: &mut bool,
    end: fn() -> !,
) -> Result<bool, String> {
    if !*cut {
        *cut = copy_back(log).map_err(|error| {
            if error.kind() == ErrorKind::FailedSync {
                after_failed_sync(end);
            }
            chain(&error)
        })?;
    }
    Ok(*cut && projection.apply_redactions(wanted).map_err(|error| chain(&error))?)
}
