//! The loader thread folds long jobs from the log, so that the writer thread does not wait for them.
//!
//! The writer thread folds a short job itself. An append to a long job that the writer thread does not hold in memory goes to the
//! loader thread, and comes back to the queue with the job.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use tokio::sync::mpsc;

use crate::history::{self, fold_job};
use crate::job::{Job, JobKey, Position};
use crate::ledger::append::{AppendError, PreparedAppend, Queued};
use crate::ledger::{Metrics, Threads};
use crate::log::Reader;

/// Most events of a job that the writer thread folds itself: about a millisecond.
pub(super) const SHORT: u64 = 500;
/// Most jobs that the loader thread remembers as unfoldable.
const UNFOLDABLE: usize = 10_000;

/// The way to the loader thread. The thread ends when this is dropped.
pub(in crate::ledger) struct Loader(Sender<Queued>);

impl Loader {
    /// Starts the thread for the log at `path`. The loader thread puts appends back into `queue`.
    ///
    /// # Errors
    ///
    /// The operating system refuses a thread.
    pub(in crate::ledger) fn start(
        path: PathBuf,
        queue: mpsc::WeakSender<Queued>,
        metrics: Arc<Metrics>,
        threads: &Threads,
    ) -> Result<(Loader, JoinHandle<()>), std::io::Error> {
        let (sender, appends) = channel();
        let mut thread = Thread { path, queue, metrics, unfoldable: HashSet::new() };
        let thread = threads.start("loader", move || thread.run(&appends))?;
        Ok((Loader(sender), thread))
    }

    /// Has the append's long jobs folded. Never waits.
    pub(super) fn load(&self, queued: Queued) {
        if let Err(unsent) = self.0.send(queued) {
            unsent.0.waiting.answer(Err(AppendError::Stopping));
        }
    }
}

struct Thread {
    path: PathBuf,
    queue: mpsc::WeakSender<Queued>,
    metrics: Arc<Metrics>,
    /// Long jobs whose events do not fold.
    unfoldable: HashSet<JobKey>,
}

impl Thread {
    fn run(&mut self, appends: &Receiver<Queued>) {
        while let Ok(first) = appends.recv() {
            // Appends to one job often wait together. The first one brings the job to the writer thread for all of them.
            let mut brought = HashSet::new();
            for mut queued in std::iter::once(first).chain(appends.try_iter()) {
                // A ledger that stops waits for no fold.
                if self.queue.strong_count() > 0 {
                    queued.loaded = Some(self.fold(&mut queued.append, &mut brought));
                }
                self.give_back(queued);
            }
        }
    }

    fn give_back(&self, queued: Queued) {
        let Some(queue) = self.queue.upgrade() else {
            return queued.waiting.answer(Err(AppendError::Stopping));
        };
        self.metrics.queued.inc();
        // The writer thread never waits for this thread, so a full queue empties.
        if let Err(unsent) = queue.blocking_send(queued) {
            unsent.0.waiting.answer(Err(AppendError::Stopping));
        }
    }

    /// Folds the append's long jobs, except those that an earlier append brings along. Notes in the append which jobs do not fold.
    fn fold(&mut self, append: &mut PreparedAppend, brought: &mut HashSet<JobKey>) -> Vec<Job> {
        let (mut folded, mut unfoldable) = (Vec::new(), Vec::new());
        for key in append.jobs() {
            if self.unfoldable.contains(&key) {
                unfoldable.push(key);
            } else if brought.insert(key.clone()) {
                match self.fold_long(&key) {
                    Ok(job) => folded.extend(job),
                    Err(error) if error.unfoldable().is_some() => {
                        self.note_unfoldable(&key, &error);
                        unfoldable.push(key);
                    }
                    // The writer thread meets the same error, and answers the append.
                    Err(error) => {
                        tracing::warn!(error = &error as &dyn std::error::Error, "the loader cannot fold a job");
                    }
                }
            }
        }
        append.unfoldable = unfoldable;
        folded
    }

    /// The job, if it is long.
    fn fold_long(&self, key: &JobKey) -> Result<Option<Job>, history::Error> {
        let conn = Reader::open(&self.path)?;
        let log = Reader::new(&conn);
        let is_long = match log.stream(key.org, &key.id)? {
            Some(row) => log.is_longer_than(row, SHORT)?,
            None => false,
        };
        if is_long { fold_job(&log, key, None, Position::MAX) } else { Ok(None) }
    }

    /// Remembers a job that does not fold. Events never change, so the loader thread does not fold it again.
    fn note_unfoldable(&mut self, key: &JobKey, error: &history::Error) {
        tracing::error!(error = error as &dyn std::error::Error, job = %key.id, "a job cannot be read");
        if self.unfoldable.len() < UNFOLDABLE {
            self.unfoldable.insert(key.clone());
        }
    }
}
