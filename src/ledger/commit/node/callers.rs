//! The callers that wait while a message is on its way into the stream.

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::ledger::Metrics;
use crate::ledger::append::{AppendError, Queued, Waiting};
use crate::ledger::commit::thread::refuse;

/// The callers of the appends in a commit, and those behind it in the queue.
pub(super) struct Callers<'q> {
    waiting: Vec<Waiting>,
    queue: &'q mut mpsc::Receiver<Queued>,
    metrics: Arc<Metrics>,
}

impl<'q> Callers<'q> {
    /// The callers of a commit, `waiting`, and those in `queue`.
    pub(super) fn new(
        waiting: Vec<Waiting>,
        queue: &'q mut mpsc::Receiver<Queued>,
        metrics: &Arc<Metrics>,
    ) -> Callers<'q> {
        Callers { waiting, queue, metrics: metrics.clone() }
    }

    /// Whether the ledger closes.
    pub(super) fn are_closing(&self) -> bool {
        self.queue.is_closed()
    }

    /// Answers every caller, because the message takes too long. The stream may have the commit. It has nothing of the appends in the
    /// queue: the node has not sent them.
    pub(super) fn wait_no_longer(&mut self) {
        refuse(std::mem::take(&mut self.waiting), || AppendError::OutcomeUnknown);
        while let Ok(Queued { waiting, .. }) = self.queue.try_recv() {
            self.metrics.queued.dec();
            waiting.answer(Err(AppendError::EarlierOpen));
        }
    }

    /// The callers of the commit; none after [`Callers::wait_no_longer`].
    pub(super) fn of_commit(self) -> Vec<Waiting> {
        self.waiting
    }
}
