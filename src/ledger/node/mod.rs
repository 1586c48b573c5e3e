//! A ledger as a node of a cluster: what it needs of the cluster, and what it says of itself.
//!
//! Not here: the thread that writes (`commit::node`), the messages (`stream`), and NATS (`cluster`).

mod body;
mod confirmations;
mod copies;
mod files;
mod membership;
mod status;

pub(in crate::ledger) use body::body_of_events;
pub use confirmations::Confirmations;
pub use copies::CopyError;
pub use files::{FilesError, SharedFiles};
pub(in crate::ledger) use membership::has_rotated;
pub use membership::{Founding, Membership, MembershipError};
pub(in crate::ledger) use status::ring;
pub use status::{Leader, Node, NodeState, Role};

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};

use crate::stream::{CommitLog, Sequence, StreamKey, Whole};

/// The other nodes, as the writer thread asks them.
pub trait Peers: Send {
    /// Messages after `after` of `generation` as another node's log has them, in order, with what they brought; empty if no other node
    /// has later ones or answers. Blocks for some seconds at the most. `key` is that of the stream.
    fn messages(&mut self, key: &StreamKey, generation: u32, after: Sequence) -> Vec<Whole>;
}

/// What a node needs of its cluster.
pub struct Replication {
    /// The node's name, 1 to 64 bytes.
    pub name: String,
    /// The URL at which other nodes reach this one, at most 255 bytes.
    pub url: String,
    /// The generation of the stream.
    pub generation: u32,
    /// The stream. The writer thread alone uses it.
    pub log: Box<dyn CommitLog + Send>,
    /// The other nodes. The writer thread alone asks them.
    pub peers: Box<dyn Peers>,
    /// The newest message that has come; rings with each.
    pub bell: watch::Receiver<Sequence>,
    /// Whether this node holds the lease: whether it should lead. Safety does not rest on it.
    pub lease: watch::Receiver<bool>,
    /// Up to where the other nodes are durable.
    pub confirmations: Arc<Confirmations>,
    /// Where the writer thread waits.
    pub runtime: Handle,
}

/// A question for the leader's newest position after one more message. It is answered when the stream has that message.
pub(super) type BarrierRequest = oneshot::Sender<()>;

/// The shared files of the node that leads, on their way to the others.
#[derive(Debug)]
pub(super) struct FilesRequest {
    /// The body of the message.
    pub body: Vec<u8>,
    /// Whether the body is in the stream. Dropped unused if the outcome is unknown.
    pub sent: oneshot::Sender<bool>,
}

/// What others ask of the writer thread of a node.
pub(super) struct Requests {
    pub files: mpsc::Receiver<FilesRequest>,
    pub barriers: mpsc::Receiver<BarrierRequest>,
}
