//! The body that adds a webhook.

use serde::Deserialize;
use utoipa::ToSchema;

use crate::http::answer::{Error, shortened};
use crate::job::{EventType, Kind, OrgId, listed};
use crate::model::{KindName, SentType};
use crate::webhooks::{NewWebhook, Receiver, sendable};

/// Which events go to which receiver.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewWebhook, example = json!({"url": "https://receiver.example/jobs", "types": ["job.completed", "job.failed"]}))]
pub(super) struct NewWebhookBody {
    /// The receiver: an `https` URL with a public host, at most 2048 bytes. `serve --webhook-allow-private` also allows `http`, and
    /// loopback and private addresses.
    #[serde(default)]
    #[schema(required = true, nullable = false)]
    url: Option<String>,
    /// The types of the events; all types if it is empty or missing.
    #[serde(default)]
    #[schema(value_type = Vec<SentType>, required = false)]
    types: Vec<String>,
    /// The kind of the events' jobs; all kinds if it is missing or null.
    #[serde(default)]
    #[schema(value_type = Option<KindName>)]
    kind: Option<String>,
}

impl NewWebhookBody {
    /// The webhook that the body describes, for the organisation `org`.
    ///
    /// # Errors
    ///
    /// 422 for a member that is wrong.
    pub(super) fn checked(self, org: OrgId, allows_private: bool) -> Result<NewWebhook, Error> {
        let url = self.url.ok_or_else(|| Error::invalid("/url", "expected the URL of a receiver, found none"))?;
        let receiver: Receiver = url.parse().map_err(|error| Error::invalid("/url", error))?;
        if let Some(exposed) = receiver.exposed().filter(|_| !allows_private) {
            return Err(Error::invalid("/url", exposed));
        }
        let mut types: Vec<EventType> = Vec::new();
        for (place, word) in self.types.iter().enumerate() {
            let known = sendable().find(|known| known.as_str() == word);
            let known = known.ok_or_else(|| {
                let (expected, found) = (listed(sendable()), shortened(word));
                Error::invalid(format!("/types/{place}"), format!("expected one of {expected}, found `{found}`"))
            })?;
            if !types.contains(&known) {
                types.push(known);
            }
        }
        let kind = self.kind.map(|word| word.parse::<Kind>()).transpose();
        let kind = kind.map_err(|error| Error::invalid("/kind", error))?;
        Ok(NewWebhook { org, receiver, types, kind })
    }
}
