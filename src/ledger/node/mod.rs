//! A ledger as a node of a cluster: what it needs of the cluster, and what it says of itself.
//!
//! Not here: the thread that writes (`commit::node`), the messages (`stream`), and NATS (`cluster`).

mod confirmations;
mod membership;
mod status;

pub use confirmations::Confirmations;
pub use membership::{Founding, Membership, MembershipError};
pub use status::{Leader, Node, NodeState, Role};

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};

use crate::stream::CommitLog;

/// What a node needs of its cluster.
pub struct Replication {
    /// The node's name, 1 to 64 bytes.
    pub name: String,
    /// The URL at which other nodes reach this one, at most 255 bytes.
    pub url: String,
    /// The stream. The writer thread alone uses it.
    pub log: Box<dyn CommitLog + Send>,
    /// Rings when a message has come.
    pub bell: watch::Receiver<()>,
    /// Whether this node holds the lease: whether it should lead. Safety does not rest on it.
    pub lease: watch::Receiver<bool>,
    /// Up to where the other nodes are durable.
    pub confirmations: Arc<Confirmations>,
    /// Where the writer thread waits.
    pub runtime: Handle,
}

/// The tokens of the node that leads, on their way to the others.
#[derive(Debug)]
pub(super) struct AccessRequest {
    pub copy: Vec<u8>,
    /// Whether the copy is in the stream. Dropped unused if the outcome is unknown.
    pub sent: oneshot::Sender<bool>,
}
