//! Notices: messages between nodes that no stream keeps, and that may be lost.
//!
//! Not here: what they say (`confirm`, `used`), and questions, which have answers (`peers`).

use std::time::Duration;

use async_nats::Subscriber;
use futures_util::StreamExt;

use super::Cluster;

/// Pause before the next attempt to subscribe.
pub(super) const RETRY: Duration = Duration::from_millis(500);

impl Cluster {
    /// Gives `each` every notice on `subject`. Never returns. `what` names the notices in the log.
    pub(super) async fn hear(&self, subject: String, what: &str, mut each: impl FnMut(&[u8])) {
        loop {
            let mut notices = self.subscribed(&subject, what).await;
            while let Some(notice) = notices.next().await {
                each(&notice.payload);
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    /// The messages on `subject`, once the client can subscribe.
    pub(super) async fn subscribed(&self, subject: &str, what: &str) -> Subscriber {
        loop {
            match self.client.subscribe(subject.to_owned()).await {
                Ok(messages) => return messages,
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "{what} cannot be heard now");
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }
}
