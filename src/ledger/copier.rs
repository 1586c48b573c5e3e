//! The copier thread: it copies the WAL of the log back into `log.db` while the writer thread commits.
//!
//! SQLite would copy inside a commit, and every append would wait for it. The copier thread has a connection of its own and takes
//! no lock that a commit needs. It copies in steps, so that a sync of the log's file stays short.
//!
//! A WAL begins anew only after a moment at which every frame is copied, and the copier thread never reaches that moment while
//! commits go on. So the writer thread copies the last few frames itself, between two commits.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use rusqlite::Connection;

use super::Threads;
use super::commit::end_after_failed_sync;
use crate::chain;
use crate::sqlite::{self, ErrorKind, Frames, open_to_copy};

/// Frames that wait before the copier thread copies them: 1 MiB. Longer steps make longer syncs, which delay commits.
const STEP: u64 = 250;
/// A WAL of so many frames begins anew as soon as that is cheap: 4 MiB. Writing over a short WAL is faster than letting it grow.
const LONG: u64 = 1_000;
/// Most frames that the writer thread copies between two commits: about a millisecond.
const FEW: u64 = 100;
/// Pause between two looks at the WAL, while commits go on.
const PAUSE: Duration = Duration::from_millis(10);
/// Pause after an error.
const RETRY: Duration = Duration::from_secs(1);

/// The running copier thread.
pub(super) struct CopierThread {
    pub copier: Arc<Copier>,
    thread: JoinHandle<()>,
}

impl CopierThread {
    /// Starts the thread for the log at `path`. `end` ends the process after a failed sync.
    ///
    /// # Errors
    ///
    /// The operating system refuses a thread.
    pub(super) fn start(path: &Path, end: fn() -> !, threads: &Threads) -> Result<CopierThread, std::io::Error> {
        let copier = Arc::new(Copier::default());
        let (shared, path) = (copier.clone(), path.to_owned());
        let thread = threads.start("copier", move || shared.run(&path, end))?;
        Ok(CopierThread { copier, thread })
    }

    /// Ends the thread, and waits for its end.
    pub(super) fn stop(self) {
        self.copier.stop();
        // A thread that panics ends the process.
        let _ = self.thread.join();
    }
}

/// What the writer thread and the copier thread tell each other.
#[derive(Debug, Default)]
pub(super) struct Copier {
    state: Mutex<State>,
    committed: Condvar,
    stopped: Condvar,
    /// Whether the writer thread copies the last frames.
    rest_is_due: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    /// Whether there was a commit since the copier thread last looked.
    committed: bool,
    stop: bool,
}

impl Copier {
    /// A commit has returned. Returns whether the writer thread has to copy the rest of the WAL.
    pub(super) fn committed(&self) -> bool {
        let mut state = self.state.lock();
        if !state.committed {
            state.committed = true;
            self.committed.notify_one();
        }
        self.rest_is_due.swap(false, Ordering::Relaxed)
    }

    fn stop(&self) {
        self.state.lock().stop = true;
        self.committed.notify_all();
        self.stopped.notify_all();
    }

    fn run(&self, path: &Path, end: fn() -> !) {
        let mut conn = None;
        let mut pause = PAUSE;
        while self.next(pause) {
            pause = match self.look(path, &mut conn) {
                Ok(()) => PAUSE,
                Err(error) if error.kind() == ErrorKind::FailedSync => end_after_failed_sync(end),
                Err(error) => {
                    tracing::error!(error = chain(&error), "the WAL cannot be copied back into the log yet");
                    conn = None;
                    RETRY
                }
            };
        }
    }

    /// Waits for `pause`, and then for a commit; `false` if the ledger stops.
    fn next(&self, pause: Duration) -> bool {
        let mut state = self.state.lock();
        self.stopped.wait_while_for(&mut state, |state| !state.stop, pause);
        self.committed.wait_while(&mut state, |state| !state.committed && !state.stop);
        state.committed = false;
        !state.stop
    }

    /// Copies a step, if one is there.
    fn look(&self, path: &Path, conn: &mut Option<Connection>) -> Result<(), sqlite::Error> {
        let conn = match conn {
            Some(conn) => conn,
            none => none.insert(open_to_copy(path)?),
        };
        let mut frames = Frames::count(conn)?;
        if frames.left() >= STEP {
            frames = Frames::copy(conn)?;
        }
        if frames.in_wal >= LONG && frames.left() <= FEW {
            self.rest_is_due.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}
