//! Events that a command itself appends, one a request.

use clap::Args;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Failure;
use super::client::{refusal, unexpected};
use super::server::{Server, text};
use crate::job::JobId;

/// The `source` of the events that a command makes.
#[derive(Debug, Clone, Args)]
pub(super) struct Source {
    /// The `source` of the event; a token that is bound to sources needs one of them
    #[arg(long, env = "JOBLEDGER_SOURCE", value_name = "SOURCE", default_value = "/cli")]
    pub source: String,
}

impl Source {
    /// A new event of `job`.
    pub(super) fn event(&self, event_type: &str, job: &JobId, data: Value) -> Value {
        json!({
            "specversion": "1.0",
            "id": Uuid::now_v7(),
            "source": self.source,
            "type": event_type,
            "subject": job.as_str(),
            "data": data,
        })
    }
}

/// What the server answered to one event.
pub(super) enum Told {
    /// The ledger has the event. `before`: an earlier event says the same, and the position is that event's.
    Recorded { position: u64, before: bool },
    /// The ledger refused the event. `state` is the job's, if that is the reason.
    Refused { state: Option<String>, failure: Failure },
}

impl Told {
    /// Appends `event` and returns the answer.
    ///
    /// # Errors
    /// The token may append nothing, or the server cannot be reached: other events would fail too.
    pub(super) fn by(server: &Server, event: &Value) -> Result<Told, Failure> {
        let mut answer = server.append(json!([event]).to_string().as_bytes(), None)?;
        if !answer.status().is_success() {
            let status = answer.status().as_u16();
            let (failure, state) = refusal(&mut answer);
            // These concern one job. Every other answer concerns the request.
            let of_job = matches!(status, 404 | 409 | 422);
            return if of_job { Ok(Told::Refused { state, failure }) } else { Err(failure) };
        }
        let body: Value = serde_json::from_str(&text(answer)?).unwrap_or_default();
        match (body["position"].as_u64(), body["events"][0]["duplicate"].as_bool()) {
            (Some(position), Some(before)) => Ok(Told::Recorded { position, before }),
            _ => Err(unexpected("expected JSON with the position of the event, found something else")),
        }
    }
}
