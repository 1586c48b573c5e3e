//! `job.created`, version 2: when the job may be claimed, and how often it is repeated.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::job::{Event, Kind, Retry, Time};
use crate::mask::Mask;
use crate::wire::fields::{Object, Text, TextMap, Whole, Word};
use crate::wire::reject::Reject;
use crate::wire::shape::{DATA, Shape, read_object};
use crate::wire::stored::Origin;
use crate::wire::v1::Created1;

/// Most retries of a job.
const MAX_RETRIES: u64 = 100;

/// `job.created`: the members of version 1, and those that version 2 adds.
#[derive(Debug, Serialize)]
pub struct Created2 {
    #[serde(flatten)]
    first: Created1,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_before: Option<Word<Time>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry: Option<Object<Retry2>>,
}

/// How often the ledger repeats a failed job.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Retry2 {
    max: Whole<MAX_RETRIES, 1>,
    backoff_sec: Whole<{ Retry::MAX_BACKOFF as u64 }>,
}

/// `job.created` before its spec is read, whose shape depends on `kind`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head<'a> {
    kind: Word<Kind>,
    #[serde(borrow)]
    spec: &'a RawValue,
    created_by: Option<Text<256>>,
    labels: Option<TextMap>,
    not_before: Option<Word<Time>>,
    retry: Option<Object<Retry2>>,
}

impl Created2 {
    /// Reads data from a producer or from the log.
    pub fn read(data: &str, origin: Origin<'_>) -> Result<Created2, Reject> {
        let Head { kind, spec, created_by, labels, not_before, retry } = read_object(DATA, data)?;
        let labels = labels.map_or_else(BTreeMap::new, |labels| labels.0);
        let first = Created1::of_members(kind, spec.get(), created_by, labels, origin)?;
        Ok(Created2 { first, not_before, retry })
    }
}

impl Shape for Created2 {
    fn texts(&mut self) -> Vec<&mut String> {
        self.first.texts()
    }

    fn mask(&mut self, mask: &Mask, hits: &mut Vec<Arc<str>>) {
        self.first.mask(mask, hits);
    }

    fn redact(&mut self) {
        self.first.redact();
    }

    fn check(&self) -> Result<(), Reject> {
        self.first.check()
    }

    fn version(&self) -> u32 {
        if self.not_before.is_some() || self.retry.is_some() { 2 } else { 1 }
    }

    fn into_event(self) -> Event {
        let Event::Created(mut created) = self.first.into_event() else {
            unreachable!("the shape of `job.created` makes this event");
        };
        created.not_before = self.not_before.map(|time| time.0);
        created.retry =
            self.retry.map(|Object(retry)| Retry { max: retry.max.as_u32(), backoff_sec: retry.backoff_sec.as_u32() });
        Event::Created(created)
    }
}
