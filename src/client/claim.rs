//! What a worker asks for when it claims a job.

use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;

use super::new_job::LEASE_SEC;

/// A wish for the oldest pending job of a kind.
#[derive(Debug, Clone)]
pub struct Claim {
    pub(super) lease_sec: u32,
    wait_sec: u32,
    kind: String,
    job_type: Option<String>,
    labels: Value,
}

impl Claim {
    /// A job of the kind `dbrole`, `task`, `rule` or `generic`, under a lease of 30 s. The server waits up to 10 s for one.
    pub fn new(kind: &str) -> Claim {
        Claim { lease_sec: LEASE_SEC, wait_sec: 10, kind: kind.into(), job_type: None, labels: json!({}) }
    }

    /// Of this type.
    pub fn job_type(self, job_type: &str) -> Claim {
        Claim { job_type: Some(job_type.into()), ..self }
    }

    /// With this label, among others.
    pub fn label(mut self, name: &str, value: &str) -> Claim {
        self.labels[name] = value.into();
        self
    }

    /// Under a lease of so many seconds, 1 to 86,400.
    pub fn lease_sec(self, seconds: u32) -> Claim {
        Claim { lease_sec: seconds, ..self }
    }

    /// The server waits for a job so many seconds, 0 to 60.
    pub fn wait_sec(self, seconds: u32) -> Claim {
        Claim { wait_sec: seconds, ..self }
    }

    /// How long the server waits.
    pub(super) fn wait(&self) -> Duration {
        Duration::from_secs(self.wait_sec.into())
    }

    /// The body of the request with this id.
    pub(super) fn request(&self, id: Uuid, worker: &str) -> Value {
        json!({
            "id": id,
            "kind": self.kind,
            "job_type": self.job_type,
            "labels": self.labels,
            "worker": worker,
            "lease_sec": self.lease_sec,
            "wait_sec": self.wait_sec,
        })
    }
}
