//! The writer thread's loop, and what it does when a commit fails.

use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Instant;

use tokio::sync::{mpsc, watch};

use super::node::Stream;
use super::transaction::{Committed, WriterState};
use super::{Checker, Commits, Doubt, Loader, Seal, SealError};
use crate::history::newest_redaction;
use crate::job::Position;
use crate::ledger::Copier;
use crate::ledger::append::{AppendError, PreparedAppend, Queued, Waiting};
use crate::ledger::folder::Files;
use crate::ledger::keys::LiveIdentity;
use crate::ledger::leases::Leases;
use crate::ledger::projection::Projection;
use crate::ledger::redactor::Redactions;
use crate::ledger::transfer::KnownJobs;
use crate::ledger::{Clock, Metrics, Threads};
use crate::log::{self, Writer};
use crate::memory::Budget;
use crate::sqlite::ErrorKind;

/// A commit that has so many events takes no further append. This bounds how many events one crash leaves unknown, and how long an
/// append waits.
const COMMIT_EVENTS: usize = 4096;
/// How often at most the writer thread yields before it begins a commit.
const GATHER: usize = 8;

/// The parts of the ledger that the writer thread uses.
pub(in crate::ledger) struct Shared {
    pub clock: Clock,
    pub commits: Arc<Commits>,
    pub redactions: Arc<Redactions>,
    pub leases: Arc<Leases>,
    pub projection: Arc<Projection>,
    pub head: watch::Sender<Position>,
    pub metrics: Arc<Metrics>,
    /// Why the ledger takes no writes: for example, the tree is in doubt, or a copy of the ledger signs too. No commit begins then.
    pub read_only: Arc<OnceLock<String>>,
    pub checker: Checker,
    pub files: Arc<Files>,
    pub identity: LiveIdentity,
    /// Ends the process.
    pub end: fn() -> !,
    /// The copier thread; `None` if another program copies the WAL back.
    pub copier: Option<Arc<Copier>>,
    /// The memory for jobs.
    pub jobs: Budget,
}

/// The writer thread.
pub(in crate::ledger) struct WriterThread {
    pub(super) state: WriterState,
    /// `None` if the ledger may not sign for the log. Every append is then refused.
    pub(super) seal: Option<Seal>,
    loader: Loader,
    /// The rows of the jobs whose events this node has stored as a follower.
    pub(super) known_jobs: KnownJobs,
    pub(super) shared: Shared,
}

/// Why a commit failed.
enum CommitError {
    /// The log failed. The outcome is unknown.
    Log(log::Error),
    /// The ledger takes no writes. The log holds nothing of the commit.
    ReadOnly(String),
    /// The commit went into a file that is no longer at its path. The next start reads the file at the path.
    FileReplaced,
}

impl From<log::Error> for CommitError {
    fn from(error: log::Error) -> CommitError {
        CommitError::Log(error)
    }
}

impl WriterThread {
    /// A writer thread for the log, which decides nothing yet.
    ///
    /// # Errors
    ///
    /// The log cannot be read.
    pub(in crate::ledger) fn new(
        log: Writer,
        seal: Option<Seal>,
        loader: Loader,
        shared: Shared,
    ) -> Result<WriterThread, log::Error> {
        let state = WriterState::new(log, shared.jobs.clone())?;
        Ok(WriterThread { state, seal, loader, known_jobs: KnownJobs::default(), shared })
    }

    /// Starts the thread. It ends when the queue is closed and empty. With a `stream` it is the thread of a node.
    ///
    /// # Errors
    ///
    /// The operating system refuses a thread.
    pub(in crate::ledger) fn start(
        self,
        queue: mpsc::Receiver<Queued>,
        stream: Option<Stream>,
        threads: &Threads,
    ) -> Result<JoinHandle<()>, std::io::Error> {
        threads.start("writer", move || match stream {
            Some(stream) => self.run_as_node(queue, stream),
            None => self.run(queue),
        })
    }

    fn run(mut self, mut queue: mpsc::Receiver<Queued>) {
        while let Some(first) = queue.blocking_recv() {
            let drained = self.drain(first, &mut queue);
            let (appends, waiting) = self.ready(drained);
            if !appends.is_empty() {
                self.commit(appends, waiting);
            }
        }
    }

    /// The appends of the next commit: `first`, and those that wait behind it.
    pub(super) fn drain(&self, first: Queued, queue: &mut mpsc::Receiver<Queued>) -> Vec<Queued> {
        gather(queue);
        let mut events = first.append.events.len();
        let mut drained = vec![first];
        while events < COMMIT_EVENTS {
            let Ok(next) = queue.try_recv() else { break };
            events += next.append.events.len();
            drained.push(next);
        }
        self.shared.metrics.queued.dec_by(drained.len() as i64);
        drained
    }

    /// The appends whose jobs are in memory or short. The others go to the loader thread, which puts them back into the queue.
    pub(super) fn ready(&mut self, drained: Vec<Queued>) -> (Vec<PreparedAppend>, Vec<Waiting>) {
        let (mut appends, mut waiting) = (Vec::with_capacity(drained.len()), Vec::with_capacity(drained.len()));
        for mut queued in drained {
            match self.state.is_ready(&mut queued) {
                Ok(false) => self.loader.load(queued),
                // A log that cannot be read fails the commit, which answers every append in it.
                Ok(true) | Err(_) => {
                    appends.push(queued.append);
                    waiting.push(queued.waiting);
                }
            }
        }
        (appends, waiting)
    }

    /// Commits the appends. No append is answered before the commit has returned, refusals included: a refusal may rest on an
    /// event that is not durable yet.
    fn commit(&mut self, appends: Vec<PreparedAppend>, waiting: Vec<Waiting>) {
        let started = Instant::now();
        self.shared.commits.begin();
        let committed = self.try_commit(appends);
        let committed = committed.and_then(|committed| match self.shared.files.committed(self.state.head()) {
            true => Ok(committed),
            false => Err(CommitError::FileReplaced),
        });
        self.shared.commits.end();
        match committed {
            Ok(committed) => self.publish(committed, waiting, started),
            Err(CommitError::Log(error)) => self.failed(waiting, &error),
            Err(CommitError::FileReplaced) => refuse(waiting, || AppendError::OutcomeUnknown),
            Err(CommitError::ReadOnly(why)) => refuse(waiting, || AppendError::ReadOnly(why.clone())),
        }
        self.copy_back();
    }

    /// Copies the last frames of a long WAL, if the copier thread asks for it.
    pub(super) fn copy_back(&self) {
        if !self.shared.copier.as_ref().is_some_and(|copier| copier.committed()) {
            return;
        }
        match self.state.copy_back() {
            Err(error) if error.is(ErrorKind::FailedSync) => end_after_failed_sync(self.shared.end),
            // The copier thread meets the same error and says it.
            Ok(()) | Err(_) => {}
        }
    }

    fn try_commit(&mut self, appends: Vec<PreparedAppend>) -> Result<Committed, CommitError> {
        let (None, Some(seal)) = (self.shared.read_only.get(), &mut self.seal) else {
            return Err(CommitError::ReadOnly(self.shared.read_only.get().cloned().unwrap_or_default()));
        };
        let mut transaction = self.state.begin(&self.shared.clock)?;
        for append in appends {
            transaction.admit(append)?;
        }
        match transaction.commit(seal, &self.shared.checker) {
            Ok(committed) => {
                if committed.redacted {
                    self.shared.redactions.record(self.state.head());
                }
                Ok(committed)
            }
            Err(SealError::Log(error)) => Err(error.into()),
            Err(SealError::Doubt(doubt)) => Err(CommitError::ReadOnly(self.stop_writes(&doubt))),
        }
    }

    /// Shows a commit to the projector and to readers, and answers its appends.
    pub(super) fn publish(&mut self, committed: Committed, waiting: Vec<Waiting>, started: Instant) {
        let shared = &self.shared;
        if committed.events > 0 {
            let head = self.state.head();
            shared.metrics.committed(committed.events, started.elapsed());
            // Before the answers: a worker may renew its lease at once.
            let work = shared.leases.committed(&committed.facts.facts, Instant::now());
            // The projector first: a read that the new head wakes finds the projector at work.
            let facts = (!committed.redacted).then_some(committed.facts);
            shared.projection.committed(facts, head);
            shared.head.send_replace(head);
            shared.leases.ring(work);
        }
        for (waiting, answer) in waiting.into_iter().zip(committed.answers) {
            shared.metrics.answered(&answer);
            waiting.answer(answer);
        }
    }

    /// Rolls the open transaction back, and takes no more writes, because the tree is in doubt. Reads continue.
    pub(super) fn stop_writes(&mut self, doubt: &Doubt) -> String {
        let why = format!("{doubt}; start the server again to see what is in the file");
        tracing::error!(why, "the tree is in doubt: the ledger takes no more writes");
        self.seal = None;
        let why = self.shared.read_only.get_or_init(|| why).clone();
        self.reload();
        why
    }

    /// Rolls the open transaction back, and takes the state of the log from the file.
    pub(super) fn reload(&mut self) {
        // The rollback may drop rows of new jobs.
        self.known_jobs.clear();
        if let Err(error) = self.state.reload() {
            tracing::error!(error = &error as &dyn std::error::Error, "the log cannot be read again: the process ends");
            (self.shared.end)();
        }
    }

    /// Continues from the file after a commit that failed: the file alone knows whether the commit happened.
    fn failed(&mut self, waiting: Vec<Waiting>, error: &log::Error) {
        tracing::error!(error = error as &dyn std::error::Error, appends = waiting.len(), "a commit failed");
        if error.is(ErrorKind::FailedSync) {
            end_after_failed_sync(self.shared.end);
        }
        self.continue_from_file();
        self.shared.metrics.failed_commits.inc();
        refuse(waiting, || AppendError::OutcomeUnknown);
    }

    /// Takes the state from the file, and shows it to the other threads.
    pub(super) fn continue_from_file(&mut self) {
        self.reload();
        self.reload_seal();
        // Finds a log that has lost events, and stops writes then.
        self.shared.files.look();
        // The commit may have happened: its redactions, facts and head count then.
        self.shared.redactions.record(newest_redaction(&self.state.reader()).unwrap_or_default());
        self.shared.leases.lost_track();
        self.shared.projection.committed(None, self.state.head());
        self.shared.head.send_replace(self.state.head());
    }

    /// Takes the edge of the tree from the file.
    fn reload_seal(&mut self) {
        let Some(seal) = &mut self.seal else { return };
        match seal.reload(&self.state.reader(), &self.shared.identity.get()) {
            Ok(()) => {}
            Err(SealError::Doubt(doubt)) => drop(self.stop_writes(&doubt)),
            Err(SealError::Log(error)) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the tree cannot be read again: the process ends"
                );
                (self.shared.end)();
            }
        }
    }
}

/// Ends the process: after a failed sync only a fresh start can tell which pages the disk holds.
pub(in crate::ledger) fn end_after_failed_sync(end: fn() -> !) -> ! {
    tracing::error!("a sync failed: the process ends now, and a fresh start reads what is on the disk");
    end()
}

pub(super) fn refuse(waiting: Vec<Waiting>, error: impl Fn() -> AppendError) {
    waiting.into_iter().for_each(|waiting| waiting.answer(Err(error())));
}

/// Yields to tasks that are about to queue an append, as long as appends arrive. On a busy machine several times as many appends
/// then share one commit, its signature and its sync; on an idle machine this takes no time.
fn gather(queue: &mpsc::Receiver<Queued>) {
    let mut waiting = 0;
    for _ in 0..GATHER {
        std::thread::yield_now();
        if queue.len() == waiting {
            return;
        }
        waiting = queue.len();
    }
}
