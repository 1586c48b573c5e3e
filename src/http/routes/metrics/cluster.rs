//! The figures of a node of a cluster. A ledger on one machine has none of them.

use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use crate::cluster::Cluster;
use crate::ledger::{Node, Role};

/// Registers the figures of this node.
pub(super) fn register(cluster: &Cluster, node: &Node, registry: &mut Registry) {
    let state = node.state();
    let is = |yes: bool| ConstGauge::new(i64::from(yes));
    let help = "Whether the node is connected to a NATS server";
    registry.register("jobledger_cluster_connected", help, is(cluster.is_connected()));
    registry.register("jobledger_cluster_leads", "Whether the node leads", is(state.role == Role::Leads));
    registry.register("jobledger_cluster_stopped", "Whether the node has stopped", is(state.role == Role::Stopped));
    let help = "The newest message of the stream that the node's log has durably";
    registry.register("jobledger_cluster_sequence", help, ConstGauge::new(clamped(state.durable.sequence)));
    let heard = clamped(state.heard.elapsed().as_secs());
    let help = "Seconds since the stream's leader last answered; since the start before the first answer";
    registry.register("jobledger_cluster_heard_seconds", help, ConstGauge::new(heard));
    let help = "Other nodes that must have a commit before its appends are answered";
    let needed = i64::try_from(cluster.confirmations().needed()).unwrap_or(i64::MAX);
    registry.register("jobledger_cluster_confirmations_needed", help, ConstGauge::new(needed));
    let slowest = cluster.confirmations().durable().into_values().min().unwrap_or_default();
    let help = "The newest message that every other node which was heard has";
    registry.register("jobledger_cluster_slowest_sequence", help, ConstGauge::new(clamped(slowest)));
    let help = "Messages of the stream that did not count";
    registry.register("jobledger_cluster_void_messages", help, ConstCounter::new(state.void));
    let help = "Commits whose outcome was unknown for 10 s, or that too few nodes confirmed";
    registry.register("jobledger_cluster_unknown_outcomes", help, ConstCounter::new(state.unknown));
    let help = "Messages that the stream lacked and another node gave";
    registry.register("jobledger_cluster_repaired_messages", help, ConstCounter::new(state.repaired));
    let help = "Whether every NATS server that answered syncs each message";
    registry.register("jobledger_cluster_sync_always", help, is(cluster.keeps()));
    let (held, sequence) = (cluster.held(), state.durable.sequence);
    let help = "Messages of the stream that the node's log has not got";
    registry.register(
        "jobledger_cluster_behind_messages",
        help,
        ConstGauge::new(clamped(held.last.saturating_sub(sequence))),
    );
    registry.register("jobledger_cluster_stream_bytes", "Bytes of the stream", ConstGauge::new(clamped(held.bytes)));
    let help = "The oldest message of the stream";
    registry.register("jobledger_cluster_stream_first", help, ConstGauge::new(clamped(held.first)));
    let help = "Most bytes that the stream may have";
    registry.register("jobledger_cluster_stream_most_bytes", help, ConstGauge::new(clamped(held.most_bytes)));
}

fn clamped(figure: u64) -> i64 {
    i64::try_from(figure).unwrap_or(i64::MAX)
}
