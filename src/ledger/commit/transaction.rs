//! The state that the writer thread keeps between commits, and the transaction of one commit.

use super::checker::Checker;
use super::jobs::Jobs;
use super::seal::{Seal, SealError, Signed, grow};
use super::stamp::Stamp;
use crate::job::{Event, Position, Time};
use crate::ledger::Clock;
use crate::ledger::admission::{self, Admission, Written};
use crate::ledger::append::{AppendError, Appended, PreparedAppend, Queued};
use crate::ledger::node::body_of_events;
use crate::ledger::projection::CommittedFacts;
use crate::log::{self, LoggedMessage, Reader, Writer};
use crate::memory::Budget;
use crate::tree::Frontier;

/// The log as the writer thread knows it.
pub(super) struct WriterState {
    log: Writer,
    /// The newest committed position.
    head: Position,
    /// When the newest committed event was recorded.
    recorded: Time,
    jobs: Jobs,
}

impl WriterState {
    /// The state of the log in the file. `jobs` is the memory for jobs.
    pub(super) fn new(log: Writer, jobs: Budget) -> Result<WriterState, log::Error> {
        let start = Time::from_micros(0);
        let mut state = WriterState { log, head: Position::GENESIS, recorded: start, jobs: Jobs::new(jobs) };
        state.reload()?;
        Ok(state)
    }

    /// Rolls back the open transaction, evicts every job, and reads the head again: after a commit that failed, only the file
    /// knows the outcome.
    pub(super) fn reload(&mut self) -> Result<(), log::Error> {
        self.log.rollback()?;
        self.jobs.clear();
        let reader = self.log.reader();
        self.head = reader.head()?;
        self.recorded = reader.recorded(self.head)?.unwrap_or(Time::from_micros(0));
        Ok(())
    }

    /// The log, for rows that another node decided.
    pub(super) fn log(&mut self) -> &mut Writer {
        &mut self.log
    }

    /// Goes on after a commit of rows that another node decided. No job in memory has them.
    pub(super) fn followed(&mut self, head: Position, recorded: Time) {
        (self.head, self.recorded) = (head, recorded);
        self.jobs.clear();
    }

    /// The newest committed position.
    pub(super) fn head(&self) -> Position {
        self.head
    }

    /// Reads the log through the writing connection.
    pub(super) fn reader(&self) -> Reader<'_> {
        self.log.reader()
    }

    /// Whether the jobs of an append can be decided on in a commit; `false` if the loader thread has to fold one first.
    pub(super) fn is_ready(&mut self, queued: &mut Queued) -> Result<bool, log::Error> {
        self.jobs.are_ready(&self.log.reader(), queued)
    }

    /// Copies what is left of the WAL back into the log.
    pub(super) fn copy_back(&self) -> Result<(), log::Error> {
        self.log.copy_back()
    }

    /// Begins a commit.
    pub(super) fn begin(&mut self, clock: &Clock) -> Result<Transaction<'_>, log::Error> {
        self.log.begin()?;
        let stamp = Stamp::new(clock(), self.recorded);
        Ok(Transaction { head: self.head, stamp, written: Vec::new(), answers: Vec::new(), state: self })
    }
}

/// An open commit. It changes the jobs in memory, so after an error [`WriterState::reload`] has to follow.
pub(super) struct Transaction<'s> {
    state: &'s mut WriterState,
    stamp: Stamp,
    /// The newest position, with the events of this commit.
    head: Position,
    /// The events of this commit.
    written: Vec<Written>,
    /// The answers to the appends of this commit, in order.
    answers: Vec<Result<Appended, AppendError>>,
}

/// A commit that has returned.
pub(super) struct Committed {
    /// The answers to the appends, in order.
    pub answers: Vec<Result<Appended, AppendError>>,
    /// How many events the commit added to the log.
    pub events: u64,
    /// The facts of the new events.
    pub facts: CommittedFacts,
    /// Whether the commit redacted data. The projector then has to read the log, because only the log holds the residue.
    pub redacted: bool,
}

impl Transaction<'_> {
    /// The position of the first event of the commit.
    pub(super) fn first(&self) -> Position {
        self.state.head.next()
    }

    /// Decides one append, all of its events or none.
    ///
    /// # Errors
    ///
    /// The log failed, and the commit with it. A refusal is an answer.
    pub(super) fn admit(&mut self, mut append: PreparedAppend) -> Result<(), log::Error> {
        let events = std::mem::take(&mut append.events);
        // A single event is written after everything is decided, so only several events need a savepoint.
        let several = events.len() > 1;
        let WriterState { log, jobs, .. } = &mut *self.state;
        if several {
            log.savepoint()?;
        }
        let (stamp, append, written) = (&self.stamp, &append, Vec::with_capacity(events.len()));
        let mut admission = Admission { log, jobs, stamp, append, head: self.head, before: self.head, written };
        let answer = match admission.admit(events) {
            Ok(events) => {
                if several {
                    admission.log.release()?;
                }
                self.head = admission.head;
                self.written.append(&mut admission.written);
                Ok(Appended { events })
            }
            Err(admission::Error::Refused(refusal)) => {
                if several {
                    admission.log.rollback_to_savepoint()?;
                    admission.written.iter().for_each(|written| admission.jobs.evict(&written.fact.key));
                }
                Err(refusal)
            }
            Err(admission::Error::Log(error)) => return Err(error),
        };
        self.answers.push(answer);
        Ok(())
    }

    /// Signs and commits what the transaction holds.
    ///
    /// # Errors
    ///
    /// The log failed, so the outcome is unknown, or the tree is in doubt, so the transaction is still open.
    pub(super) fn commit(self, seal: &mut Seal, checker: &Checker) -> Result<Committed, SealError> {
        match self.grow(seal)? {
            Some(edge) => self.finish(seal, checker, edge, None),
            None => self.end_without_events().map_err(SealError::Log),
        }
    }

    /// Grows the tree by the events of the commit; `None` if there are none.
    pub(super) fn grow(&self, seal: &Seal) -> Result<Option<Frontier>, SealError> {
        if self.written.is_empty() {
            return Ok(None);
        }
        let leaves = self.written.iter().map(|written| written.leaf.as_slice());
        grow(&self.state.log, seal.edge(), leaves).map(Some)
    }

    /// Ends a commit without events: every answer rests on events that are durable already.
    pub(super) fn end_without_events(self) -> Result<Committed, log::Error> {
        self.state.log.rollback()?;
        Ok(Committed { answers: self.answers, events: 0, facts: CommittedFacts::default(), redacted: false })
    }

    /// The events as the nodes of a cluster store them, under the tree that ends with `edge`.
    pub(super) fn body(&self, edge: &Frontier) -> Result<Vec<u8>, log::Error> {
        let head = edge.head().expect("a commit with events has grown the tree");
        body_of_events(&self.state.log.reader(), self.first(), self.stamp.recorded, head)
    }

    /// Signs the tree that ends with `edge`, and commits while the checker thread verifies the signature. Returns when both are done.
    /// `message` is the commit's place in the stream of a cluster.
    pub(super) fn finish(
        self,
        seal: &mut Seal,
        checker: &Checker,
        edge: Frontier,
        message: Option<&LoggedMessage>,
    ) -> Result<Committed, SealError> {
        let Transaction { state, stamp, head, written, answers } = self;
        let newest_leaf = written.last().map(|newest| newest.leaf.clone()).unwrap_or_default();
        let Signed { sealed, unchecked } = seal.sign_unchecked(&state.log, edge)?;
        if let Some(message) = message {
            state.log.add_message(message).map_err(SealError::Log)?;
        }
        checker.begin(unchecked);
        let committed = state.log.commit();
        checker.wait();
        committed.map_err(SealError::Log)?;
        seal.keep(sealed);
        let events = head.get() - state.head.get();
        (state.head, state.recorded) = (head, stamp.recorded);
        let redactions = written.iter().filter(|written| matches!(written.fact.event, Event::Redacted(_)));
        let redacted = redactions.inspect(|written| state.jobs.evict(&written.fact.key)).count() > 0;
        let facts = CommittedFacts {
            bytes: written.iter().map(|written| written.bytes).sum(),
            facts: written.into_iter().map(|written| written.fact).collect(),
            newest_leaf,
        };
        Ok(Committed { answers, events, facts, redacted })
    }
}
