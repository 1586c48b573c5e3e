//! The stream as the writer thread of a node holds it: what the node has read of it, and what others ask of the node.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::watch;

use super::callers::Callers;
use super::judge::{End, Judge, Place};
use super::{LOOK, OUTCOME};
use crate::job::Position;
use crate::ledger::Folder;
use crate::ledger::keys::{KeyError, key_file};
use crate::ledger::node::{Confirmations, Node, Peers, Replication, Requests};
use crate::log::LoggedMessage;
use crate::stream::{
    CommitId, Draft, Kind, Outcome, Published, Report, Sequence, Step, Tip, Whole, Writing, WritingError,
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
    pub(super) judge: Judge,
    pub(super) peers: Box<dyn Peers>,
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
    /// The stream has lost this message.
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
        let (node, requests) = Node::new(name, generation, key, durable, lease.clone());
        let node = Arc::new(node);
        Ok(Stream {
            judge: Judge::new(node.clone(), log, newest),
            node,
            folder: folder.clone(),
            requests,
            url,
            peers,
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

    /// A commit of this node.
    pub(super) fn draft(&self, kind: Kind, body: Vec<u8>) -> Draft {
        let mut id = [0; 16];
        getrandom::fill(&mut id).expect("the operating system gives randomness");
        Draft { kind, commit: CommitId(id), node: self.node.name.clone(), body }
    }

    /// Brings a commit into the stream, however long it takes. If the outcome is unknown after 10 s, no caller waits from then on.
    ///
    /// A commit that is accepted is also the barrier of all reads that waited before it was sent.
    ///
    /// # Errors
    ///
    /// The outcome stays open: the ledger closes, or the stream cannot be judged.
    pub(super) fn bring(&mut self, draft: &Draft, callers: &mut Callers<'_>) -> Result<Outcome, Open> {
        let (started, mut is_late) = (Instant::now(), false);
        let barriers: Vec<_> = std::iter::from_fn(|| self.requests.barriers.try_recv().ok()).collect();
        let mut writing = Writing::new(draft, &self.judge.chain);
        loop {
            let report = match writing.step(&self.judge.chain) {
                Step::Publish { expected, bytes } => match self.judge.log.publish(expected, bytes) {
                    Published::Accepted(sequence) => Report::Accepted(sequence),
                    Published::Refused => Report::Refused,
                    Published::Unknown => Report::Unknown,
                },
                Step::Read(from) => match self.judge.at(from) {
                    Ok(Place::Message(bytes)) => Report::Found(from, bytes),
                    Ok(Place::Lost) => return Err(Open::Missing(from)),
                    Ok(Place::End) | Err(_) => {
                        std::thread::sleep(PAUSE);
                        Report::Nothing
                    }
                },
            };
            if let Some(outcome) = writing.report(&mut self.judge.chain, report)? {
                self.judge.note_void();
                if let Outcome::Accepted(_) = outcome {
                    // A read that has gone away needs no answer.
                    for passed in barriers {
                        let _ = passed.send(());
                    }
                }
                return Ok(outcome);
            }
            if !is_late && started.elapsed() >= OUTCOME {
                is_late = true;
                self.node.change(|state| state.unknown += 1);
                tracing::error!("the outcome of a commit is unknown for 10 s; the node goes on asking");
            }
            if is_late {
                callers.wait_no_longer();
                self.look_while_bringing();
            }
            if callers.are_closing() {
                return Err(Open::Closing);
            }
        }
    }

    /// Asks from time to time whether the node has every message. A stream that is full accepts none, and the node still shows what it has.
    fn look_while_bringing(&mut self) {
        if self.looked.elapsed() < LOOK {
            return;
        }
        if let Ok(End { last, asked }) = self.judge.end()
            && self.judge.has_judged(last)
        {
            self.node.is_current(asked);
        }
        self.looked = Instant::now();
    }
}

/// The row of a message that the log is about to have.
pub(super) fn row(whole: &Whole, first: Position) -> LoggedMessage {
    let tip = Tip { sequence: whole.sequence, hash: whole.hash };
    LoggedMessage { generation: whole.generation, tip, first }
}
