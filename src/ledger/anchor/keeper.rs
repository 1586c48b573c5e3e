//! The thread that brings the anchor forward. Not the writer's: a slow volume delays nobody's commit.

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

/// How often the anchor is looked at and, where there is a newer checkpoint, written. A look while nothing happens is what
/// finds a copy that signs for the same log.
const PAUSE: Duration = Duration::from_millis(250);

/// How an anchor is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Anchored {
    /// How many events the checkpoint covers that it holds; 0 as long as this process has not seen it hold a good one.
    pub size: u64,
    /// When it was last seen to hold the newest one; `None` where that was never so since the start.
    pub current: Option<Instant>,
}

/// The thread, and what it says.
pub(in crate::ledger) struct Keeper {
    anchored: Arc<Mutex<Anchored>>,
    running: Mutex<Option<(Sender<()>, JoinHandle<()>)>>,
}

impl Keeper {
    /// Brings the anchor forward to the newest checkpoint of `log`, and starts the thread that goes on with that.
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
            // Opened at the first look that succeeds: a process that is out of files now may have some later.
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

    /// How the anchor is.
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
    /// Whoever has the folder next must not find the anchor still moving.
    fn drop(&mut self) {
        self.stop();
    }
}

struct Thread {
    anchor: Anchor,
    anchored: Arc<Mutex<Anchored>>,
    metrics: Arc<Metrics>,
    files: Arc<Files>,
    /// Whether the last try failed: the log says so once.
    failing: bool,
}

impl Thread {
    /// Makes the newest checkpoint the one that the anchor holds; answers whether to go on with that.
    fn forward(&mut self, log: &Reader<'_>) -> bool {
        if self.files.gone().is_some() {
            // Another ledger may have the folder by now.
            return false;
        }
        // Read from the file as everybody reads it: what is not durable yet is not to be seen there.
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

    /// Somebody else signs for this log. Every further commit here could be one that contradicts theirs.
    fn taken(&self, error: &AnchorError, newest: &log::Published) {
        let why = format!(
            "the anchor was written by somebody else, a copy of this ledger that signs for the same log: {error}, while the \
             database has {}; stop the copy, then start this server again to see which of the two the anchor is of",
            plural(newest.size, "event", "events")
        );
        tracing::error!(why, "the anchor is somebody else's: the ledger takes no more writes");
        self.files.read_only(why);
    }

    /// It is tried again; meanwhile appends go on, and the metrics and `/readyz` tell how far the anchor is behind.
    fn failed(&mut self, error: &dyn std::error::Error) {
        self.metrics.failed_anchors.inc();
        if !std::mem::replace(&mut self.failing, true) {
            tracing::error!(error = chain(error), "the anchor is not brought forward; it is tried again and again");
        }
    }
}
