//! Data as it is stored: which (type, version) there is, how it is read on the way in, and how it is read again.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::incoming::Reject;
use super::shape::{DATA, Shape, read};
use super::v1::{
    Cancelled1, Completed1, Created1, Failed1, HookOutput1, ItemResult1, Noted1, Progress1, Redacted1, Residual1,
    Spec1, Started1,
};
use crate::job::{Detail, Event, ItemId, Kind, Spec};
use crate::mask::Mask;

/// Data that was accepted: the event, and the bytes to store.
#[derive(Debug, Clone)]
pub struct Parsed {
    /// What happened.
    pub event: Event,
    /// The version of the stored shape.
    pub version: u32,
    /// Compact JSON, members in the shape's order: equal content gives equal bytes. Free text in it is masked.
    pub data: Vec<u8>,
    /// The rule of each secret that was masked.
    pub masked: Vec<Arc<str>>,
}

/// Stored data that this program cannot read: the log was written by a newer one, or is damaged.
#[derive(Debug, thiserror::Error)]
pub enum Undecodable {
    /// An unknown (type, version).
    #[error("unknown event `{event_type}` version {version}; a newer jobledger wrote it: use that one")]
    Unknown {
        /// The CloudEvents type.
        event_type: String,
        /// The version of its data.
        version: u32,
    },
    /// The data is not of its shape.
    #[error("data of `{event_type}` does not have its stored shape: {detail}")]
    Damaged {
        /// The CloudEvents type.
        event_type: String,
        /// What was expected and found.
        detail: String,
    },
}

/// Reads a producer's data for `event_type`, and masks the secrets in it. `mint` gives the id of the n-th rule action that
/// has none.
pub fn parse(event_type: &str, data: &str, mint: impl Fn(usize) -> ItemId, mask: &Mask) -> Result<Parsed, Reject> {
    let parsed = match event_type {
        "job.created" => Created1::given(data, mint).and_then(|created| accept(created, mask)),
        "job.started" => new::<Started1>(data, mask),
        "job.progress" => new::<Progress1>(data, mask),
        "job.item_result" => ItemResult1::read(data).and_then(|result| accept(result, mask)),
        "job.hook_output" => new::<HookOutput1>(data, mask),
        "job.completed" => new::<Completed1>(data, mask),
        "job.failed" => new::<Failed1>(data, mask),
        "job.cancelled" => new::<Cancelled1>(data, mask),
        "job.noted" => new::<Noted1>(data, mask),
        Event::REDACTED => new::<Redacted1>(data, mask),
        _ => {
            let found: String = event_type.chars().take(64).collect();
            let detail = format!("expected one of {}, found `{found}`", Event::TYPES.join(", "));
            return Err(Reject::invalid("/type", detail));
        }
    };
    // Names are free in `job.created` and in the detail of a generic job's item; elsewhere one that is not known was refused,
    // and is looked at again only because the refusal must then say nothing of the value.
    if parsed.as_ref().is_ok_and(|parsed| !has_free_names(&parsed.event)) {
        return parsed;
    }
    match mask.named(data) {
        Some(pointer) => Err(Reject::Secret { pointer }),
        None => parsed,
    }
}

fn has_free_names(event: &Event) -> bool {
    match event {
        Event::Created(_) => true,
        Event::ItemResult(result) => matches!(result.detail, Some(Detail::Json(_))),
        _ => false,
    }
}

/// Reads stored data again; older versions are turned into today's event here, one arm each.
pub fn decode(event_type: &str, version: u32, data: &[u8]) -> Result<Event, Undecodable> {
    again::<AsEvent>(event_type, version, data)
}

/// What is made of stored data, whatever its shape.
pub(super) trait Make {
    /// What it is.
    type Made;

    /// Makes it.
    fn of<S: Shape + Serialize>(shape: S) -> Self::Made;
}

struct AsEvent;

impl Make for AsEvent {
    type Made = Event;

    fn of<S: Shape + Serialize>(shape: S) -> Event {
        shape.into_event()
    }
}

/// Reads stored data again, and makes of it what is wanted: the one place that knows which shapes there are.
pub(super) fn again<M: Make>(event_type: &str, version: u32, data: &[u8]) -> Result<M::Made, Undecodable> {
    let damaged = |detail: String| Undecodable::Damaged { event_type: event_type.to_owned(), detail };
    let text = std::str::from_utf8(data).map_err(|error| damaged(error.to_string()))?;
    let made = match (event_type, version) {
        ("job.created", 1) => Created1::stored(text).map(M::of),
        ("job.started", 1) => read::<Started1>(DATA, text).map(M::of),
        ("job.progress", 1) => read::<Progress1>(DATA, text).map(M::of),
        ("job.item_result", 1) => ItemResult1::read(text).map(M::of),
        ("job.hook_output", 1) => read::<HookOutput1>(DATA, text).map(M::of),
        ("job.completed", 1) => read::<Completed1>(DATA, text).map(M::of),
        ("job.failed", 1) => read::<Failed1>(DATA, text).map(M::of),
        ("job.cancelled", 1) => read::<Cancelled1>(DATA, text).map(M::of),
        ("job.noted", 1) => read::<Noted1>(DATA, text).map(M::of),
        (Event::REDACTED, 1) => read::<Residual1>(DATA, text).map(Residual1::sent).map(M::of),
        _ => return Err(Undecodable::Unknown { event_type: event_type.to_owned(), version }),
    };
    made.map_err(|reject| damaged(reject.to_string()))
}

/// Reads a spec that was stored inside `job.created`, for who keeps specs by themselves (the views).
pub fn read_spec(kind: Kind, spec: &str) -> Result<Spec, Undecodable> {
    Spec1::stored(kind, spec)
        .map(Spec1::into_spec)
        .map_err(|reject| Undecodable::Damaged { event_type: "job.created".into(), detail: reject.to_string() })
}

fn new<'a, S: Shape + Serialize + Deserialize<'a>>(data: &'a str, mask: &Mask) -> Result<Parsed, Reject> {
    accept(read::<S>(DATA, data)?, mask)
}

fn accept<S: Shape + Serialize>(mut shape: S, mask: &Mask) -> Result<Parsed, Reject> {
    shape.check().map_err(|(pointer, detail)| Reject::invalid(format!("/data{pointer}"), detail))?;
    let mut masked = Vec::new();
    shape.mask(mask, &mut masked);
    let data = serde_json::to_vec(&shape).expect("stored shapes hold nothing that JSON cannot");
    Ok(Parsed { event: shape.into_event(), version: 1, data, masked })
}
