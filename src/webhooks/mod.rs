//! The webhooks: `webhooks.db`, which says who is told of events by HTTP, and how far each was told.
//!
//! [`WebhookFile`] is the file, as commands and a server read and change it. On a cluster the node that leads sends its webhooks to
//! the others as a [`WebhookCopy`].
//!
//! Not here: the deliveries (`deliveries`), HTTP routes (`http`), and which events a filter shows (`log`).

mod address;
mod copy;
mod error;
mod file;
mod progress;
mod receiver;
mod rows;
mod signature;
mod watched;
mod webhook;

pub(crate) use address::is_public;
pub use copy::WebhookCopy;
pub use error::WebhookError;
pub use file::{MAX_WEBHOOKS, WebhookFile};
pub(crate) use progress::{Failed, Noted, Reached};
pub use receiver::{Exposed, NotAReceiver, Receiver};
pub(crate) use signature::Secret;
pub(crate) use watched::{FileVersion, WatchedFile};
pub use webhook::{NewWebhook, State, Webhook, WebhookId, sendable};
