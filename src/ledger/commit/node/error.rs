//! Errors of a node that stores what another node decided.

use crate::ledger::OpenError;
use crate::ledger::commit::SealError;
use crate::ledger::keys::NoSigner;
use crate::ledger::node::FilesError;
use crate::log;
use crate::stream::{BadBody, ChainError};
use crate::tree::Head;

/// Why a stream does not continue this log.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotOfLog {
    /// The stream has lost messages.
    #[error(
        "the stream ends before message {0}, which this log has: the stream has lost messages; see the page on clusters, \
         \"When something fails\""
    )]
    Behind(u64),
    /// The stream was made again, or is another ledger's.
    #[error(
        "message {0} of the stream is not the one that this log has: the stream was made again, or is another ledger's"
    )]
    Another(u64),
}

/// Why messages cannot be stored.
#[derive(Debug, thiserror::Error)]
pub(super) enum FollowError {
    /// The log failed. A later attempt may succeed.
    #[error(transparent)]
    Log(log::Error),
    /// The stream cannot be judged.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The tree is in doubt.
    #[error(transparent)]
    Seal(SealError),
    /// A node wrote a body that this program cannot read.
    #[error("message {0} of the stream: {1}")]
    Body(u64, BadBody),
    /// An event does not fit the log.
    #[error("message {0} of the stream has an event that does not fit this log: {1}")]
    Entry(u64, String),
    /// The log has another tree after the message than the node that wrote it.
    #[error(
        "after message {sequence} of the stream the log has {} events with the root {}, and the node that wrote it had {} with the \
         root {}; take this node back in with `jobledger cluster join`", found.size, found.root, expected.size, expected.root
    )]
    OtherTree { sequence: u64, expected: Head, found: Head },
    /// The log is not the beginning of the one with which a generation began.
    #[error(
        "generation {generation} of the stream continues a log that is not this one of {found} events; keep this folder, and take the \
         node in again from a backup of another node"
    )]
    OtherLog { generation: u32, found: u64 },
    /// The log's own events cannot be read.
    #[error(transparent)]
    Identity(OpenError),
    /// Another node has rotated the key, and this one lacks it.
    #[error(
        "a rotation added a key; bring `ledger.key` and `ledger.key.previous` of the node that rotated, and start this node again: {0}"
    )]
    NoKey(NoSigner),
    /// The tokens or webhooks cannot be written. A later attempt may succeed.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// A node wrote tokens and webhooks that this program cannot read.
    #[error("message {0} of the stream has tokens or webhooks that this jobledger cannot read: {1}")]
    UnknownFiles(u64, serde_json::Error),
}

impl From<log::Error> for FollowError {
    fn from(error: log::Error) -> FollowError {
        FollowError::Log(error)
    }
}

impl From<SealError> for FollowError {
    fn from(error: SealError) -> FollowError {
        match error {
            SealError::Log(error) => FollowError::Log(error),
            doubt => FollowError::Seal(doubt),
        }
    }
}
