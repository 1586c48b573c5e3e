//! The shares of the memory budget in `/metrics`.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::http::app::App;
use crate::memory::Share;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Label {
    share: &'static str,
}

/// Registers the limit of each share, and the bytes that its part holds, if the part tells.
pub fn register(app: &App, registry: &mut Registry) {
    let (limits, held) = (Family::<Label, Gauge>::default(), Family::<Label, Gauge>::default());
    let memory = app.ledger.memory();
    memory.of(Share::Bodies).hold(app.limits.bodies.held());
    for (share, budget) in memory.shares() {
        limits.get_or_create(&Label { share }).set(budget.limit() as i64);
        if let Some(bytes) = budget.held() {
            held.get_or_create(&Label { share }).set(bytes as i64);
        }
    }
    registry.register("jobledger_memory_share_bytes", "Memory that each part may hold, of `--memory`", limits);
    registry.register("jobledger_memory_held_bytes", "Memory that each part holds now", held);
}
