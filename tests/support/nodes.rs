//! The nodes of a cluster in one process, on an engine in memory that never fails. `src/stream/lives` has one that does.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jobledger::job::OrgId;
use jobledger::ledger::{
    Append, AppendError, Appended, Clock, Confirmations, Folder, Founding, Ledger, Membership, OpenError, Options,
    Peers, Replication, Role, SharedFiles, system_clock,
};
use jobledger::mask::Mask;
use jobledger::stream::{CommitLog, Copied, Published, Sequence, Stored, StreamKey, Unavailable, Whole};
use jobledger::wire;
use parking_lot::{Condvar, Mutex};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::time::timeout;

use super::task_job;
use super::wait::until;

/// How long an append may take that a closing node refuses at once.
const PATIENCE: Duration = Duration::from_millis(20);

/// How long a read waits at the most that the engine does not answer yet.
const HELD: Duration = Duration::from_secs(60);

/// The messages of a stream.
#[derive(Clone, Default)]
pub struct Engine {
    /// `None` for a message that is gone.
    messages: Arc<Mutex<Vec<Option<Vec<u8>>>>>,
    /// How many reads found nothing.
    vain: Arc<AtomicUsize>,
    reads: Arc<Reads>,
    bell: watch::Sender<Sequence>,
}

/// How many reads the engine answers; further ones wait.
struct Reads {
    left: Mutex<usize>,
    more: Condvar,
}

impl Default for Reads {
    fn default() -> Reads {
        Reads { left: Mutex::new(usize::MAX), more: Condvar::new() }
    }
}

impl Engine {
    /// Answers so many reads more. Further ones wait.
    pub fn allow_reads(&self, count: usize) {
        *self.reads.left.lock() = count;
        self.reads.more.notify_all();
    }

    /// Appends bytes without a check, as a stranger may.
    pub fn add(&self, bytes: &[u8]) {
        self.messages.lock().push(Some(bytes.to_vec()));
        self.bell.send_replace(self.count() as Sequence);
    }

    /// The newest message.
    pub fn newest(&self) -> Vec<u8> {
        self.messages.lock().last().cloned().flatten().unwrap()
    }

    /// Removes the message at this place and all before it, as a purge does.
    pub fn purge(&self, last: Sequence) {
        self.messages.lock().iter_mut().take(last as usize).for_each(|message| *message = None);
    }

    /// Removes one message, as a damaged file does.
    pub fn lose(&self, sequence: Sequence) {
        self.messages.lock()[sequence as usize - 1] = None;
    }

    /// Takes a message that no node sees before it is lost.
    pub fn take_and_lose(&self) {
        self.messages.lock().push(None);
    }

    /// How many messages there are.
    pub fn count(&self) -> usize {
        self.messages.lock().len()
    }

    /// How many reads found nothing.
    pub fn vain_reads(&self) -> usize {
        self.vain.load(Ordering::SeqCst)
    }

    /// Drops the newest message.
    pub fn drop_newest(&self) {
        self.messages.lock().pop();
    }
}

impl CommitLog for Engine {
    fn publish(&mut self, expected: Sequence, bytes: &[u8]) -> Published {
        let mut messages = self.messages.lock();
        if messages.len() as Sequence != expected {
            return Published::Refused;
        }
        messages.push(Some(bytes.to_vec()));
        self.bell.send_replace(expected + 1);
        Published::Accepted(expected + 1)
    }

    fn read(&mut self, from: Sequence) -> Result<Vec<Stored>, Unavailable> {
        let mut left = self.reads.left.lock();
        // A test that fails must not wait for ever.
        self.reads.more.wait_while_for(&mut left, |left| *left == 0, HELD);
        *left = left.saturating_sub(1);
        drop(left);
        let messages = self.messages.lock();
        let later = (1..).zip(messages.iter()).skip(from as usize - 1);
        let there = later.filter_map(|(sequence, bytes)| Some(Stored { sequence, bytes: bytes.clone()? }));
        let found: Vec<_> = there.take(8).collect();
        self.vain.fetch_add(usize::from(found.is_empty()), Ordering::SeqCst);
        Ok(found)
    }

    fn last(&mut self) -> Result<Sequence, Unavailable> {
        Ok(self.count() as Sequence)
    }
}

/// The nodes of a cluster that serve, as each of them asks the others.
#[derive(Clone, Default)]
struct Serving(Arc<Mutex<Vec<Ledger>>>);

/// The nodes but the one with this name.
struct Others(Serving, String);

impl Peers for Others {
    fn messages(&mut self, _: &StreamKey, generation: u32, after: Sequence) -> Vec<Whole> {
        let serving = self.0.0.lock().clone();
        let others = serving.iter().filter(|ledger| ledger.node().unwrap().name != self.1);
        let copied = |ledger: &Ledger| ledger.copied_messages(generation, after).unwrap();
        let answers = others.map(|ledger| Copied::read_all(&copied(ledger), "other").unwrap());
        answers.into_iter().find(|wholes| !wholes.is_empty()).unwrap_or_default()
    }
}

/// One node. It confirms to every other node of its cluster.
pub struct TestNode {
    pub ledger: Ledger,
    pub lease: watch::Sender<bool>,
    confirmations: Arc<Confirmations>,
    serving: Serving,
}

/// A cluster, whose nodes lie in folders named after them.
pub struct TestCluster {
    dir: TempDir,
    pub engine: Engine,
    /// The generation of the stream that nodes open.
    generation: u32,
    serving: Serving,
    runtime: tokio::runtime::Runtime,
}

impl TestCluster {
    /// A cluster that begins with a ledger of its genesis event, in copies with these names.
    pub fn new(names: &[&str]) -> TestCluster {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let cluster = TestCluster {
            dir: tempfile::tempdir().unwrap(),
            engine: Engine::default(),
            generation: 1,
            serving: Serving::default(),
            runtime,
        };
        let first = cluster.folder(names[0]);
        Ledger::open(Folder::new(&first), options()).unwrap().close();
        Founding::open(&Folder::new(&first)).unwrap().begin(1).unwrap();
        for name in &names[1..] {
            let folder = cluster.folder(name);
            std::fs::create_dir(&folder).unwrap();
            for file in ["log.db", "ledger.key", "lease.key"] {
                std::fs::copy(first.join(file), folder.join(file)).unwrap();
            }
        }
        cluster
    }

    pub fn folder(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Loses the stream, and begins the next generation with the log of a node that is closed.
    pub fn reseed(&mut self, name: &str) {
        self.generation += 1;
        self.engine = Engine::default();
        let mut membership = Membership::open(&Folder::new(self.folder(name))).unwrap();
        let start = membership.start(self.generation).unwrap();
        membership.begin(&start).unwrap();
    }

    /// Adds a key to the log of a node that is closed, and begins the next generation with it.
    pub fn rotate(&mut self, name: &str) {
        Membership::open(&Folder::new(self.folder(name))).unwrap().rotate(&system_clock()).unwrap();
        self.reseed(name);
    }

    /// Brings the keys of one node to another.
    pub fn bring_keys(&self, from: &str, to: &str) {
        for file in ["ledger.key", "ledger.key.previous"] {
            std::fs::copy(self.folder(from).join(file), self.folder(to).join(file)).unwrap();
        }
    }

    /// Opens a node.
    pub fn start(&self, name: &str) -> TestNode {
        self.start_at(name, system_clock())
    }

    /// Opens a node on a machine with this clock.
    pub fn start_at(&self, name: &str, clock: Clock) -> TestNode {
        self.try_start(name, clock).unwrap()
    }

    /// Opens a node, if it opens.
    pub fn try_start(&self, name: &str, clock: Clock) -> Result<TestNode, OpenError> {
        let (lease, has_lease) = watch::channel(false);
        let confirmations = Arc::new(Confirmations::default());
        let replication = Replication {
            name: name.to_owned(),
            url: format!("http://{name}"),
            generation: self.generation,
            log: Box::new(self.engine.clone()),
            peers: Box::new(Others(self.serving.clone(), name.to_owned())),
            bell: self.engine.bell.subscribe(),
            lease: has_lease,
            confirmations: confirmations.clone(),
            runtime: self.runtime.handle().clone(),
        };
        let ledger = Ledger::open_node(Folder::new(self.folder(name)), Options { clock, ..options() }, replication)?;
        self.serving.0.lock().push(ledger.clone());
        Ok(TestNode { ledger, lease, confirmations, serving: self.serving.clone() })
    }

    /// Makes `leader` lead, and makes it wait for the confirmation of one of `others`.
    pub fn lead(&self, leader: &TestNode, others: &[&TestNode]) {
        for other in others {
            let (mut state, confirmations) = (other.state(), leader.confirmations.clone());
            let name = other.ledger.node().unwrap().name.clone();
            self.runtime.spawn(async move {
                loop {
                    let durable = state.borrow_and_update().durable.sequence;
                    confirmations.note(&name, durable);
                    if state.changed().await.is_err() {
                        return;
                    }
                }
            });
        }
        leader.confirmations.need(usize::from(!others.is_empty()));
        leader.lease.send_replace(true);
        until("the node leads", || leader.role() == Role::Leads);
    }

    /// Whether the stream accepts one more message of this node.
    pub fn barrier(&self, node: &TestNode) -> bool {
        self.runtime.block_on(node.ledger.node().unwrap().barrier())
    }

    /// Appends events as a worker.
    pub fn append(&self, node: &TestNode, events: &Value) -> Result<Appended, AppendError> {
        self.runtime.block_on(node.ledger.append(as_worker(events)))
    }

    /// Whether the node takes no more appends, because it closes. An append that it takes waits for its writer thread.
    pub fn is_closing(&self, node: &TestNode) -> bool {
        let append = node.ledger.append(as_worker(&json!([task_job("closing")])));
        let answer = self.runtime.block_on(async { timeout(PATIENCE, append).await });
        matches!(answer, Ok(Err(AppendError::Stopping)))
    }

    /// Sends files as the node's server does. Answers whether the stream has them.
    pub fn send_files(&self, node: &TestNode, files: &SharedFiles) -> bool {
        self.runtime.block_on(node.ledger.node().unwrap().send_files(files))
    }
}

impl TestNode {
    /// Closes the node, and frees its folder.
    pub fn end(self) {
        self.ledger.close();
    }

    pub fn state(&self) -> watch::Receiver<jobledger::ledger::NodeState> {
        self.ledger.node().unwrap().watch()
    }

    pub fn role(&self) -> Role {
        self.state().borrow().role
    }

    /// Waits until the node has what `other` has, messages without events included.
    pub fn has_all_of(&self, other: &TestNode) {
        let has = |node: &TestNode| (node.ledger.head(), node.state().borrow().durable);
        until("a node has caught up", || has(self) == has(other));
    }
}

impl Drop for TestNode {
    /// Ends the threads before the runtime on which they wait.
    fn drop(&mut self) {
        let name = &self.ledger.node().unwrap().name;
        self.serving.0.lock().retain(|ledger| ledger.node().unwrap().name != *name);
        self.ledger.close();
    }
}

/// Events, as a worker appends them.
pub fn as_worker(events: &Value) -> Append {
    let events = wire::batch(events.to_string().as_bytes(), &Mask::default()).map_err(|_| ()).unwrap();
    Append { org: OrgId::default(), actor: "w".into(), events, guard: None, lease: None }
}

fn options() -> Options {
    Options { create: true, ..Options::default() }
}

/// Every row that an auditor may rely on, as text.
pub fn rows(folder: &Path) -> Vec<String> {
    let conn = rusqlite::Connection::open(folder.join("log.db")).unwrap();
    let queries = [
        "SELECT position || hex(leaf) || ifnull(hex(data), '-') || ifnull(hex(salt), '-') || recorded || type FROM event",
        "SELECT position || '/' || ifnull(job, '-') || '/' || ifnull(prev, '-') FROM event WHERE org > 0",
        "SELECT id || '/' || org || '/' || subject || '/' || kind FROM job ORDER BY id",
        "SELECT level || '/' || idx || hex(hash) FROM node ORDER BY number",
        "SELECT number || '/' || size || hex(note) FROM checkpoint ORDER BY number",
        "SELECT job || '/' || position FROM newest ORDER BY job",
        "SELECT generation || '/' || sequence || hex(hash) || first_position FROM stream ORDER BY 1",
    ];
    let rows = |sql: &str| -> Vec<String> {
        conn.prepare(sql).unwrap().query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    queries.into_iter().flat_map(rows).collect()
}
