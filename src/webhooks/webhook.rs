//! A webhook: who is told of which events, and how far.

use std::fmt;
use std::sync::Arc;

use super::receiver::Receiver;
use super::signature::Secret;
use crate::job::{EventType, Kind, OrgId, Position, Time, words};

/// The id of a webhook: `wh_` and 16 hex digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WebhookId(Arc<str>);

impl WebhookId {
    /// A new id.
    pub(super) fn new() -> WebhookId {
        let mut bytes = [0; 8];
        getrandom::fill(&mut bytes).expect("the operating system gives randomness");
        WebhookId(format!("wh_{}", hex::encode(bytes)).into())
    }

    /// An id from the file.
    pub(super) fn stored(text: String) -> WebhookId {
        WebhookId(text.into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WebhookId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

words! {
    /// Whether a webhook is delivered.
    State, "state of a webhook" {
        /// Its events are sent.
        Active = "active",
        /// The receiver failed for too long. No event is sent until a replay.
        Parked = "parked",
    }
}

/// The types of events that a webhook may send: those of jobs. The ledger's own events belong to no organisation.
pub fn sendable() -> impl Iterator<Item = EventType> + Clone {
    EventType::shown().filter(|known| !known.as_str().starts_with("ledger."))
}

/// The properties of a new webhook.
#[derive(Debug, Clone)]
pub struct NewWebhook {
    /// The organisation whose events are sent, and no other's.
    pub org: OrgId,
    /// Where the events go.
    pub receiver: Receiver,
    /// The types of the events; empty for all types.
    pub types: Vec<EventType>,
    /// The kind of the events' jobs; `None` for all kinds.
    pub kind: Option<Kind>,
}

/// A webhook as the file has it.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// The id.
    pub id: WebhookId,
    /// The organisation whose events are sent.
    pub org: OrgId,
    /// Where the events go.
    pub receiver: Receiver,
    /// The types of the events as words, also those that this program does not know; empty for all types.
    pub types: Vec<String>,
    /// The kind of the events' jobs; `None` for all kinds.
    pub kind: Option<Kind>,
    /// When the webhook was added.
    pub created: Time,
    /// The receiver has every event up to here that the webhook sends.
    pub position: Position,
    /// Whether the webhook is delivered.
    pub state: State,
    /// Failed tries of the next event, in a row.
    pub failures: u32,
    /// Why the newest try failed; `None` after a success.
    pub last_error: Option<String>,
    /// When the next event is tried again; `None` unless a try has failed, and for a parked webhook.
    pub next_try: Option<Time>,
    pub(crate) secret: Secret,
    /// Grows with each replay.
    pub(crate) revision: i64,
}

impl Webhook {
    /// The secret's text, `whsec_…`.
    pub fn secret(&self) -> &str {
        self.secret.reveal()
    }
}
