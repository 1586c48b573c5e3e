//! The figures of a node of a cluster. A ledger on one machine has none of them.

use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use crate::cluster::Condition;
use crate::ledger::Role;

/// Registers the figures of this node.
pub(super) fn register(found: &Condition, registry: &mut Registry) {
    let slowest = found.slowest.as_ref().map_or(0, |(_, sequence)| *sequence);
    let gauges = [
        ("connected", "Whether the node is connected to a NATS server", u64::from(found.connected)),
        ("leads", "Whether the node leads", u64::from(found.role == Role::Leads)),
        ("stopped", "Whether the node has stopped", u64::from(found.role == Role::Stopped)),
        ("sequence", "The newest message of the stream that the node's log has durably", found.sequence),
        (
            "heard_seconds",
            "Seconds since the stream's leader last answered; since the start before the first answer",
            found.heard_seconds,
        ),
        (
            "confirmations_needed",
            "Other nodes that must have a commit before its appends are answered",
            found.confirmations_needed,
        ),
        ("slowest_sequence", "The newest message that every other node which was heard has", slowest),
        ("sync_always", "Whether every NATS server that answered syncs each message", u64::from(found.sync_always)),
        ("behind_messages", "Messages of the stream that the node's log has not got", found.behind_messages),
        ("stream_bytes", "Bytes of the stream", found.stream_bytes),
        ("stream_first", "The oldest message of the stream", found.stream_first),
        ("stream_most_bytes", "Most bytes that the stream may have", found.stream_most_bytes),
    ];
    for (name, help, figure) in gauges {
        let figure = i64::try_from(figure).unwrap_or(i64::MAX);
        registry.register(format!("jobledger_cluster_{name}"), help, ConstGauge::new(figure));
    }
    let counters = [
        ("void_messages", "Messages of the stream that did not count", found.void_messages),
        (
            "unknown_outcomes",
            "Commits whose outcome was unknown for 10 s, or that too few nodes confirmed",
            found.unknown_outcomes,
        ),
        ("repaired_messages", "Messages that the stream lacked and another node gave", found.repaired_messages),
    ];
    for (name, help, figure) in counters {
        registry.register(format!("jobledger_cluster_{name}"), help, ConstCounter::new(figure));
    }
}
