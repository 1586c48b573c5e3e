//! A commit that is longer than one message, as several messages in a chain.

use super::message::{Envelope, Message};
use super::{CommitId, Kind, MAX_MESSAGE, MessageHash, StreamKey};

/// Most messages of one commit.
pub(super) const MAX_PARTS: u16 = 64;
/// Most bytes of the body of a commit. The largest commit of the writer thread, with 5,000 leaves of 16 KiB and 40 MiB of data, has
/// half as many.
pub const MAX_BODY: usize = (MAX_MESSAGE - 1024) * MAX_PARTS as usize;

/// A commit on its way into the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// What the commit brings.
    pub kind: Kind,
    /// The commit's id.
    pub commit: CommitId,
    /// The name of the node that writes, 1 to 64 bytes.
    pub node: String,
    /// The body, at most [`MAX_BODY`] bytes.
    pub body: Vec<u8>,
}

impl Draft {
    /// The messages of the commit, at least one. The first names `prev`, and each later one the one before it.
    ///
    /// # Panics
    /// At a body over [`MAX_BODY`] bytes.
    pub(super) fn messages(&self, key: &StreamKey, generation: u32, prev: MessageHash) -> Vec<Vec<u8>> {
        self.pieces(key, generation, prev, MAX_MESSAGE)
    }

    /// As [`Draft::messages`], with messages of at most `most` bytes.
    pub(super) fn pieces(&self, key: &StreamKey, generation: u32, prev: MessageHash, most: usize) -> Vec<Vec<u8>> {
        let room = most - Message::overhead(&self.node);
        let parts = u16::try_from(self.body.len().div_ceil(room).max(1)).ok().filter(|parts| *parts <= MAX_PARTS);
        let parts = parts.expect("the writer thread ends a commit before it is so long");
        let mut prev = prev;
        let message = |part: u16| {
            let from = usize::from(part) * room;
            let body = &self.body[from..self.body.len().min(from + room)];
            let Draft { kind, commit, node, .. } = self;
            let envelope = Envelope { kind: *kind, generation, commit: *commit, prev, part, parts, node };
            let bytes = Message { envelope, body }.to_bytes(key);
            prev = MessageHash::of(&bytes);
            bytes
        };
        (0..parts).map(message).collect()
    }
}
