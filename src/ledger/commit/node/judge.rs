//! Which messages there are to store: the next ones of the stream, judged in order.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use crate::ledger::node::Node;
use crate::log::LoggedMessage;
use crate::stream::{Chain, ChainError, CommitLog, Judged, Sequence, Stored, Unavailable, Whole};

/// Most messages in one local commit.
const MESSAGES: usize = 200;
/// Most bytes of messages in one local commit, besides its last message.
const BYTES: usize = 16 << 20;

/// What there is to store.
pub(super) enum Next {
    /// These messages count.
    Messages(Vec<Whole>),
    /// There is no message that was not judged, up to the last one.
    End,
    /// The stream cannot be read now.
    Unreadable,
    /// The stream lacks this message, and has had it or later ones.
    Missing(Sequence),
}

/// What the stream has at a place.
pub(super) enum Place {
    /// This message.
    Message(Vec<u8>),
    /// Nothing yet: the stream ends before it.
    End,
    /// Nothing any more: the stream has had a message there.
    Lost,
}

/// An end of the stream, which more messages may have followed.
#[derive(Debug, Clone, Copy)]
pub(super) struct End {
    /// The newest message.
    pub last: Sequence,
    /// When the stream ended there.
    pub asked: Instant,
}

/// The stream as this node has read it: the engine, the judgement so far, and the messages that were read ahead.
pub(super) struct Judge {
    pub(super) chain: Chain,
    pub(super) log: Box<dyn CommitLog + Send>,
    node: Arc<Node>,
    /// Messages that were read and not judged.
    ahead: VecDeque<Stored>,
}

impl Judge {
    /// Judges after `newest`, the newest message that the node's log has.
    pub(super) fn new(node: Arc<Node>, log: Box<dyn CommitLog + Send>, newest: &LoggedMessage) -> Judge {
        Judge { chain: after(&node, newest), log, node, ahead: VecDeque::new() }
    }

    /// Judges anew after `newest`: the log alone knows which messages it has.
    pub(super) fn begin_again(&mut self, newest: &LoggedMessage) {
        self.chain = after(&self.node, newest);
        self.ahead.clear();
    }

    /// Whether the log lacks the beginning of this generation: another node began it after the stream before was lost.
    pub(super) fn is_older(&self) -> bool {
        self.chain.generation() < self.node.generation
    }

    /// The end that the stream has now.
    pub(super) fn end(&mut self) -> Result<End, Unavailable> {
        let asked = Instant::now();
        Ok(End { last: self.log.last()?, asked })
    }

    /// What the stream has at `sequence`.
    ///
    /// A stream can lose its newest message. It still refuses other messages for that place, and a read finds none there or later, as at
    /// the stream's end. The place of the stream's newest message tells the two cases apart.
    pub(super) fn at(&mut self, sequence: Sequence) -> Result<Place, Unavailable> {
        match self.read_once(sequence)? {
            Some(place) => Ok(place),
            None if self.log.last()? < sequence => Ok(Place::End),
            // A message may have come between the two questions.
            None => Ok(self.read_once(sequence)?.unwrap_or(Place::Lost)),
        }
    }

    /// As [`Judge::at`]; `None` if a read finds no message at `sequence` or later.
    fn read_once(&mut self, sequence: Sequence) -> Result<Option<Place>, Unavailable> {
        while self.ahead.front().is_some_and(|stored| stored.sequence < sequence) {
            self.ahead.pop_front();
        }
        if self.ahead.is_empty() {
            self.ahead = self.log.read(sequence)?.into();
            self.node.change(|state| state.heard = Instant::now());
        }
        match self.ahead.pop_front() {
            Some(stored) if stored.sequence > sequence => {
                self.ahead.push_front(stored);
                Ok(Some(Place::Lost))
            }
            found => Ok(found.map(|stored| Place::Message(stored.bytes))),
        }
    }

    /// Whether each message up to the one at `last` was judged.
    pub(super) fn has_judged(&self, last: Sequence) -> bool {
        self.chain.next() > last
    }

    /// Judges the next messages, up to the one at `last`, and answers those that count.
    pub(super) fn judge_some(&mut self, last: Sequence) -> Result<Next, ChainError> {
        if self.is_older() {
            return Ok(Next::Missing(0));
        }
        let (mut wholes, mut judged, mut bytes) = (Vec::new(), 0, 0);
        while wholes.len() < MESSAGES && bytes < BYTES && !self.has_judged(last) {
            let sequence = self.chain.next();
            let message = match self.at(sequence) {
                Ok(Place::Message(message)) => message,
                Ok(Place::End | Place::Lost) if judged == 0 => return Ok(Next::Missing(sequence)),
                Err(error) if judged == 0 => {
                    cannot_be_read(&error);
                    return Ok(Next::Unreadable);
                }
                Ok(Place::End | Place::Lost) | Err(_) => break,
            };
            (judged, bytes) = (judged + 1, bytes + message.len());
            match self.chain.judge(sequence, &message)? {
                Judged::Valid(whole) => wholes.push(whole),
                Judged::Begun { .. } => {}
                Judged::Void(why) => tracing::warn!(sequence, ?why, "a message of the stream does not count"),
            }
        }
        self.note_void();
        Ok(if judged == 0 { Next::End } else { Next::Messages(wholes) })
    }

    /// Shows how many messages did not count.
    pub(super) fn note_void(&self) {
        let void = self.chain.void();
        if self.node.state().void != void {
            self.node.change(|state| state.void = void);
        }
    }
}

/// The judgement after `newest`, the newest message that the log has. Its generation is older than the node's after the stream was lost
/// and made again.
fn after(node: &Node, newest: &LoggedMessage) -> Chain {
    Chain::new(node.key.clone(), newest.generation, newest.tip)
}

pub(super) fn cannot_be_read(error: &Unavailable) {
    tracing::warn!(error = error as &dyn std::error::Error, "the stream cannot be read now");
}
