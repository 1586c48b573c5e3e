//! Webhooks: each event that a webhook names goes to its receiver by one HTTP POST, signed, in the order of the log, at least
//! once.
//!
//! A webhook keeps a position in `webhooks.db`, apart from the log. Its delivery is a tail that writes: read after the position,
//! send, wait for the bell. The position moves on only after the receiver has answered 2xx. So a receiver that fails or is slow
//! loses no event, and it delays no append and no other receiver.
//!
//! [`WebhookFile`] is the file, as commands change it. [`Webhooks`] is the running side: it notices changes of the file, and runs
//! one delivery for each active webhook.
//!
//! Not here: HTTP routes (`http`), and which events a filter shows (`log`).

mod address;
mod delivery;
mod error;
mod file;
mod page;
mod post;
mod receiver;
mod rows;
mod running;
mod settings;
mod shown;
mod signature;
mod status;
mod webhook;

pub use error::WebhookError;
pub use file::{MAX_WEBHOOKS, WebhookFile};
pub use receiver::{Exposed, NotAReceiver, Receiver};
pub use running::Webhooks;
pub use settings::{Pauses, Settings};
pub use shown::{SentType, StateName, WebhookModel};
pub use webhook::{NewWebhook, State, Webhook, WebhookId, sendable};
