//! Schemas of JSON that the ledger writes or reads without a Rust type of its own.

use serde::Serialize;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::job;
use crate::model::{KindName, described};

/// A CloudEvent as a producer sends it.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "specversion": "1.0", "id": "1", "source": "/workers/sync-1", "type": "job.created", "subject": "job-124",
    "data": {"kind": "task", "spec": {"job_type": "full_sync"}}
}))]
#[allow(dead_code, reason = "describes what `wire::single` reads")]
pub struct CloudEventIn {
    /// Always "1.0".
    #[schema(example = "1.0", pattern = "^1\\.0$")]
    specversion: String,
    /// Unique for ever together with `source`.
    #[schema(min_length = 1, max_length = 256, pattern = "^[^\\x00-\\x1F\\x7F-\\x9F]+$")]
    id: String,
    /// The producer.
    #[schema(min_length = 1, max_length = 1024, pattern = "^[^\\x00-\\x1F\\x7F-\\x9F]+$", example = "/workers/sync-1")]
    source: String,
    /// What happened.
    r#type: ProducedType,
    /// The job; only `job.created` may leave it out, and then the ledger mints one.
    #[schema(min_length = 1, max_length = 128, pattern = "^[A-Za-z0-9._:-]+$")]
    subject: Option<String>,
    /// When it happened; the ledger's clock where absent.
    time: Option<chrono::DateTime<chrono::Utc>>,
    /// `application/json` where present.
    #[schema(pattern = "^application/json$")]
    datacontenttype: Option<String>,
    /// As `/schema/events/<type>.v1.json` says.
    #[schema(nullable = false)]
    data: Option<serde_json::Map<String, serde_json::Value>>,
}

/// One event or a batch.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "describes what `application/json` may hold")]
pub enum CloudEventInOrBatch {
    /// One event.
    One(CloudEventIn),
    /// 1 to 1000 events.
    Batch(Vec<CloudEventIn>),
}

/// A CloudEvent as the ledger shows it.
#[derive(Serialize, ToSchema)]
#[allow(dead_code, reason = "describes what `wire::cloudevent` writes")]
pub struct CloudEvent {
    /// Always "1.0".
    specversion: String,
    /// The producer's id.
    id: String,
    /// The producer.
    source: String,
    /// What happened.
    r#type: String,
    /// The job; absent on the ledger's own events.
    subject: Option<String>,
    /// When it happened.
    time: chrono::DateTime<chrono::Utc>,
    /// Always `application/json`.
    datacontenttype: String,
    /// The schema of `data`, on this server.
    dataschema: String,
    /// Its place in the log, decimal.
    #[schema(pattern = "^[0-9]+$")]
    position: String,
    /// When the ledger recorded it, six digits.
    recordedtime: chrono::DateTime<chrono::Utc>,
    /// Who the ledger saw do it.
    actor: String,
    /// The organisation; absent on the ledger's own events.
    orgid: Option<uuid::Uuid>,
    /// The job's kind; absent on the ledger's own events.
    jobkind: Option<KindName>,
    /// As `dataschema` says; `"[redacted]"` where it was erased.
    data: serde_json::Value,
}

/// A page of the log.
#[derive(Serialize, ToSchema)]
#[allow(dead_code, reason = "describes what `Events::answer` writes")]
pub struct EventPage {
    /// In order; may be short, or empty, with a `next`.
    events: Vec<CloudEvent>,
    /// `after` of the next page; null at the head.
    #[schema(minimum = 0)]
    next: Option<u64>,
    /// The newest position, or that of `as_of`.
    #[schema(minimum = 0)]
    head: u64,
}

described! {
    /// An event that a producer may send.
    ProducedType = job::EventType::sent_by_producers().map(job::EventType::as_str);
    /// An event that can be filtered for.
    EventType = job::EventType::shown().map(job::EventType::as_str);
    /// The order of a list of jobs, by creation.
    ListOrder = ["newest", "oldest"];
}
