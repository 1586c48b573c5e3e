//! The bounded queue to the writer thread, and the wait for its answer.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::{Append, AppendError, Appended, PreparedAppend, PreparedEvent};
use crate::blocking::off_thread;
use crate::job::{Event, Job};
use crate::ledger::Ledger;
use crate::ledger::read::INLINE;
use crate::memory::Budget;
use crate::wire::Incoming;

/// Bytes that an event takes besides its data, about.
pub(in crate::ledger) const ROW_BYTES: usize = 512;
/// Events that the views may be behind before appends wait for the projector.
const VIEW_LAG: u64 = 50_000;

/// The sending end of the writer thread's queue.
pub(in crate::ledger) struct Queue {
    /// `None` once the ledger stops.
    sender: Mutex<Option<mpsc::Sender<Queued>>>,
    again: mpsc::WeakSender<Queued>,
    /// The bytes of appends that may still join the queue.
    room: Arc<Semaphore>,
    budget: Budget,
}

/// An append in the queue.
pub(in crate::ledger) struct Queued {
    pub append: PreparedAppend,
    /// The append's long jobs, as the loader thread folded them; `None` before the loader thread has seen the append. A job that
    /// an earlier append brings along is left out.
    pub loaded: Option<Vec<Job>>,
    pub waiting: Waiting,
}

/// The caller that waits for the answer to an append.
pub(in crate::ledger) struct Waiting {
    answer: oneshot::Sender<Result<Appended, AppendError>>,
    /// Gives the append's bytes back to the queue's budget when the append is answered.
    _bytes: OwnedSemaphorePermit,
}

impl Waiting {
    /// Answers the caller. A caller that disconnected does not matter: its events are in the log.
    pub(in crate::ledger) fn answer(self, answer: Result<Appended, AppendError>) {
        let _ = self.answer.send(answer);
    }
}

impl Queue {
    /// A queue for at most `capacity` appends of at most `budget` bytes together, and its receiving end.
    pub(in crate::ledger) fn new(capacity: usize, budget: Budget) -> (Queue, mpsc::Receiver<Queued>) {
        let (sender, receiver) = mpsc::channel(capacity);
        let again = sender.downgrade();
        let room = Arc::new(Semaphore::new(budget.limit()));
        (Queue { sender: Mutex::new(Some(sender)), again, room, budget }, receiver)
    }

    /// Takes no more appends. The receiving end closes when the queue is empty.
    pub(in crate::ledger) fn stop(&self) {
        self.sender.lock().take();
    }

    /// A sender that does not keep the queue open, for an append that comes back to the queue.
    pub(in crate::ledger) fn weak_sender(&self) -> mpsc::WeakSender<Queued> {
        self.again.clone()
    }

    /// The sending end; `None` after [`Queue::stop`].
    fn sender(&self) -> Option<mpsc::Sender<Queued>> {
        self.sender.lock().clone()
    }

    /// Room for an append of so many bytes; an empty queue has room for every append.
    fn reserve(&self, bytes: usize) -> Result<OwnedSemaphorePermit, AppendError> {
        let bytes = u32::try_from(bytes.min(self.budget.limit())).unwrap_or(u32::MAX);
        self.room.clone().try_acquire_many_owned(bytes).map_err(|_| AppendError::Overloaded)
    }

    /// Notes the bytes in the queue for `/metrics`.
    pub(in crate::ledger) fn note_held(&self) {
        self.budget.hold(self.budget.limit().saturating_sub(self.room.available_permits()));
    }
}

impl Ledger {
    /// Appends events, all or none, and returns when they are durable.
    ///
    /// # Errors
    ///
    /// An [`AppendError`]: the rules reject the append, the ledger cannot take it now, or its outcome is unknown.
    pub async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        append.events.iter().flat_map(|event| &event.masked).for_each(|rule| self.metrics().stopped(rule));
        if let Some(why) = self.read_only() {
            return Err(AppendError::ReadOnly(why.to_owned()));
        }
        if append.guard.is_some() && !append.is_of_one_job() {
            return Err(AppendError::GuardOnMany);
        }
        self.inner.projection.wait_for_lag(self.head(), VIEW_LAG).await?;
        let redactions = redactions(&append.events);
        let appended = self.enqueue(append).await?.await.unwrap_or(Err(AppendError::OutcomeUnknown))?;
        match redactions.iter().map(|index| appended.events[*index].position).max() {
            Some(position) if !self.inner.redactions.wait_for(position).await => {
                Err(AppendError::RedactionPending { position: appended.position() })
            }
            _ => Ok(appended),
        }
    }

    /// Computes what needs no position, and puts the append into the queue. The answer's sender is dropped unused if the writer
    /// thread ends before it answers.
    async fn enqueue(&self, append: Append) -> Result<oneshot::Receiver<Result<Appended, AppendError>>, AppendError> {
        let Append { org, actor, events, guard, lease } = append;
        let bytes: usize = events.iter().map(|event| event.data.len()).sum();
        let reserved = self.inner.queue.reserve(bytes + events.len() * ROW_BYTES)?;
        let prepare = move || Ok::<Vec<_>, AppendError>(events.into_iter().map(PreparedEvent::new).collect());
        let events = if bytes > INLINE { off_thread(prepare).await? } else { prepare()? };
        let (answer, answered) = oneshot::channel();
        let append = PreparedAppend { org, actor, events, guard, lease, unfoldable: Vec::new() };
        let queued = Queued { append, loaded: None, waiting: Waiting { answer, _bytes: reserved } };
        let sender = self.inner.queue.sender().ok_or(AppendError::Stopping)?;
        // Counted first: the writer thread may take the append at once, and the gauge never shows less than 0.
        self.metrics().queued.inc();
        sender.try_send(queued).map_err(|error| {
            self.metrics().queued.dec();
            match error {
                TrySendError::Full(_) => AppendError::Overloaded,
                TrySendError::Closed(_) => AppendError::Stopping,
            }
        })?;
        Ok(answered)
    }
}

/// The indexes of the events that redact another event.
fn redactions(events: &[Incoming]) -> Vec<usize> {
    let redacts = |(_, event): &(usize, &Incoming)| matches!(event.event, Event::Redacted(_));
    events.iter().enumerate().filter(redacts).map(|(index, _)| index).collect()
}
