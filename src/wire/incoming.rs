//! CloudEvents as producers send them: structured, batched, binary.

use std::borrow::Cow;
use std::sync::Arc;

use fluent_uri::{ParseError, UriRef};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::envelope::{self, Envelope};
use super::stored;
use crate::job::{Event, ItemId, JobId, Time};
use crate::json;
use crate::mask::Mask;

/// Most events in one request.
pub const MAX_BATCH: usize = 1000;
/// Most bytes of data in one event: 8 MiB.
pub const MAX_DATA: usize = 8 * 1024 * 1024;
const MAX_ID: usize = 256;
/// Most bytes of a message, 2 KiB: it may quote a text that was not expected.
const MAX_DETAIL: usize = 2 * 1024;
const MAX_SOURCE: usize = 1024;

/// Why a request cannot be taken, before any job is asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reject {
    /// Not JSON, or not a CloudEvent.
    #[error("{detail}")]
    Malformed {
        /// JSON pointer of the attribute; empty for the whole.
        pointer: Cow<'static, str>,
        /// What was expected and found.
        detail: String,
    },
    /// A CloudEvent whose content is wrong.
    #[error("{detail}")]
    Invalid {
        /// JSON pointer of the field.
        pointer: Cow<'static, str>,
        /// What was expected and found.
        detail: String,
    },
    /// A member whose name says that its value is a secret, which is neither kept nor repeated here.
    #[error(
        "the member is named like a secret, and secrets are not kept; leave it out, or say where it lies \
         (`secret_id`, `secret_keys`)"
    )]
    Secret {
        /// JSON pointer of the member.
        pointer: String,
    },
    /// Data over [`MAX_DATA`].
    #[error("expected at most {MAX_DATA} bytes of data in an event, found {found}")]
    TooLarge {
        /// How many there were.
        found: usize,
    },
}

impl Reject {
    pub(super) fn invalid(pointer: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Reject {
        Reject::Invalid { pointer: pointer.into(), detail: detail.into() }
    }

    fn malformed(pointer: &'static str, detail: impl Into<String>) -> Reject {
        Reject::Malformed { pointer: Cow::Borrowed(pointer), detail: detail.into() }
    }

    /// Without the secrets that are in what was found.
    fn masked(mut self, mask: &Mask) -> Reject {
        match &mut self {
            Reject::Malformed { detail, .. } | Reject::Invalid { detail, .. } => {
                mask.text(detail, &mut Vec::new());
                // What is cut is cut behind the masks, because the beginning of a secret looks like none.
                cut(detail);
            }
            Reject::Secret { .. } | Reject::TooLarge { .. } => {}
        }
        self
    }
}

/// Leaves the two ends of a long message: the beginning names what was found, the end what was expected.
fn cut(detail: &mut String) {
    if detail.len() > MAX_DETAIL {
        let head = detail.floor_char_boundary(MAX_DETAIL / 2);
        let tail = detail.ceil_char_boundary(detail.len() - MAX_DETAIL / 2);
        *detail = format!("{} [{} bytes left out] {}", &detail[..head], tail - head, &detail[tail..]);
    }
}

/// A producer's event, read and checked as far as it can be without its job.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// Who produced it.
    pub source: String,
    /// Its id, unique for ever together with `source`.
    pub id: String,
    /// The job; `None` only on `job.created`, where the ledger mints one.
    pub subject: Option<JobId>,
    /// When it happened, where the producer says.
    pub time: Option<Time>,
    /// What happened.
    pub event: Event,
    /// The version of the stored shape.
    pub version: u32,
    /// The bytes to store, free text in them masked.
    pub data: Vec<u8>,
    /// The rule of each secret that was masked.
    pub masked: Vec<Arc<str>>,
}

/// Reads one event.
pub fn single(body: &[u8], mask: &Mask) -> Result<Incoming, Reject> {
    read(utf8(body)?, mask)
}

fn read(text: &str, mask: &Mask) -> Result<Incoming, Reject> {
    attributes(text).and_then(|event| event.check(mask)).map_err(|reject| reject.masked(mask))
}

/// Reads a JSON array of 1 to [`MAX_BATCH`] events; an error comes with the index of the event at fault.
pub fn batch(body: &[u8], mask: &Mask) -> Result<Vec<Incoming>, (Option<usize>, Reject)> {
    let text = utf8(body).map_err(|reject| (None, reject))?;
    let events: Vec<&RawValue> = serde_json::from_str(text).map_err(|error| {
        (None, Reject::malformed("", format!("expected a JSON array of CloudEvents: {}", json::message(&error))))
    })?;
    if events.is_empty() || events.len() > MAX_BATCH {
        let detail = format!("expected 1 to {MAX_BATCH} events, found {}", events.len());
        return Err((None, Reject::malformed("", detail)));
    }
    let read = |(index, event): (usize, &RawValue)| read(event.get(), mask).map_err(|reject| (Some(index), reject));
    events.into_iter().enumerate().map(read).collect()
}

/// Reads an event in binary mode: attributes from `ce-` headers (names without the prefix), data from the body.
///
/// Values are unquoted, then percent-decoded once (CloudEvents HTTP binding 1.0.2, section 3.1.3.2).
pub fn binary<'a>(
    attributes: impl Iterator<Item = (&'a str, &'a [u8])>,
    content_type: Option<&'a str>,
    body: &[u8],
    mask: &Mask,
) -> Result<Incoming, Reject> {
    let data = (!body.is_empty())
        .then(|| serde_json::from_str::<&RawValue>(utf8(body)?).map_err(|error| not_json(&error)))
        .transpose()?;
    let mut read = Envelope { data, datacontenttype: content_type.map(Cow::Borrowed), ..Envelope::default() };
    for (name, value) in attributes {
        let text = unquoted(value)
            .as_deref()
            .and_then(percent_decoded)
            .ok_or_else(|| Reject::malformed("", format!("expected percent-encoded UTF-8 in header `ce-{name}`")))?;
        let slot = match name {
            "specversion" => &mut read.specversion,
            "id" => &mut read.id,
            "source" => &mut read.source,
            "type" => &mut read.event_type,
            "subject" => &mut read.subject,
            "time" => &mut read.time,
            _ => {
                let pointer = Cow::Owned(format!("/{}", json::escape(&json::short(name))));
                return Err(Reject::Malformed { pointer, detail: envelope::not_kept(name) });
            }
        };
        if slot.replace(Cow::Owned(text)).is_some() {
            return Err(Reject::malformed("", format!("expected header `ce-{name}` once")));
        }
    }
    read.check(mask).map_err(|reject| reject.masked(mask))
}

fn utf8(body: &[u8]) -> Result<&str, Reject> {
    std::str::from_utf8(body).map_err(|_| Reject::malformed("", "expected JSON in UTF-8"))
}

fn not_json(error: &serde_json::Error) -> Reject {
    Reject::malformed("", format!("expected JSON: {error}"))
}

fn attributes(text: &str) -> Result<Envelope<'_>, Reject> {
    // The plain reader is twice as fast as the one that tracks the path, and nearly every read succeeds.
    if let Ok(read) = serde_json::from_str(text) {
        return Ok(read);
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    let read = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        if error.inner().is_data() {
            let pointer = Cow::Owned(json::pointer("", error.path()));
            Reject::Malformed { pointer, detail: format!("not a CloudEvent: {}", json::message(error.inner())) }
        } else {
            not_json(error.inner())
        }
    })?;
    reader.end().map_err(|error| not_json(&error))?;
    Ok(read)
}

impl Envelope<'_> {
    fn check(self, mask: &Mask) -> Result<Incoming, Reject> {
        if self.specversion.as_deref() != Some("1.0") {
            return Err(Reject::malformed("/specversion", "expected \"1.0\""));
        }
        let id = attribute("/id", self.id, MAX_ID)?;
        let source = attribute("/source", self.source, MAX_SOURCE)?;
        reference(&source)?;
        let event_type = attribute("/type", self.event_type, MAX_ID)?;
        if let Some(found) = self.datacontenttype.as_deref().filter(|found| !is_json(found)) {
            let detail = format!("expected `application/json`, found `{}`", found.chars().take(64).collect::<String>());
            return Err(Reject::malformed("/datacontenttype", detail));
        }
        let subject = self.subject.map(|text| text.parse::<JobId>()).transpose();
        let subject = subject.map_err(|error| Reject::invalid("/subject", error.to_string()))?;
        if subject.is_none() && event_type != "job.created" {
            return Err(Reject::invalid("/subject", "expected the job's id; only `job.created` may leave it out"));
        }
        let time = self.time.map(|text| text.parse::<Time>()).transpose();
        let time = time.map_err(|error| Reject::invalid("/time", error.to_string()))?;
        let data = self.data.map_or("{}", RawValue::get);
        if data.len() > MAX_DATA {
            return Err(Reject::TooLarge { found: data.len() });
        }
        let parsed = stored::parse(&event_type, data, |n| action_id(&source, &id, n), mask)?;
        let stored::Parsed { event, version, data, masked } = parsed;
        Ok(Incoming { source, id, subject, time, event, version, data, masked })
    }
}

/// Whether an event may have this `source`.
pub fn check_source(source: &str) -> Result<(), Reject> {
    attribute("/source", Some(source.into()), MAX_SOURCE)?;
    reference(source)
}

fn attribute(pointer: &'static str, value: Option<Cow<'_, str>>, max: usize) -> Result<String, Reject> {
    let text = value.unwrap_or_default().into_owned();
    if text.is_empty() || text.len() > max || text.chars().any(char::is_control) {
        return Err(Reject::malformed(pointer, format!("expected 1 to {max} bytes without control characters")));
    }
    Ok(text)
}

fn reference(source: &str) -> Result<(), Reject> {
    let refused = |error| Reject::malformed("/source", not_a_reference(source, &error));
    UriRef::parse(source).map(drop).map_err(refused)
}

/// Why `source` is refused. CloudEvents 1.0 asks for a URI-reference (RFC 3986, section 4.1).
fn not_a_reference(source: &str, error: &ParseError) -> String {
    let (found, at) = (json::short(source), error.index());
    format!(
        "expected a URI-reference such as `/workers/1` or `urn:worker:1`, found `{found}`, which is none from byte {at} on"
    )
}

/// `application/json`, with or without parameters.
fn is_json(content_type: &str) -> bool {
    content_type.split(';').next().is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

/// The id of the n-th rule action that has none. It follows from the event's own name, so that a retry of the same event
/// is the same content.
fn action_id(source: &str, id: &str, n: usize) -> ItemId {
    let name = format!("{source}\n{id}\n{n}");
    let uuid = Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes());
    uuid.hyphenated().to_string().parse().expect("a UUID is a valid item id")
}

/// A header value without the double quotes and backslashes that older versions of the binding put around spaces.
fn unquoted(value: &[u8]) -> Option<Cow<'_, [u8]>> {
    let [b'"', inner @ ..] = value else { return Some(Cow::Borrowed(value)) };
    let mut bytes = Vec::with_capacity(inner.len());
    let mut rest = inner.iter();
    loop {
        match rest.next()? {
            b'"' => return rest.as_slice().is_empty().then_some(Cow::Owned(bytes)),
            b'\\' => bytes.push(*rest.next()?),
            byte => bytes.push(*byte),
        }
    }
}

/// Decodes UTF-8; `None` also for a `%` without two digits, which `percent_decode` leaves as it is.
fn percent_decoded(value: &[u8]) -> Option<String> {
    let escape = |rest: &[u8]| rest.get(..2).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
    let is_whole = value.split(|byte| *byte == b'%').skip(1).all(escape);
    let text = percent_encoding::percent_decode(value).decode_utf8().ok()?;
    is_whole.then(|| text.into_owned())
}
