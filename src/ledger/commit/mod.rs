//! The writer thread: drains its queue into one commit, answers when the commit has returned, then rings the bell.

mod loader;
mod seal;

pub(super) use loader::is_long;
pub use seal::{Doubt, SealError};
pub(super) use seal::{Seal, restore};

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};

use self::loader::Loader;
use super::admission::{Committed, Desk};
use super::append::{Append, AppendError, Appended, Placed, Prepared, Request};
use super::folder::Files;
use super::projection::{CommittedFacts, Projection};
use super::read::INLINE;
use super::redactor::Erasures;
use super::{Clock, Identity, Ledger, Metrics, Options, Threads};
use crate::blocking::off_thread;
use crate::history::newest_redaction;
use crate::job::{Event, Position};
use crate::log::{self, Writer};
use crate::memory::{Budget, Share};
use crate::sqlite::ErrorKind;
use crate::wire::Incoming;

/// Most events in one commit: a bound on what a crash makes unknown and on how long anybody waits.
const COMMIT_EVENTS: usize = 4096;
/// How often at the most the writer lets others go before it begins a commit.
const GATHER: usize = 8;
/// How far the views may fall behind before appends wait for them, in events.
const VIEW_LAG: u64 = 50_000;

/// The way to the writer thread.
pub(super) struct Handle {
    queue: Mutex<Option<mpsc::Sender<Request>>>,
    /// The bytes of requests that may still join the queue.
    room: Arc<Semaphore>,
    budget: Budget,
}

/// How many commits have begun and ended: one that has begun may record at any time since.
#[derive(Debug, Default)]
pub(super) struct Commits {
    begun: AtomicU64,
    ended: watch::Sender<u64>,
}

impl Commits {
    pub(super) fn begun(&self) -> u64 {
        self.begun.load(Ordering::SeqCst)
    }

    pub(super) fn ended(&self) -> watch::Receiver<u64> {
        self.ended.subscribe()
    }

    /// Comes before the clock is read.
    fn begin(&self) {
        self.begun.fetch_add(1, Ordering::SeqCst);
    }

    fn end(&self) {
        self.ended.send_replace(self.begun());
    }
}

/// What the writer shares with the rest of the ledger.
pub(super) struct Shared {
    pub commits: Arc<Commits>,
    pub erasures: Arc<Erasures>,
    pub projection: Arc<Projection>,
    pub head: watch::Sender<Position>,
    pub metrics: Arc<Metrics>,
    /// Set where the tree is in doubt, or somebody else signs for it: no commit begins then.
    pub read_only: Arc<OnceLock<String>>,
    pub files: Arc<Files>,
    pub identity: Identity,
}

impl Handle {
    /// Takes no more requests; the thread ends when the queue is empty.
    pub(super) fn stop(&self) {
        self.queue.lock().take();
    }

    /// Room for a request of so many bytes; `None` in a full queue. An empty queue has room for every request.
    fn reserve(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let bytes = u32::try_from(bytes.min(self.budget.limit())).unwrap_or(u32::MAX);
        self.room.clone().try_acquire_many_owned(bytes).ok()
    }

    /// Notes the bytes in the queue for `/metrics`.
    pub(super) fn note_held(&self) {
        self.budget.hold(self.budget.limit().saturating_sub(self.room.available_permits()));
    }

    fn queue(&self) -> Option<mpsc::Sender<Request>> {
        self.queue.lock().clone()
    }
}

/// Starts the thread. Without a seal it refuses everything.
pub(super) fn start(
    log: Writer,
    seal: Option<Seal>,
    shared: Shared,
    path: &Path,
    options: &Options,
    threads: &Threads,
) -> Result<(Handle, JoinHandle<()>, JoinHandle<()>), std::io::Error> {
    let (sender, receiver) = mpsc::channel(options.queue);
    let (loader, loading) = Loader::start(path.to_owned(), sender.downgrade(), shared.metrics.clone(), threads)?;
    let budget = options.memory.of(Share::Queue);
    let room = Arc::new(Semaphore::new(budget.limit()));
    let handle = Handle { queue: Mutex::new(Some(sender)), room, budget };
    let (clock, end) = (options.clock.clone(), options.end);
    let desk = Desk::new(log, options.memory.of(Share::Admission)).map_err(std::io::Error::other)?;
    let run = move || WriterThread { desk, seal, loader, clock, end, shared }.run(receiver);
    Ok((handle, threads.start("writer", run)?, loading))
}

impl Ledger {
    /// Appends events, all or none; they are durable when this answers.
    pub async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        append.events.iter().flat_map(|event| &event.masked).for_each(|rule| self.metrics().stopped(rule));
        if let Some(why) = self.read_only() {
            return Err(AppendError::ReadOnly(why.to_owned()));
        }
        if append.guard.is_some() && !one_job(&append) {
            return Err(AppendError::GuardOnMany);
        }
        self.inner.projection.wait_for_lag(self.head(), VIEW_LAG).await?;
        let erases = |(_, event): &(usize, &Incoming)| matches!(event.event, Event::Redacted(_));
        let redactions: Vec<usize> = append.events.iter().enumerate().filter(erases).map(|(index, _)| index).collect();
        let bytes: usize = append.events.iter().map(|event| event.data.len() + 512).sum();
        let budget = self.inner.writer.reserve(bytes);
        let budget = budget.ok_or(AppendError::Overloaded)?;
        let events = append.events;
        let hashed: usize = events.iter().map(|event| event.data.len()).sum();
        let prepare = move || Ok(events.into_iter().map(Prepared::new).collect());
        let events = if hashed > INLINE { off_thread(prepare).await? } else { prepare()? };
        let (answer, answered) = oneshot::channel();
        let request = Request {
            org: append.org,
            actor: append.actor,
            events,
            guard: append.guard,
            answer,
            folded: None,
            _budget: budget,
        };
        let queue = self.inner.writer.queue().ok_or(AppendError::Stopping)?;
        queue.try_send(request).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => AppendError::Overloaded,
            mpsc::error::TrySendError::Closed(_) => AppendError::Stopping,
        })?;
        self.metrics().queued.inc();
        drop(queue);
        // A writer that is gone without an answer has ended in the middle of it.
        let appended = answered.await.unwrap_or(Err(AppendError::OutcomeUnknown))?;
        match redactions.iter().map(|index| appended.events[*index].position).max() {
            Some(position) if !self.inner.erasures.wait_for(position).await => {
                Err(AppendError::ErasurePending { position: appended.position() })
            }
            _ => Ok(appended),
        }
    }
}

fn one_job(append: &Append) -> bool {
    append.events.windows(2).all(|pair| pair[0].subject.is_some() && pair[0].subject == pair[1].subject)
}

/// What is known of a request once its commit has returned.
type Outcome = Result<Vec<Placed>, AppendError>;

struct WriterThread {
    desk: Desk,
    /// `None` where nobody may sign, and so nothing is written.
    seal: Option<Seal>,
    loader: Loader,
    clock: Clock,
    end: fn() -> !,
    shared: Shared,
}

impl WriterThread {
    fn run(mut self, mut queue: mpsc::Receiver<Request>) {
        while let Some(first) = queue.blocking_recv() {
            gather(&queue);
            let mut requests = vec![first];
            let mut events = requests[0].events.len();
            while events < COMMIT_EVENTS {
                let Ok(next) = queue.try_recv() else { break };
                events += next.events.len();
                requests.push(next);
            }
            self.shared.metrics.queued.dec_by(requests.len() as i64);
            let ready = self.ready(requests);
            if !ready.is_empty() {
                self.commit(ready);
            }
        }
    }

    /// The requests whose jobs are in memory or short. The others go to the loader thread and come back.
    fn ready(&mut self, requests: Vec<Request>) -> Vec<Request> {
        let mut ready = Vec::with_capacity(requests.len());
        for mut request in requests {
            match self.desk.warm(&mut request) {
                Ok(false) => self.loader.load(request),
                // A log that cannot be read fails the commit, which answers everyone.
                Ok(true) | Err(_) => ready.push(request),
            }
        }
        ready
    }

    /// Commits what was drained. Nobody is answered before the commit has returned, refusals included: a refusal may rest
    /// on an event that is not durable yet.
    fn commit(&mut self, requests: Vec<Request>) {
        let started = Instant::now();
        let before = self.desk.head;
        self.shared.commits.begin();
        let committed = self.try_commit(&requests).and_then(|done| match self.shared.files.committed(self.desk.head) {
            Ok(()) => Ok(done),
            Err(_) => Err(Broken::Gone),
        });
        self.shared.commits.end();
        match committed {
            Ok((outcomes, facts)) => {
                let head = self.desk.head;
                let appended = head.get() - before.get();
                if appended > 0 {
                    self.shared.metrics.committed(appended, started.elapsed());
                    // First the views, so that whoever reads because of the new head finds them under way.
                    self.shared.projection.committed(facts, head);
                    self.shared.head.send_replace(head);
                }
                for (request, outcome) in requests.into_iter().zip(outcomes) {
                    let answer = outcome.map(|places| Appended::new(request.events, places));
                    self.shared.metrics.answered(&answer);
                    // A client that went away does not matter: its events are in the log.
                    let _ = request.answer.send(answer);
                }
            }
            Err(Broken::Log(error)) => self.failed(requests, &error),
            // The events are in a file that has no path any more. The next start reads the file at the path.
            Err(Broken::Gone) => {
                for request in requests {
                    let _ = request.answer.send(Err(AppendError::OutcomeUnknown));
                }
            }
            Err(Broken::ReadOnly(why)) => {
                for request in requests {
                    let _ = request.answer.send(Err(AppendError::ReadOnly(why.clone())));
                }
            }
        }
    }

    fn try_commit(&mut self, requests: &[Request]) -> Result<(Vec<Outcome>, Option<CommittedFacts>), Broken> {
        let (None, Some(seal)) = (self.shared.read_only.get(), &mut self.seal) else {
            return Err(Broken::ReadOnly(self.shared.read_only.get().cloned().unwrap_or_default()));
        };
        let before = self.desk.head;
        self.desk.log.begin()?;
        let now = (self.clock)();
        let outcomes = requests.iter().map(|request| self.desk.admit(request, now)).collect::<Result<_, _>>()?;
        if self.desk.head == before {
            // Nothing to make durable, and what the answers rest on was committed before.
            self.desk.log.rollback()?;
            return Ok((outcomes, None));
        }
        match seal.close(&self.desk.log, self.desk.written()) {
            Ok(sealed) => {
                self.desk.log.commit()?;
                seal.keep(sealed);
                let Committed { facts, erased } = self.desk.committed();
                if erased {
                    self.shared.erasures.record(self.desk.head);
                }
                Ok((outcomes, facts))
            }
            Err(SealError::Log(error)) => Err(error.into()),
            Err(SealError::Doubt(doubt)) => Err(Broken::ReadOnly(self.quarantine(&doubt))),
        }
    }

    /// Takes back what is in the open transaction, and no more writes from here on. Reads go on.
    fn quarantine(&mut self, doubt: &Doubt) -> String {
        let why = format!("{doubt}; start the server again to see what is in the file");
        tracing::error!(why, "the tree is in doubt: the ledger takes no more writes");
        self.seal = None;
        let why = self.shared.read_only.get_or_init(|| why).clone();
        self.reload();
        why
    }

    fn reload(&mut self) {
        let reloaded = self.desk.log.rollback().and_then(|()| self.desk.reload());
        if let Err(error) = reloaded {
            tracing::error!(error = &error as &dyn std::error::Error, "the log cannot be read again: the process ends");
            (self.end)();
        }
    }

    fn failed(&mut self, requests: Vec<Request>, error: &log::Error) {
        tracing::error!(error = error as &dyn std::error::Error, requests = requests.len(), "a commit failed");
        if error.is(ErrorKind::FailedSync) {
            after_failed_sync(self.end);
        }
        self.reload();
        self.reload_seal();
        // A log that has lost events is not gone on with.
        let _ = self.shared.files.look();
        // It may have erased something after all.
        self.shared.erasures.record(newest_redaction(&self.desk.log.reader()).unwrap_or_default());
        self.shared.metrics.failed_commits.inc();
        // The commit may have happened after all: whoever watches must not be behind the file.
        self.shared.projection.committed(None, self.desk.head);
        self.shared.head.send_replace(self.desk.head);
        for request in requests {
            let _ = request.answer.send(Err(AppendError::OutcomeUnknown));
        }
    }

    /// The edge of the tree as the file has it, which is the only witness of a commit that failed.
    fn reload_seal(&mut self) {
        let Some(seal) = &mut self.seal else { return };
        match seal.reload(&self.desk.log.reader(), &self.shared.identity) {
            Ok(()) => {}
            Err(SealError::Doubt(doubt)) => drop(self.quarantine(&doubt)),
            Err(SealError::Log(error)) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the tree cannot be read again: the process ends"
                );
                (self.end)();
            }
        }
    }
}

/// Ends the process: what the file holds is unknown to it for good, and the next start reads that from the disk.
pub(super) fn after_failed_sync(end: fn() -> !) -> ! {
    tracing::error!("a sync failed: the process ends now, and a fresh start reads what is on the disk");
    end()
}

/// Lets whoever is about to queue something go first, as long as that brings more. On a busy machine several times as many
/// requests then share one commit, its signature and its sync; on an idle one this takes no time.
fn gather(queue: &mpsc::Receiver<Request>) {
    let mut waiting = 0;
    for _ in 0..GATHER {
        std::thread::yield_now();
        if queue.len() == waiting {
            return;
        }
        waiting = queue.len();
    }
}

/// Why a commit brought nothing.
enum Broken {
    /// The log failed; the outcome is unknown.
    Log(log::Error),
    /// Nothing was written, and nothing more will be.
    ReadOnly(String),
    /// A file that is open is not the one at its path any more.
    Gone,
}

impl From<log::Error> for Broken {
    fn from(error: log::Error) -> Broken {
        Broken::Log(error)
    }
}
