//! The thread that brings the anchor forward. It is not the writer thread, so that a slow volume delays no commit.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::file::{Anchor, AnchorError};
use crate::chain;
use crate::job::plural;
use crate::ledger::folder::Files;
use crate::ledger::{Metrics, OpenError, Threads};
use crate::log::{self, Reader};

/// Pause between two looks at the anchor. A look writes a newer checkpoint, and finds a copy of the ledger that signs for the
/// same log, even while this ledger is idle.
const PAUSE: Duration = Duration::from_millis(250);

/// The state of an anchor.
#[derive(Debug, Clone, Copy, Default)]
pub struct Anchored {
    /// How many events the anchor's checkpoint covers; 0 until this process has written or confirmed one.
    pub size: u64,
    /// When the anchor last held the newest checkpoint; `None` if it has not since the start.
    pub current: Option<Instant>,
}

/// The thread, and the state that it reports.
pub(in crate::ledger) struct Keeper {
    anchored: Arc<Mutex<Anchored>>,
    running: Mutex<Option<(Sender<()>, JoinHandle<()>)>>,
}

impl Keeper {
    /// Brings the anchor forward to the newest checkpoint of `log`, and starts the thread that continues.
    ///
    /// # Errors
    ///
    /// The operating system refuses a thread.
    pub(in crate::ledger) fn start(
        anchor: Anchor,
        log: &Reader<'_>,
        path: &Path,
        metrics: Arc<Metrics>,
        files: Arc<Files>,
        threads: &Threads,
    ) -> Result<Keeper, OpenError> {
        let anchored = Arc::new(Mutex::new(Anchored::default()));
        let mut thread = Thread { anchor, anchored: anchored.clone(), metrics, files, failing: false };
        let (stop, stopped) = channel::<()>();
        let path = path.to_owned();
        let mut goes_on = thread.forward(log);
        let run = move || {
            // Opened at the first look that succeeds: the process may be out of file descriptors for a while.
            let mut conn = None;
            while goes_on {
                let ends = stopped.recv_timeout(PAUSE) == Err(RecvTimeoutError::Disconnected);
                if conn.is_none() {
                    conn = Reader::open(&path).inspect_err(|error| thread.failed(error)).ok();
                }
                goes_on = conn.as_ref().is_none_or(|conn| thread.forward(&Reader::new(conn))) && !ends;
            }
        };
        let thread = threads.start("anchor", run).map_err(OpenError::Thread)?;
        Ok(Keeper { anchored, running: Mutex::new(Some((stop, thread))) })
    }

    /// The state of the anchor.
    pub(in crate::ledger) fn anchored(&self) -> Anchored {
        *self.anchored.lock()
    }

    /// Brings the anchor forward once more, and ends the thread.
    pub(in crate::ledger) fn stop(&self) {
        let Some((stop, thread)) = self.running.lock().take() else { return };
        drop(stop);
        // A thread that panics ends the process and never gets here.
        let _ = thread.join();
    }
}

impl Drop for Keeper {
    /// The next process that takes the folder must not meet this thread's writes.
    fn drop(&mut self) {
        self.stop();
    }
}

struct Thread {
    anchor: Anchor,
    anchored: Arc<Mutex<Anchored>>,
    metrics: Arc<Metrics>,
    files: Arc<Files>,
    /// Whether the last attempt failed. Only the first failure of a series is logged.
    failing: bool,
}

impl Thread {
    /// Puts the newest checkpoint into the anchor; answers whether the thread continues.
    fn forward(&mut self, log: &Reader<'_>) -> bool {
        if self.files.are_lost() {
            // Another ledger may hold the folder by now.
            return false;
        }
        // A read connection sees committed checkpoints alone, and only a durable one may leave the database.
        let newest = match log.checkpoint() {
            Ok(Some(newest)) => newest,
            Ok(None) => return true,
            Err(error) => {
                self.failed(&error);
                return true;
            }
        };
        match self.anchor.put(&newest.note) {
            Ok(()) => {
                *self.anchored.lock() = Anchored { size: newest.size.get(), current: Some(Instant::now()) };
                if std::mem::take(&mut self.failing) {
                    tracing::info!("the anchor is written again");
                }
                true
            }
            Err(error @ AnchorError::Taken { .. }) => {
                self.taken(&error, &newest);
                false
            }
            Err(error) => {
                self.failed(&error);
                true
            }
        }
    }

    /// Stops writes: a copy of this ledger signs for the same log, and a further commit here could contradict the copy's.
    fn taken(&self, error: &AnchorError, newest: &log::Published) {
        let why = format!(
            "the anchor was written by another process, a copy of this ledger that signs for the same log: {error}, while the \
             database has {}; stop the copy, then start this server again to see which of the two the anchor is of",
            plural(newest.size, "event", "events")
        );
        tracing::error!(why, "another process writes the anchor: the ledger takes no more writes");
        self.files.read_only(why);
    }

    /// The next look tries again. Meanwhile appends continue, and the metrics and `/readyz` show how far the anchor is behind.
    fn failed(&mut self, error: &dyn std::error::Error) {
        self.metrics.failed_anchors.inc();
        if !std::mem::replace(&mut self.failing, true) {
            tracing::error!(error = chain(error), "the anchor is not brought forward; it is tried again and again");
        }
    }
}
