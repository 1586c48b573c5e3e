//! What the ledger needs of the engine that carries the messages.

use super::Sequence;

/// One stream of messages that all nodes of a cluster share. Each node has a handle of its own.
///
/// The engine is not trusted with the order of commits: it may lose a request or its answer, repeat a request, refuse one because of
/// another that it then drops, and take messages of strangers. It must keep what it has accepted.
pub trait CommitLog {
    /// Asks the engine to append `bytes` if the newest message is at `expected`. Waits at most some seconds for the answer.
    fn publish(&mut self, expected: Sequence, bytes: &[u8]) -> Published;

    /// The messages from `from` on, in order, as the stream's leader has them: some of them, at least the first; none if there is
    /// no message at `from` or later.
    ///
    /// # Errors
    /// The engine does not answer.
    fn read(&mut self, from: Sequence) -> Result<Vec<Stored>, Unavailable>;

    /// The newest message's place, also if the engine has lost that message; 0 in a stream that has had none.
    ///
    /// # Errors
    /// The engine does not answer.
    fn last(&mut self) -> Result<Sequence, Unavailable>;
}

/// A message in the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its place.
    pub sequence: Sequence,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// The answer to a publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    /// The message is in the stream, for good.
    Accepted(Sequence),
    /// Another message came first, or may have: the refusal proves nothing.
    Refused,
    /// The message may be in the stream now, later or never.
    Unknown,
}

/// The engine does not answer. The caller tries again later.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the stream cannot be read: {0}")]
pub struct Unavailable(pub String);
