//! The stream of a cluster: what the messages between the nodes of one ledger are, which of them count, and how a node brings a
//! commit into the stream.
//!
//! A message counts by what it says, never by where it lies. It names the hash of the message before it, and carries a MAC. A
//! [`Chain`] judges every message, and every node judges alike. A [`Writing`] brings one commit into the stream through
//! acknowledgements that are lost, late or wrong.
//!
//! Pure functions of values: bytes, keys, ids and the order of events come from the caller.
//!
//! Not here: the engine that carries the messages (`cluster`), and what a message does to the log (`ledger`).

mod body;
mod chain;
mod commit_log;
mod confirmation;
mod fields;
mod key;
#[cfg(test)]
mod lives;
mod message;
#[cfg(test)]
mod model;
mod parts;
mod question;
mod used;
mod writing;

pub use body::{CommitBody, Entry, FilesBody, LeadBody};
pub use chain::{Chain, ChainError, Judged, Tip, Void, Whole};
pub use commit_log::{CommitLog, Published, Stored, Unavailable};
pub use confirmation::Confirmation;
pub use fields::BadBody;
pub use key::{MessageHash, StreamKey};
pub use message::{BadMessage, CommitId, Envelope, Kind, MAX_MESSAGE, Message};
pub use parts::{Draft, MAX_BODY};
pub use question::{Asked, Copied, Question};
pub use used::TokensUsed;
pub use writing::{Outcome, Report, Step, Writing, WritingError};

/// The place of a message in the stream, from 1. 0 is the place before the first message.
pub type Sequence = u64;
