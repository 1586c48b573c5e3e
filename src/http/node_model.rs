//! What a node says of itself and its cluster to a caller with a token.

use serde::Serialize;
use utoipa::ToSchema;

use crate::cluster::Condition;
use crate::http::app::App;

/// A node of a cluster.
#[derive(Debug, Serialize, ToSchema)]
pub struct NodeModel {
    /// The node's name.
    pub node: String,
    /// What the node does: `leads`, `follows`, `catching-up` or `stopped`.
    pub role: &'static str,
    /// The node that leads, as far as this one knows.
    pub leader: Option<String>,
    /// The generation of the stream.
    #[schema(minimum = 1)]
    pub generation: u32,
    /// Whether the node is connected to a NATS server.
    pub connected: bool,
    /// Whether every NATS server that answered syncs each message.
    pub sync_always: bool,
    /// Seconds since the stream's leader last answered.
    #[schema(minimum = 0)]
    pub heard_seconds: u64,
    /// The newest message of the stream that the node has on its disk.
    #[schema(minimum = 0)]
    pub sequence: u64,
    /// Messages of the stream that the node has not got.
    #[schema(minimum = 0)]
    pub behind_messages: u64,
    /// Other nodes that must have a commit before its appends are answered.
    #[schema(minimum = 0)]
    pub confirmations_needed: u64,
    /// On a node that leads or has led: the other node that has the fewest messages.
    pub slowest: Option<String>,
    /// The newest message of that node.
    #[schema(minimum = 0)]
    pub slowest_sequence: Option<u64>,
    /// Messages that did not count, since the start.
    #[schema(minimum = 0)]
    pub void_messages: u64,
    /// Commits whose outcome was unknown for 10 s, since the start.
    #[schema(minimum = 0)]
    pub unknown_outcomes: u64,
    /// Messages that the stream lacked and another node gave, since the start.
    #[schema(minimum = 0)]
    pub repaired_messages: u64,
    /// Bytes of the stream.
    #[schema(minimum = 0)]
    pub stream_bytes: u64,
    /// Most bytes that the stream may have.
    #[schema(minimum = 0)]
    pub stream_most_bytes: u64,
}

impl NodeModel {
    /// The node that answers; `None` for a ledger on one machine.
    pub fn of(app: &App) -> Option<NodeModel> {
        let (cluster, node) = (app.cluster.as_ref()?, app.ledger.node()?);
        Some(NodeModel::from(cluster.condition(node)))
    }
}

impl From<Condition> for NodeModel {
    fn from(found: Condition) -> NodeModel {
        let (slowest, slowest_sequence) = found.slowest.unzip();
        NodeModel {
            node: found.node,
            role: found.role.as_str(),
            leader: found.leader,
            generation: found.generation,
            connected: found.connected,
            sync_always: found.sync_always,
            heard_seconds: found.heard_seconds,
            sequence: found.sequence,
            behind_messages: found.behind_messages,
            confirmations_needed: found.confirmations_needed,
            slowest,
            slowest_sequence,
            void_messages: found.void_messages,
            unknown_outcomes: found.unknown_outcomes,
            repaired_messages: found.repaired_messages,
            stream_bytes: found.stream_bytes,
            stream_most_bytes: found.stream_most_bytes,
        }
    }
}
