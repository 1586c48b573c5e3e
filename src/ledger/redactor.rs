//! The redactor thread: it removes redacted data from the ledger's files. A redaction counts as applied only then.
//!
//! A commit that redacts leaves the old page in the WAL, and the views keep rows that were folded from the old data. The redactor
//! thread copies the WAL back, and has the views replaced by a copy of their rows, as often as it takes until no reader holds the
//! old pages. The writer thread never waits for it. After a crash the next start applies the redactions that are left.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tokio::sync::watch;

use super::commit::end_after_failed_sync;
use super::projection::{BesideError, PATIENCE, Projection};
use super::{Options, Threads};
use crate::job::Position;
use crate::sqlite::{self, ErrorKind, copy_back};

/// Pause before the next attempt, while a reader holds old pages.
const PAUSE: Duration = Duration::from_millis(10);
/// Pause after an error.
const RETRY: Duration = Duration::from_secs(1);

/// The redactions of the log, and which of them are applied to the files.
#[derive(Debug)]
pub(super) struct Redactions {
    /// The position of the newest committed redaction, or of a later event of its commit.
    recorded: AtomicU64,
    /// The newest redaction when the ledger was opened.
    found: Position,
    /// No file holds the data that redactions up to this position name.
    applied: watch::Sender<Position>,
    /// Whether the redactor thread ends.
    stop: Mutex<bool>,
    changed: Condvar,
}

impl Redactions {
    /// The redactions of a log whose newest one is `found`.
    pub(super) fn new(found: Position) -> Redactions {
        Redactions {
            recorded: AtomicU64::new(found.get()),
            found,
            applied: watch::Sender::new(Position::GENESIS),
            stop: Mutex::new(false),
            changed: Condvar::new(),
        }
    }

    /// The position of the newest committed redaction, or of a later event of its commit. An answer that was read before that
    /// commit may show redacted data.
    pub(super) fn recorded(&self) -> Position {
        Position::new(self.recorded.load(Ordering::SeqCst))
    }

    /// Notes that a commit up to `position` redacted data. The writer thread calls this before it answers.
    pub(super) fn record(&self, position: Position) {
        let _lock = self.stop.lock();
        self.recorded.fetch_max(position.get(), Ordering::SeqCst);
        self.changed.notify_all();
    }

    /// Whether every redaction is applied that was recorded before the ledger was opened.
    pub(super) fn found_are_applied(&self) -> bool {
        *self.applied.borrow() >= self.found
    }

    /// Waits up to 5 s until the redactions up to `position` are applied; `false` if they are not.
    pub(super) async fn wait_for(&self, position: Position) -> bool {
        let mut applied = self.applied.subscribe();
        let reached = applied.wait_for(|applied| *applied >= position);
        matches!(tokio::time::timeout(PATIENCE, reached).await, Ok(Ok(_)))
    }

    /// Ends the thread.
    pub(super) fn stop(&self) {
        *self.stop.lock() = true;
        self.changed.notify_all();
    }

    /// Waits for `pause`; `true` if the ledger stops.
    fn pause(&self, pause: Duration) -> bool {
        let mut stop = self.stop.lock();
        self.changed.wait_while_for(&mut stop, |stop| !*stop, pause);
        *stop
    }

    /// Waits for a redaction that is not applied, and answers the newest; `None` if the ledger stops.
    fn next(&self) -> Option<Position> {
        let idle = |stop: &mut bool| !*stop && self.recorded() <= *self.applied.borrow();
        let mut stop = self.stop.lock();
        self.changed.wait_while(&mut stop, idle);
        (!*stop).then(|| self.recorded())
    }
}

/// Why a redaction is not applied yet.
#[derive(Debug, thiserror::Error)]
enum Error {
    /// The WAL cannot be copied back.
    #[error(transparent)]
    Log(#[from] sqlite::Error),
    /// The views cannot be replaced.
    #[error(transparent)]
    Views(#[from] BesideError),
}

/// Starts the thread. With [`Options::external_copy_back`] it leaves the WAL of the log to the other program.
///
/// # Errors
///
/// The operating system refuses a thread.
pub(super) fn start(
    redactions: Arc<Redactions>,
    projection: Arc<Projection>,
    log: PathBuf,
    options: &Options,
    threads: &Threads,
) -> Result<JoinHandle<()>, std::io::Error> {
    let (external_copy_back, end) = (options.external_copy_back, options.end);
    threads.start("redactor", move || {
        while let Some(wanted) = redactions.next() {
            let mut copied_back = external_copy_back;
            loop {
                let applied = apply(&projection, &log, wanted, &mut copied_back);
                let pause = match &applied {
                    Ok(true) => {
                        redactions.applied.send_replace(wanted);
                        break;
                    }
                    Ok(false) => PAUSE,
                    Err(Error::Log(error)) if error.kind() == ErrorKind::FailedSync => end_after_failed_sync(end),
                    Err(error) => {
                        let error = error as &dyn std::error::Error;
                        tracing::error!(error, "redacted data cannot be removed from the files yet");
                        RETRY
                    }
                };
                if redactions.pause(pause) {
                    return;
                }
            }
        }
    })
}

/// Removes the data that redactions up to `wanted` name; `false` if a file may still hold it, and the caller tries again.
/// `copied_back` keeps whether the log's files are done.
fn apply(projection: &Projection, log: &Path, wanted: Position, copied_back: &mut bool) -> Result<bool, Error> {
    if !*copied_back {
        *copied_back = copy_back(log)?;
    }
    Ok(*copied_back && projection.apply_redactions(wanted)?)
}
