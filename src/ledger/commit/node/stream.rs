//! The stream as the writer thread of a node holds it: the engine, the judgement so far, and the messages that were read ahead.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::watch;

use super::OUTCOME;
use crate::job::Position;
use crate::ledger::Folder;
use crate::ledger::keys::{KeyError, key_file};
use crate::ledger::node::{Confirmations, Node, Peers, Replication, Requests};
use crate::log::LoggedMessage;
use crate::stream::{
    Chain, CommitId, CommitLog, Draft, Kind, Outcome, Published, Report, Sequence, Step, Stored, Tip, Unavailable,
    Whole, Writing, WritingError,
};

/// Pause before a message is sent again, when the engine refused it and nothing lies there yet.
const PAUSE: Duration = Duration::from_millis(5);

/// The stream, and where this node stands in it.
pub(in crate::ledger) struct Stream {
    pub(super) node: Arc<Node>,
    pub(super) url: String,
    /// The folder of the node, with its tokens and keys.
    pub(super) folder: Folder,
    pub(super) requests: Requests,
    pub(super) chain: Chain,
    pub(super) log: Box<dyn CommitLog + Send>,
    pub(super) peers: Box<dyn Peers>,
    /// The generation of the newest message that the log has; older than the node's after the stream was lost and made again.
    pub(super) logged: u32,
    /// Messages that were read and not judged.
    ahead: VecDeque<Stored>,
    pub(super) bell: watch::Receiver<Sequence>,
    pub(super) lease: watch::Receiver<bool>,
    pub(super) confirmations: Arc<Confirmations>,
    pub(super) runtime: Handle,
    /// Whether the newest message of a leader is this node's.
    pub(super) leads: bool,
    /// When the last look ended.
    pub(super) looked: Instant,
}

/// Why the outcome of a commit stays open.
#[derive(Debug, thiserror::Error)]
pub(super) enum Open {
    /// The ledger closes. The next message of a leader decides about the commit.
    #[error("the ledger closes")]
    Closing,
    /// The stream lacks this message, and has later ones.
    #[error("the stream lacks message {0}")]
    Missing(Sequence),
    /// The stream cannot be judged.
    #[error(transparent)]
    Stream(#[from] WritingError),
}

impl Stream {
    /// The stream after `newest`, the newest message that the log in `folder` has.
    ///
    /// # Errors
    ///
    /// The folder has no key, or it cannot be read.
    pub(in crate::ledger) fn new(
        replication: Replication,
        newest: &LoggedMessage,
        folder: &Folder,
    ) -> Result<Stream, KeyError> {
        let key = key_file::stream_key(folder)?;
        let Replication { name, url, generation, log, peers, bell, lease, confirmations, runtime } = replication;
        // A log of an older generation has no message of this one.
        let durable = if newest.generation == generation { newest.tip } else { Tip { sequence: 0, ..newest.tip } };
        let (node, requests) = Node::new(name, generation, key.clone(), durable, lease.clone());
        Ok(Stream {
            node: Arc::new(node),
            folder: folder.clone(),
            requests,
            url,
            chain: Chain::new(key, newest.generation, newest.tip),
            log,
            peers,
            logged: newest.generation,
            ahead: VecDeque::new(),
            bell,
            lease,
            confirmations,
            runtime,
            leads: false,
            looked: Instant::now(),
        })
    }

    /// The node, as others see it.
    pub(in crate::ledger) fn node(&self) -> Arc<Node> {
        self.node.clone()
    }

    /// Judges anew after `newest`: the log alone knows which messages it has.
    pub(super) fn begin_again(&mut self, newest: &LoggedMessage) {
        self.chain = Chain::new(self.node.key.clone(), newest.generation, newest.tip);
        self.logged = newest.generation;
        self.ahead.clear();
    }

    /// Whether the log lacks the beginning of this generation: another node began it after the stream before was lost.
    pub(super) fn is_older(&self) -> bool {
        self.logged < self.node.generation
    }

    /// The message at `sequence`, or the next one behind it; `None` if the stream ends before it.
    pub(super) fn message(&mut self, sequence: Sequence) -> Result<Option<Stored>, Unavailable> {
        while self.ahead.front().is_some_and(|stored| stored.sequence < sequence) {
            self.ahead.pop_front();
        }
        if self.ahead.is_empty() {
            self.ahead = self.log.read(sequence)?.into();
            self.node.change(|state| state.heard = Instant::now());
        }
        Ok(self.ahead.pop_front())
    }

    /// A commit of this node.
    pub(super) fn draft(&self, kind: Kind, body: Vec<u8>) -> Draft {
        let mut id = [0; 16];
        getrandom::fill(&mut id).expect("the operating system gives randomness");
        Draft { kind, commit: CommitId(id), node: self.node.name.clone(), body }
    }

    /// Brings a commit into the stream, however long it takes. Calls `late` once if the outcome is unknown after 10 s.
    ///
    /// A commit that is accepted is also the barrier of all reads that waited before it was sent.
    ///
    /// # Errors
    ///
    /// The outcome stays open: `closing` says that the ledger closes, or the stream cannot be judged.
    pub(super) fn bring(
        &mut self,
        draft: &Draft,
        closing: impl Fn() -> bool,
        late: impl FnOnce(),
    ) -> Result<Outcome, Open> {
        let (started, mut late) = (Instant::now(), Some(late));
        let barriers: Vec<_> = std::iter::from_fn(|| self.requests.barriers.try_recv().ok()).collect();
        let mut writing = Writing::new(draft, &self.chain);
        loop {
            let report = match writing.step(&self.chain) {
                Step::Publish { expected, bytes } => match self.log.publish(expected, bytes) {
                    Published::Accepted(sequence) => Report::Accepted(sequence),
                    Published::Refused => Report::Refused,
                    Published::Unknown => Report::Unknown,
                },
                Step::Read(from) => match self.message(from) {
                    Ok(Some(stored)) if stored.sequence > from => return Err(Open::Missing(from)),
                    Ok(Some(stored)) => Report::Found(stored.sequence, stored.bytes),
                    Ok(None) | Err(_) => {
                        std::thread::sleep(PAUSE);
                        Report::Nothing
                    }
                },
            };
            if let Some(outcome) = writing.report(&mut self.chain, report)? {
                self.note_void();
                if let Outcome::Accepted(_) = outcome {
                    // A read that has gone away needs no answer.
                    for passed in barriers {
                        let _ = passed.send(());
                    }
                }
                return Ok(outcome);
            }
            if started.elapsed() >= OUTCOME
                && let Some(late) = late.take()
            {
                self.node.change(|state| state.unknown += 1);
                tracing::error!("the outcome of a commit is unknown for 10 s; the node goes on asking");
                late();
            }
            if closing() {
                return Err(Open::Closing);
            }
        }
    }

    /// The row of a message that the log is about to have.
    pub(super) fn row(&self, whole: &Whole, first: Position) -> LoggedMessage {
        let tip = Tip { sequence: whole.sequence, hash: whole.hash };
        LoggedMessage { generation: whole.generation, tip, first }
    }

    /// Shows how many messages did not count.
    pub(super) fn note_void(&self) {
        let void = self.chain.void();
        if self.node.state().void != void {
            self.node.change(|state| state.void = void);
        }
    }
}
