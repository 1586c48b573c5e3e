//! A ledger's life on a machine that loses power again and again. Each time the ledger starts, takes requests, and is compared with
//! the answers that it gave before.

use std::collections::VecDeque;
use std::future::{Future, poll_fn, ready};
use std::pin::Pin;
use std::sync::LazyLock;
use std::task::Poll;

use fastrand::Rng;
use jobledger::audit::{Auditor, Signer, audit_database};
use jobledger::job::{JobKey, OrgId, Position, Time};
use jobledger::ledger::{AppendError, Appended, Folder, Ledger, Options};
use jobledger::mask::Mask;
use machine::{Machine, Synchronous};
use rusqlite::Connection;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::gate::Gate;
use crate::outside::{Broken, Outside};
use crate::requests::{Request, Worker};

/// Starts of the ledger in one life.
const STARTS: usize = 9;
/// About as many calls change the disk from one start to the next.
const CALLS: u64 = 100;

static MASK: LazyLock<Mask> = LazyLock::new(Mask::default);

/// The result of a life.
#[derive(Default)]
pub struct Lived {
    /// How often the power was cut.
    pub cuts: u64,
    /// Events that were in the log at the end.
    pub events: u64,
    /// The promises that the ledger broke at one start. The life ends there.
    pub broken: Vec<Broken>,
}

struct Life {
    rng: Rng,
    machine: Machine,
    outside: Outside,
    worker: Worker,
    runtime: Runtime,
    clock: i64,
    // The field order drops the folder after all values that have a file in it open.
    dir: TempDir,
}

/// A request that was sent, and its answer.
struct Sent {
    request: Request,
    answer: Pin<Box<dyn Future<Output = Result<Appended, AppendError>>>>,
}

/// Lives the life that belongs to the seed.
pub fn live(seed: u64, synchronous: Synchronous) -> Lived {
    let mut rng = Rng::with_seed(seed);
    let dir = tempfile::tempdir().unwrap();
    let mut life = Life {
        machine: Machine::start(dir.path(), rng.u64(..), synchronous),
        outside: Outside::default(),
        worker: Worker::new(rng.fork()),
        runtime: tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap(),
        clock: 1_750_000_000_000_000,
        rng,
        dir,
    };
    let mut lived = Lived::default();
    for start in 1..=STARTS {
        let ended = match start {
            STARTS => {
                life.machine.keep_power();
                life.start().and_then(|()| life.audit())
            }
            _ => {
                life.machine.cut_power_within(CALLS);
                life.start().map(|()| lived.cuts += u64::from(life.cut()))
            }
        };
        if let Err(broken) = ended {
            lived.broken = broken;
            break;
        }
    }
    lived.events = life.outside.events();
    lived
}

impl Life {
    fn folder(&self) -> Folder {
        Folder::new(self.dir.path())
    }

    /// The ledger from its start to its end. The real code opens it, with its checks at the start.
    fn start(&mut self) -> Result<(), Vec<Broken>> {
        self.clock += 1_000_000;
        let (gate, clock) = Gate::new(Time::from_micros(self.clock));
        let options = Options { clock, mask: MASK.clone(), end: end_of_the_writer, ..Options::default() };
        let ledger = match Ledger::open(self.folder(), options) {
            Ok(ledger) => ledger,
            Err(error) => return self.unless_cut(error).map_err(|broken| vec![broken]),
        };
        let worked = self.work(&ledger, gate);
        if self.rng.u8(0..4) == 0 && self.machine.has_power() {
            // The power is cut while the ledger does nothing.
            self.machine.restart();
        }
        ledger.close();
        worked
    }

    /// Turns an error into a broken promise, unless the power is off: then every call may fail.
    fn unless_cut(&self, error: impl std::fmt::Debug) -> Result<(), Broken> {
        if self.machine.has_power() { Err(Broken::Other(format!("{error:?}"))) } else { Ok(()) }
    }

    fn work(&mut self, ledger: &Ledger, gate: Gate) -> Result<(), Vec<Broken>> {
        let broken = match self.outside.check(ledger) {
            Ok(broken) => broken,
            Err(error) => self.unless_cut(error).err().into_iter().collect(),
        };
        if !broken.is_empty() {
            return Err(broken);
        }
        let runtime = self.runtime.handle().clone();
        runtime.block_on(self.commits(ledger, gate)).map_err(|broken| vec![broken])
    }

    /// Sends the requests without an answer again, and then new ones, a few in each commit.
    async fn commits(&mut self, ledger: &Ledger, mut gate: Gate) -> Result<(), Broken> {
        self.read(ledger).await?;
        let mut retries: VecDeque<_> = std::mem::take(&mut self.outside.open).into();
        let mut left = self.rng.usize(1..4);
        let mut bell = ledger.bell();
        // The first request is sent alone, because an idle writer thread may take one request or several into a commit.
        let first = retries.pop_front().unwrap_or_else(|| self.worker.request());
        let mut taken = send(ledger, vec![first]).await;
        while !taken.is_empty() {
            let writes = tokio::select! {
                () = gate.reached() => true,
                () = ended(&mut bell) => false,
            };
            let next = match retries.pop_front() {
                Some(retry) => vec![retry],
                None if left == 0 || !writes => vec![],
                None => self.worker.commit(),
            };
            left = left.saturating_sub(1);
            let queued = send(ledger, next).await;
            if writes {
                if self.rng.u8(0..6) == 0 {
                    self.copy_wal(ledger, "PASSIVE").await?;
                }
                gate.open();
            }
            let answered = self.answers(taken).await?;
            if let Err(error) = self.outside.look(ledger, &answered) {
                self.unless_cut(error)?;
            }
            taken = queued;
        }
        if self.rng.bool() {
            let mode = self.rng.choice(["PASSIVE", "FULL", "RESTART", "TRUNCATE"]).expect("some");
            self.copy_wal(ledger, mode).await?;
        }
        Ok(())
    }

    /// Takes the answers. Returns the requests whose answer has the positions of their events.
    async fn answers(&mut self, sent: Vec<Sent>) -> Result<Vec<Request>, Broken> {
        let mut answered = Vec::new();
        for Sent { request, answer } in sent {
            if self.outside.answer(&request, answer.await)? {
                self.worker.answered(request.clone());
                answered.push(request);
            }
        }
        Ok(answered)
    }

    /// Reads a job. The read waits until the views show every answered event.
    async fn read(&mut self, ledger: &Ledger) -> Result<(), Broken> {
        let Some(job) = self.worker.any_job().filter(|_| self.machine.has_power()) else { return Ok(()) };
        let key = JobKey { org: OrgId::default(), id: job.parse().expect("a job's id") };
        match ledger.job(&key, None).await {
            Ok(shown) if shown.value.is_some() && shown.position == ledger.head() => Ok(()),
            shown => self.unless_cut(shown),
        }
    }

    /// Has another connection copy the WAL into the file, as Litestream does: the writer itself does it once in 10,000 pages,
    /// and at a clean end. The projector has read to the end before, so whether the WAL begins anew does not depend on when
    /// its thread runs.
    async fn copy_wal(&mut self, ledger: &Ledger, mode: &str) -> Result<(), Broken> {
        self.read(ledger).await?;
        let conn = Connection::open(self.folder().log());
        let copied = conn.and_then(|conn| conn.execute_batch(&format!("PRAGMA wal_checkpoint({mode})")));
        copied.or_else(|error| self.unless_cut(error))
    }

    /// Starts the machine again if it has no power. Otherwise cuts the power at random, or only lets the process start again. Returns
    /// whether the power was cut.
    fn cut(&mut self) -> bool {
        let cut = !self.machine.has_power() || self.rng.bool();
        if cut {
            self.machine.restart();
        }
        cut
    }

    /// Audits the log at the end of the life, with every checkpoint that the ledger handed out.
    fn audit(&self) -> Result<(), Vec<Broken>> {
        let identity = self.outside.identity().expect("a ledger that was open");
        let mut auditor = Auditor::new(Some(identity.verifier_key().clone()));
        for (size, (_, note)) in &self.outside.checkpoints {
            auditor.hold(format!("the checkpoint of {size} events"), note.clone());
        }
        let (log, views) = (self.folder().log(), self.folder().views());
        audit_database(&log, &views, &mut auditor, |_, _| {}).map_err(other)?;
        let report = auditor.finish();
        let verified = report.faults.is_empty() && report.signer == Signer::Pinned;
        if verified { Ok(()) } else { Err(other(report)) }
    }
}

fn other(error: impl std::fmt::Debug) -> Vec<Broken> {
    vec![Broken::Other(format!("{error:?}"))]
}

/// Ends the writer thread, where a server would end its process. As then, the requests that wait for the writer thread get no answer.
fn end_of_the_writer() -> ! {
    std::panic::resume_unwind(Box::new("the process ends"))
}

/// Waits until the writer thread has ended.
async fn ended(bell: &mut watch::Receiver<Position>) {
    while bell.changed().await.is_ok() {}
}

/// Sends requests. When the function returns, all of them are in the writer's queue.
async fn send(ledger: &Ledger, requests: Vec<Request>) -> Vec<Sent> {
    let mut sent = Vec::new();
    for request in requests {
        let (ledger, append) = (ledger.clone(), request.append(&MASK));
        let mut answer = Box::pin(async move { ledger.append(append).await });
        let at_once = poll_fn(|cx| match answer.as_mut().poll(cx) {
            Poll::Ready(answer) => Poll::Ready(Some(answer)),
            Poll::Pending => Poll::Ready(None),
        });
        let answer: Pin<Box<dyn Future<Output = _>>> = match at_once.await {
            Some(answer) => Box::pin(ready(answer)),
            None => answer,
        };
        sent.push(Sent { request, answer });
    }
    sent
}
