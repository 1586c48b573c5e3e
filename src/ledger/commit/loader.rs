//! The loader thread folds long jobs from the log, so that the writer thread does not.
//!
//! The writer decides from the log alone: the views can be edited or damaged, and what the writer decides is signed. It folds
//! a short history itself. A request for a long job that the writer does not hold in memory goes to the loader and comes
//! back to the queue with the job.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use tokio::sync::mpsc;

use crate::history::{self, fold_job};
use crate::job::{Job, JobKey, Position};
use crate::ledger::append::{AppendError, Folded, Request};
use crate::ledger::{Metrics, Threads};
use crate::log::{self, Reader};

/// Most events of a job that the writer thread folds itself: about a millisecond.
pub(in crate::ledger) const SHORT: u64 = 500;
/// Jobs that do not fold and are remembered.
const UNFOLDABLE: usize = 10_000;

/// The way to the loader thread. The thread ends when this is dropped.
pub(in crate::ledger) struct Loader(Sender<Request>);

impl Loader {
    /// Starts the thread for the log at `path`. Requests go back to `queue`.
    ///
    /// # Errors
    ///
    /// The operating system refuses a thread.
    pub(in crate::ledger) fn start(
        path: PathBuf,
        queue: mpsc::WeakSender<Request>,
        metrics: Arc<Metrics>,
        threads: &Threads,
    ) -> Result<(Loader, JoinHandle<()>), std::io::Error> {
        let (sender, requests) = channel();
        let mut thread = Thread { path, queue, metrics, unfoldable: HashSet::new() };
        let thread = threads.start("loader", move || thread.run(&requests))?;
        Ok((Loader(sender), thread))
    }

    /// Has the request's long jobs folded. Never waits.
    pub(in crate::ledger) fn load(&self, request: Request) {
        if let Err(unsent) = self.0.send(request) {
            let _ = unsent.0.answer.send(Err(AppendError::Stopping));
        }
    }
}

struct Thread {
    path: PathBuf,
    queue: mpsc::WeakSender<Request>,
    metrics: Arc<Metrics>,
    /// Long jobs whose events do not fold.
    unfoldable: HashSet<JobKey>,
}

impl Thread {
    fn run(&mut self, requests: &Receiver<Request>) {
        while let Ok(first) = requests.recv() {
            // Requests for one job often wait together. The first one brings the job to the writer for all of them.
            let mut brought = HashSet::new();
            for mut request in std::iter::once(first).chain(requests.try_iter()) {
                // A ledger that stops waits for no fold.
                if self.queue.strong_count() > 0 {
                    request.folded = Some(self.fold(&request, &mut brought));
                }
                self.give_back(request);
            }
        }
    }

    fn give_back(&self, request: Request) {
        let Some(queue) = self.queue.upgrade() else {
            let _ = request.answer.send(Err(AppendError::Stopping));
            return;
        };
        self.metrics.queued.inc();
        // The writer never waits for this thread, so a full queue empties.
        if let Err(unsent) = queue.blocking_send(request) {
            let _ = unsent.0.answer.send(Err(AppendError::Stopping));
        }
    }

    fn fold(&mut self, request: &Request, brought: &mut HashSet<JobKey>) -> Folded {
        let mut folded = Folded::default();
        for key in request.jobs() {
            if self.unfoldable.contains(&key) {
                folded.unfoldable.push(key);
            } else if brought.insert(key.clone()) {
                match self.fold_long(&key) {
                    Ok(job) => folded.jobs.extend(job),
                    Err(error) if error.unfoldable().is_some() => self.note_unfoldable(key, &error, &mut folded),
                    // The writer meets the same error, and answers the request.
                    Err(error) => {
                        tracing::warn!(error = &error as &dyn std::error::Error, "the loader cannot fold a job");
                    }
                }
            }
        }
        folded
    }

    /// The job, if it is long.
    fn fold_long(&self, key: &JobKey) -> Result<Option<Job>, history::Error> {
        let conn = Reader::open(&self.path)?;
        let log = Reader::new(&conn);
        if is_long(&log, key)? { fold_job(&log, key, None, Position::MAX) } else { Ok(None) }
    }

    /// Events never change, so a job that does not fold is not folded again.
    fn note_unfoldable(&mut self, key: JobKey, error: &history::Error, folded: &mut Folded) {
        tracing::error!(error = error as &dyn std::error::Error, job = %key.id, "a job cannot be read");
        if self.unfoldable.len() < UNFOLDABLE {
            self.unfoldable.insert(key.clone());
        }
        folded.unfoldable.push(key);
    }
}

/// Whether the job has too many events for the writer thread to fold.
pub(in crate::ledger) fn is_long(log: &Reader<'_>, key: &JobKey) -> Result<bool, log::Error> {
    match log.stream(key.org, &key.id)? {
        Some(stream) => log.is_longer_than(stream, SHORT),
        None => Ok(false),
    }
}
