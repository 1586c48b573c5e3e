//! A job that does not exist yet.

use std::time::SystemTime;

use serde_json::{Map, Value, json};
use uuid::Uuid;

/// How long a lease lasts by default, in seconds.
pub(super) const LEASE_SEC: u32 = 30;

/// A job to create. Its id is a new UUID of version 7, unless [`NewJob::id`] gives one.
#[derive(Debug, Clone)]
pub struct NewJob {
    pub(super) id: String,
    pub(super) lease_sec: Option<u32>,
    /// The data of `job.created`.
    pub(super) data: Map<String, Value>,
}

impl NewJob {
    /// A job of the kind `dbrole`, `task`, `rule` or `generic`, with a spec as the guide describes it for that kind.
    pub fn new(kind: &str, spec: Value) -> NewJob {
        let data = Map::from_iter([("kind".into(), kind.into()), ("spec".into(), spec)]);
        NewJob { id: Uuid::now_v7().to_string(), lease_sec: Some(LEASE_SEC), data }
    }

    /// With this id. A planner that runs twice with the same id creates the job once: the second time is refused.
    pub fn id(self, id: impl Into<String>) -> NewJob {
        NewJob { id: id.into(), ..self }
    }

    /// With the name of the person or program that asked for the job.
    pub fn created_by(self, name: &str) -> NewJob {
        self.with("created_by", name.into())
    }

    /// With one more label. A job has up to 16; a name has up to 64 bytes, a value up to 256.
    pub fn label(mut self, name: &str, value: &str) -> NewJob {
        let labels = self.data.entry("labels").or_insert_with(|| json!({}));
        labels[name] = value.into();
        self
    }

    /// The ledger repeats the job after a failure, at most `max` times (1 to 100), the first time after `backoff_sec` seconds (0 to
    /// 86,400).
    pub fn retry(self, max: u32, backoff_sec: u32) -> NewJob {
        self.with("retry", json!({ "max": max, "backoff_sec": backoff_sec }))
    }

    /// The ledger hands the job out from that time on.
    pub fn not_before(self, time: SystemTime) -> NewJob {
        self.with("not_before", humantime::format_rfc3339_micros(time).to_string().into())
    }

    /// With a lease of so many seconds (1 to 86,400) once this process starts the job. By default 30.
    pub fn lease_sec(self, seconds: u32) -> NewJob {
        NewJob { lease_sec: Some(seconds), ..self }
    }

    /// Without a lease: if the process dies, the job stays running.
    pub fn without_lease(self) -> NewJob {
        NewJob { lease_sec: None, ..self }
    }

    fn with(mut self, member: &str, value: Value) -> NewJob {
        self.data.insert(member.into(), value);
        self
    }
}
