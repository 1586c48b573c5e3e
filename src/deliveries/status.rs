//! How each webhook stands in a running server, for lists and metrics.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::job::Position;
use crate::webhooks::{State, WebhookId};

/// How one webhook stands.
#[derive(Debug)]
pub(super) struct Status {
    position: AtomicU64,
    parked: AtomicBool,
    /// Whether the delivery waits for the bell, with everything before it sent.
    waiting: AtomicBool,
}

impl Status {
    pub(super) fn new(position: Position, state: State) -> Status {
        let parked = AtomicBool::new(state == State::Parked);
        Status { position: AtomicU64::new(position.get()), parked, waiting: AtomicBool::new(false) }
    }

    /// The receiver has every event up to here.
    pub(super) fn reached(&self, position: Position) {
        self.position.store(position.get(), Ordering::SeqCst);
    }

    /// The webhook is parked.
    pub(super) fn park(&self) {
        self.parked.store(true, Ordering::SeqCst);
    }

    /// Whether the delivery waits for the bell from now on.
    pub(super) fn wait(&self, waiting: bool) {
        self.waiting.store(waiting, Ordering::SeqCst);
    }

    /// The position that the receiver has, in a log with this head.
    pub(super) fn position(&self, head: Position) -> Position {
        let reached = Position::new(self.position.load(Ordering::SeqCst));
        if self.waiting.load(Ordering::SeqCst) { head.max(reached) } else { reached }
    }

    fn is_parked(&self) -> bool {
        self.parked.load(Ordering::SeqCst)
    }
}

/// What all deliveries count.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Events that receivers have taken.
    pub deliveries: Counter,
    /// Tries that failed.
    pub failures: Counter,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfWebhook {
    webhook: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InState {
    state: &'static str,
}

/// Registers the counts, and how each webhook of `all` stands in a log with this head.
pub(super) fn register<'s>(
    counts: &Counts,
    all: impl Iterator<Item = (&'s WebhookId, &'s Status)>,
    head: Position,
    registry: &mut Registry,
) {
    let (states, lags) = (Family::<InState, Gauge>::default(), Family::<OfWebhook, Gauge>::default());
    for state in State::ALL {
        drop(states.get_or_create(&InState { state: state.as_str() }));
    }
    for (id, status) in all {
        let state = if status.is_parked() { State::Parked } else { State::Active };
        states.get_or_create(&InState { state: state.as_str() }).inc();
        let lag = head.get().saturating_sub(status.position(head).get());
        lags.get_or_create(&OfWebhook { webhook: id.to_string() }).set(lag as i64);
    }
    registry.register("jobledger_webhooks", "Webhooks, by state", states);
    let help = "Events of the log after the position of each webhook, also those that it does not send";
    registry.register("jobledger_webhook_lag_events", help, lags);
    let help = "Events that receivers of webhooks have taken";
    registry.register("jobledger_webhook_deliveries", help, counts.deliveries.clone());
    let help = "Tries to deliver an event to a receiver that failed";
    registry.register("jobledger_webhook_failures", help, counts.failures.clone());
}
