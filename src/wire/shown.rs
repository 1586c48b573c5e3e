//! Events as answers show them, read again: the reverse of `cloudevent`.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::cloudevent::REDACTED;
use super::export::Entry;
use super::leaf::{DIGEST_LEN, Leaf, SALT_LEN};

/// A line that shows no event whose data can be read.
#[derive(Debug, thiserror::Error)]
pub enum NotShown {
    /// The line is no CloudEvent of a ledger.
    #[error("expected an event as the ledger shows it: {0}")]
    Event(#[from] serde_json::Error),
    /// The answer shows none of what remains of redacted data.
    #[error("the data of the event at position {0} was redacted, and the server does not show what remains of it")]
    Redacted(String),
}

/// The attributes that an answer shows, and the data.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ShownEvent<'a> {
    #[serde(borrow)]
    specversion: Cow<'a, str>,
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    source: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    event_type: Cow<'a, str>,
    #[serde(borrow)]
    subject: Option<Cow<'a, str>>,
    #[serde(borrow)]
    time: Cow<'a, str>,
    #[serde(borrow)]
    datacontenttype: Cow<'a, str>,
    #[serde(borrow)]
    dataschema: Cow<'a, str>,
    #[serde(borrow)]
    position: Cow<'a, str>,
    #[serde(borrow)]
    recordedtime: Cow<'a, str>,
    #[serde(borrow)]
    actor: Cow<'a, str>,
    #[serde(borrow)]
    orgid: Option<Cow<'a, str>>,
    #[serde(borrow)]
    jobkind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    data: &'a RawValue,
}

/// The event that `line` shows, as an entry that can be folded. Its digest and salt are zeros, so it proves nothing.
///
/// # Errors
///
/// [`NotShown`] if the line is no event, or its data was redacted.
pub fn entry_of(line: &str) -> Result<Entry, NotShown> {
    let event: ShownEvent<'_> = serde_json::from_str(line)?;
    if event.data.get().as_bytes() == REDACTED {
        return Err(NotShown::Redacted(event.position.into_owned()));
    }
    let leaf = Leaf {
        specversion: event.specversion,
        id: event.id,
        source: event.source,
        event_type: event.event_type,
        subject: event.subject,
        time: event.time,
        datacontenttype: event.datacontenttype,
        dataschema: event.dataschema,
        position: event.position,
        recordedtime: event.recordedtime,
        actor: event.actor,
        orgid: event.orgid,
        jobkind: event.jobkind,
        datadigest: "0".repeat(DIGEST_LEN).into(),
        prev: None,
    };
    Ok(Entry { leaf: leaf.to_bytes(), content: Some(([0; SALT_LEN], event.data.get().as_bytes().to_vec())) })
}
