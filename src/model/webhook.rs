//! A webhook as the API and `jobledger webhook list --json` show it.

use serde::Serialize;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::words::{KindName, described};
use crate::job::EventType;
use crate::webhooks::{State, Webhook, sendable};

described! {
    /// Whether a webhook is delivered.
    StateName = State::ALL.iter().map(|word| word.as_str());
    /// The type of an event that a webhook sends.
    SentType = sendable().map(EventType::as_str);
}

/// A webhook.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Webhook)]
pub struct WebhookModel {
    /// Its id.
    #[schema(pattern = "^wh_[0-9a-f]{16}$")]
    id: String,
    /// The organisation whose events it sends.
    org_id: String,
    /// Where the events go.
    url: String,
    /// The types of the events; empty for all types.
    #[schema(value_type = Vec<SentType>)]
    types: Vec<String>,
    /// The kind of the events' jobs; null for all kinds.
    #[schema(value_type = Option<KindName>)]
    kind: Option<&'static str>,
    /// `active`, or `parked` after a day of failures: then no event is sent until a replay.
    #[schema(value_type = StateName)]
    state: &'static str,
    /// The receiver has every event up to here that the webhook sends.
    #[schema(minimum = 0)]
    position: u64,
    /// Failed tries of the next event, in a row.
    #[schema(minimum = 0)]
    failures: u32,
    /// Why the newest try failed; null after a success.
    last_error: Option<String>,
    /// When the next event is tried again; null unless a try has failed, and for a parked webhook.
    next_try_at: Option<String>,
    /// When it was added.
    created_at: String,
    /// The secret that signs. Only the answer to the `POST` that adds the webhook has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

impl WebhookModel {
    /// The webhook without its secret.
    pub fn new(webhook: &Webhook) -> WebhookModel {
        WebhookModel {
            id: webhook.id.to_string(),
            org_id: webhook.org.to_string(),
            url: webhook.receiver.to_string(),
            types: webhook.types.clone(),
            kind: webhook.kind.map(|kind| kind.as_str()),
            state: webhook.state.as_str(),
            position: webhook.position.get(),
            failures: webhook.failures,
            last_error: webhook.last_error.clone(),
            next_try_at: webhook.next_try.map(|time| time.to_string()),
            created_at: webhook.created.to_string(),
            secret: None,
        }
    }

    /// The webhook with its secret, for the one answer that shows it.
    pub fn with_secret(webhook: &Webhook) -> WebhookModel {
        WebhookModel { secret: Some(webhook.secret().to_owned()), ..WebhookModel::new(webhook) }
    }
}
