//! CloudEvents as producers send them: one event, or a batch.

use std::borrow::Cow;
use std::sync::Arc;

use fluent_uri::{ParseError, UriRef};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::envelope::Envelope;
use super::reject::{BatchReject, Reject};
use super::stored::{self, EventData};
use crate::job::{Event, EventType, ItemId, JobId, LEDGER, Time};
use crate::json;
use crate::mask::Mask;

/// Maximum number of events in one batch.
pub const MAX_BATCH: usize = 1000;
/// Maximum length, in bytes, of data in one event: 8 MiB.
pub const MAX_DATA: usize = 8 * 1024 * 1024;
/// Maximum length, in bytes, of an event's `id` and `type`.
const MAX_ID: usize = 256;
/// Maximum length, in bytes, of an event's `source`.
const MAX_SOURCE: usize = 1024;

/// A producer's event, checked as far as possible without its job.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// The producer, a URI-reference of 1 to 1024 bytes.
    pub source: String,
    /// The producer's id of the event, 1 to 256 bytes. `source` and `id` name the event for ever.
    pub id: String,
    /// The job; `None` only on a `job.created` for which the ledger mints the id.
    pub subject: Option<JobId>,
    /// When the event happened; `None` if the producer does not say.
    pub time: Option<Time>,
    /// The type and data.
    pub event: Event,
    /// The data to store, secrets masked: compact JSON in the stored shape of `version`.
    pub data: Vec<u8>,
    /// The version of the stored shape.
    pub version: u32,
    /// The name of a rule for each secret that was masked in `data`.
    pub masked: Vec<Arc<str>>,
}

impl Incoming {
    /// An event that the ledger itself appends to `job`, in the name of `id`. `data` is the event's data, whose secrets are masked
    /// already.
    ///
    /// # Errors
    /// A [`Reject`] if `data` does not have the shape of its type.
    pub fn own(event_type: EventType, id: String, job: JobId, data: &str) -> Result<Incoming, Reject> {
        let EventData { event, data, version, masked } = stored::own(event_type, data)?;
        Ok(Incoming { source: LEDGER.into(), id, subject: Some(job), time: None, event, data, version, masked })
    }
}

/// Reads one event in structured mode: `body` is a CloudEvent in JSON.
///
/// # Errors
/// A [`Reject`] if `body` is not an event that the ledger accepts.
pub fn single(body: &[u8], mask: &Mask) -> Result<Incoming, Reject> {
    structured(utf8(body)?, mask)
}

/// Reads a JSON array of 1 to [`MAX_BATCH`] events.
///
/// # Errors
/// A [`BatchReject`] if `body` is not such an array, or for the first event that the ledger does not accept.
pub fn batch(body: &[u8], mask: &Mask) -> Result<Vec<Incoming>, BatchReject> {
    let whole = |reject| BatchReject { index: None, reject };
    let events: Vec<&RawValue> = serde_json::from_str(utf8(body).map_err(whole)?).map_err(|error| {
        let detail = format!("expected a JSON array of CloudEvents: {}", json::without_place(&error));
        whole(Reject::malformed("", detail))
    })?;
    if events.is_empty() || events.len() > MAX_BATCH {
        let detail = format!("expected 1 to {MAX_BATCH} events, found {}", events.len());
        return Err(whole(Reject::malformed("", detail)));
    }
    let read = |(index, event): (usize, &RawValue)| {
        structured(event.get(), mask).map_err(|reject| BatchReject { index: Some(index), reject })
    };
    events.into_iter().enumerate().map(read).collect()
}

fn structured(text: &str, mask: &Mask) -> Result<Incoming, Reject> {
    envelope(text).and_then(|envelope| envelope.check(mask)).map_err(|reject| reject.masked(mask))
}

fn envelope(text: &str) -> Result<Envelope<'_>, Reject> {
    json::read("", text).map_err(|error| match error.cause.is_data() {
        true => {
            let detail = format!("not a CloudEvent: {}", error.detail());
            Reject::malformed(error.pointer, detail)
        }
        false => Reject::not_json(&error.cause),
    })
}

pub(super) fn utf8(body: &[u8]) -> Result<&str, Reject> {
    std::str::from_utf8(body).map_err(|_| Reject::malformed("", "expected JSON in UTF-8"))
}

impl Envelope<'_> {
    /// Checks the attributes, then reads the data by the event's type and masks it.
    pub(super) fn check(self, mask: &Mask) -> Result<Incoming, Reject> {
        if self.specversion.as_deref() != Some("1.0") {
            return Err(Reject::malformed("/specversion", "expected \"1.0\""));
        }
        let id = attribute("/id", self.id, MAX_ID)?;
        let source = attribute("/source", self.source, MAX_SOURCE)?;
        check_reference(&source)?;
        let event_type = attribute("/type", self.event_type, MAX_ID)?;
        if let Some(found) = self.datacontenttype.as_deref().filter(|found| !is_json(found)) {
            let detail = format!("expected `application/json`, found `{}`", json::beginning(found));
            return Err(Reject::malformed("/datacontenttype", detail));
        }
        let subject = self.subject.map(|text| text.parse::<JobId>()).transpose();
        let subject = subject.map_err(|error| Reject::invalid("/subject", error.to_string()))?;
        if subject.is_none() && event_type != EventType::Created.as_str() {
            return Err(Reject::invalid("/subject", "expected the job's id; only `job.created` may leave it out"));
        }
        let time = self.time.map(|text| text.parse::<Time>()).transpose();
        let time = time.map_err(|error| Reject::invalid("/time", error.to_string()))?;
        let data = self.data.map_or("{}", RawValue::get);
        if data.len() > MAX_DATA {
            return Err(Reject::TooLarge { found: data.len() });
        }
        let action_id = |n| action_id(&source, &id, n);
        let EventData { event, data, version, masked } = stored::parse(&event_type, data, &action_id, mask)?;
        Ok(Incoming { source, id, subject, time, event, data, version, masked })
    }
}

/// Checks that an event may have this `source`.
///
/// # Errors
/// A [`Reject`] if `source` is not a URI-reference of 1 to 1024 bytes.
pub fn check_source(source: &str) -> Result<(), Reject> {
    attribute("/source", Some(source.into()), MAX_SOURCE)?;
    check_reference(source)
}

/// The text of a required attribute: 1 to `max` bytes without control characters.
fn attribute(pointer: &'static str, value: Option<Cow<'_, str>>, max: usize) -> Result<String, Reject> {
    let text = value.unwrap_or_default().into_owned();
    if text.is_empty() || text.len() > max || text.chars().any(char::is_control) {
        return Err(Reject::malformed(pointer, format!("expected 1 to {max} bytes without control characters")));
    }
    Ok(text)
}

/// Checks that `source` is a URI-reference (CloudEvents 1.0.2, section 3.1.1; RFC 3986, section 4.1).
fn check_reference(source: &str) -> Result<(), Reject> {
    let refused = |error: ParseError| {
        let (found, at) = (json::beginning(source), error.index());
        let detail = format!(
            "expected a URI-reference such as `/workers/1` or `urn:worker:1`, found `{found}`, which is malformed at byte {at}"
        );
        Reject::malformed("/source", detail)
    };
    UriRef::parse(source).map(drop).map_err(refused)
}

/// Whether the media type is `application/json`, with or without parameters.
fn is_json(content_type: &str) -> bool {
    content_type.split(';').next().is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

/// The id for the rule action with index `n` that has none. The id derives from the event's `source` and `id`, so that
/// a retry of the event has the same content.
fn action_id(source: &str, id: &str, n: usize) -> ItemId {
    let name = format!("{source}\n{id}\n{n}");
    let uuid = Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes());
    uuid.hyphenated().to_string().parse().expect("a UUID is a valid item id")
}
