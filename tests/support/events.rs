//! Events as workers send them.

use jobledger::job::OrgId;
use serde_json::{Value, json};

/// The default organisation.
pub fn nil() -> OrgId {
    OrgId::default()
}

/// An event with a fresh id.
pub fn event(event_type: &str, job: &str, data: Value) -> Value {
    let id = uuid::Uuid::new_v4();
    json!({"specversion": "1.0", "id": id, "source": "/tests/worker", "type": event_type, "subject": job, "data": data})
}
