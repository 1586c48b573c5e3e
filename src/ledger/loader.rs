//! The loader thread folds long jobs from the log, so that the writer thread does not.
//!
//! The writer decides from the log alone: the views can be edited or damaged, and what the writer decides is signed. It folds
//! a short history itself. A request for a long job that the writer does not hold in memory goes to the loader and comes
//! back to the queue with the job.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use tokio::sync::mpsc;

use super::append::{AppendError, Request};
use super::{Metrics, Threads};
use crate::job::{Job, JobKey, Position};
use crate::log::{self, Reader};
use crate::views::{self, fold_job};

/// Most events of a job that the writer thread folds itself: about a millisecond.
pub(super) const SHORT: u64 = 500;

/// The way to the loader thread. The thread ends when this is dropped.
pub(super) struct Loader(Sender<Request>);

impl Loader {
    /// Starts the thread for the log at `path`. Requests go back to `queue`.
    ///
    /// # Errors
    ///
    /// The operating system refuses a thread.
    pub(super) fn start(
        path: PathBuf,
        queue: mpsc::WeakSender<Request>,
        metrics: Arc<Metrics>,
        threads: &Threads,
    ) -> Result<(Loader, JoinHandle<()>), std::io::Error> {
        let (sender, requests) = channel();
        let thread = Thread { path, queue, metrics };
        let thread = threads.start("loader", move || thread.run(&requests))?;
        Ok((Loader(sender), thread))
    }

    /// Has the request's long jobs folded. Never waits.
    pub(super) fn load(&self, request: Request) {
        if let Err(unsent) = self.0.send(request) {
            let _ = unsent.0.answer.send(Err(AppendError::Stopping));
        }
    }
}

struct Thread {
    path: PathBuf,
    queue: mpsc::WeakSender<Request>,
    metrics: Arc<Metrics>,
}

impl Thread {
    fn run(&self, requests: &Receiver<Request>) {
        while let Ok(first) = requests.recv() {
            // Requests for one job often wait together: the job is folded once for all of them.
            let waiting: Vec<Request> = std::iter::once(first).chain(requests.try_iter()).collect();
            let mut folded = HashMap::new();
            for request in waiting {
                self.answer(request, &mut folded);
            }
        }
    }

    fn answer(&self, mut request: Request, folded: &mut HashMap<JobKey, Option<Job>>) {
        if let Err(error) = self.fold(&request, folded) {
            // The writer meets the same error, and answers the request.
            tracing::warn!(error = &error as &dyn std::error::Error, "the loader cannot fold a job");
        }
        let mut jobs: Vec<JobKey> = request.jobs().collect();
        jobs.sort_unstable();
        jobs.dedup();
        request.folded = Some(jobs.iter().filter_map(|key| folded.get(key).cloned().flatten()).collect());
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

    fn fold(&self, request: &Request, folded: &mut HashMap<JobKey, Option<Job>>) -> Result<(), views::Error> {
        let conn = Reader::open(&self.path)?;
        let log = Reader::new(&conn);
        for key in request.jobs() {
            if !folded.contains_key(&key) && is_long(&log, &key)? {
                let job = fold_job(&log, &key, None, Position::MAX)?;
                folded.insert(key, job);
            }
        }
        Ok(())
    }
}

/// Whether the job has too many events for the writer thread to fold.
pub(super) fn is_long(log: &Reader<'_>, key: &JobKey) -> Result<bool, log::Error> {
    match log.stream(key.org, &key.id)? {
        Some(stream) => log.is_longer_than(stream, SHORT),
        None => Ok(false),
    }
}
