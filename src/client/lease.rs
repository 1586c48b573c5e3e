//! The token of the lease under which a worker reports.

use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::Value;

/// The token of the lease; `None` until the ledger has given it. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct HeldLease(Arc<Mutex<Option<String>>>);

impl HeldLease {
    /// Takes over the token of a claim.
    pub(crate) fn set(&self, token: &str) {
        *self.0.lock() = Some(token.to_owned());
    }

    /// The token.
    pub(crate) fn token(&self) -> Option<String> {
        self.0.lock().clone()
    }

    /// Takes the token from the answer to an append that started the job.
    pub(crate) fn take_from(&self, answer: &Value) {
        if let Some(token) = newest_lease(answer) {
            *self.0.lock() = Some(token);
        }
    }
}

/// The token of the newest lease in the answer to an append; `None` if none of its events began one.
pub(crate) fn newest_lease(answer: &Value) -> Option<String> {
    let events = answer["events"].as_array().into_iter().flatten();
    events.filter_map(|event| event["lease"]["token"].as_str()).next_back().map(str::to_owned)
}
