//! How a node and its cluster are, in the figures of `/readyz`, `/metrics` and the page.

use super::Cluster;
use crate::ledger::{Node, Role};

/// A node's figures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// The node's name.
    pub node: String,
    /// What it does.
    pub role: Role,
    /// The node that leads, as far as this one knows.
    pub leader: Option<String>,
    /// The generation of the stream.
    pub generation: u32,
    /// Whether the node is connected to a NATS server.
    pub connected: bool,
    /// Whether every NATS server that answered syncs each message.
    pub sync_always: bool,
    /// Seconds since the stream's leader last answered; since the start before the first answer.
    pub heard_seconds: u64,
    /// The newest message of the stream that the node's log has durably.
    pub sequence: u64,
    /// Messages of the stream that the node's log has not got.
    pub behind_messages: u64,
    /// Other nodes that must have a commit before its appends are answered.
    pub confirmations_needed: u64,
    /// The other node that has the fewest messages, and its newest one; `None` on a node that has not led.
    pub slowest: Option<(String, u64)>,
    /// Messages that did not count.
    pub void_messages: u64,
    /// Commits whose outcome was unknown for 10 s, or that too few nodes confirmed.
    pub unknown_outcomes: u64,
    /// Messages that the stream lacked and another node gave.
    pub repaired_messages: u64,
    /// The oldest message of the stream.
    pub stream_first: u64,
    /// Bytes of the stream.
    pub stream_bytes: u64,
    /// Most bytes that the stream may have.
    pub stream_most_bytes: u64,
}

impl Cluster {
    /// The figures of `node`, which is this one.
    pub fn condition(&self, node: &Node) -> Condition {
        let (state, held) = (node.state(), self.held());
        Condition {
            node: node.name.clone(),
            role: state.role,
            leader: state.leader.map(|leader| leader.name),
            generation: node.generation,
            connected: self.is_connected(),
            sync_always: self.keeps(),
            heard_seconds: state.heard.elapsed().as_secs(),
            sequence: state.durable.sequence,
            behind_messages: held.last.saturating_sub(state.durable.sequence),
            confirmations_needed: self.confirmations().needed() as u64,
            slowest: self.confirmations().durable().into_iter().min_by_key(|(_, sequence)| *sequence),
            void_messages: state.void,
            unknown_outcomes: state.unknown,
            repaired_messages: state.repaired,
            stream_first: held.first,
            stream_bytes: held.bytes,
            stream_most_bytes: held.most_bytes,
        }
    }
}
