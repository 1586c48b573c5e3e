//! `job.started`, version 2: the worker, and its lease.

use serde::{Deserialize, Serialize};

use crate::job::{Event, Started, Time};
use crate::wire::fields::{Count, MAX_TEXT, Text, Whole, Word};
use crate::wire::reject::Reject;
use crate::wire::shape::{REDACTED_TEXT, Shape};
use crate::wire::v1::{into_count, into_text, text_mut};

/// Longest name of a worker, in bytes.
const MAX_WORKER: usize = 128;
/// Longest lease, in seconds: a day.
pub const MAX_LEASE_SEC: u64 = 86_400;

/// Checks the name of a worker; `pointer` is its place.
///
/// # Errors
/// A [`Reject`] if the name is not 1 to 128 bytes without control characters.
pub fn check_worker(pointer: &'static str, name: &str) -> Result<(), Reject> {
    if name.is_empty() || name.len() > MAX_WORKER || name.chars().any(char::is_control) {
        let detail = format!("expected 1 to {MAX_WORKER} bytes without control characters");
        return Err(Reject::invalid(pointer, detail));
    }
    Ok(())
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Started2 {
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Text<MAX_TEXT>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_records: Option<Count>,
    #[serde(skip_serializing_if = "Option::is_none")]
    worker: Option<Text<MAX_WORKER>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lease_sec: Option<Whole<MAX_LEASE_SEC, 1>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lease_until: Option<Word<Time>>,
}

impl Shape for Started2 {
    fn texts(&mut self) -> Vec<&mut String> {
        text_mut(&mut self.message).into_iter().collect()
    }

    fn redact(&mut self) {
        let texts = text_mut(&mut self.message).into_iter().chain(text_mut(&mut self.worker));
        texts.for_each(|text| REDACTED_TEXT.clone_into(text));
    }

    fn check(&self) -> Result<(), Reject> {
        self.worker.as_ref().map_or(Ok(()), |Text(name)| check_worker("/data/worker", name))?;
        match (&self.worker, self.lease_sec, self.lease_until) {
            (None, Some(_), _) => {
                Err(Reject::invalid("/data/worker", "expected together with `lease_sec`, found none"))
            }
            (_, None, Some(_)) => {
                Err(Reject::invalid("/data/lease_sec", "expected together with `lease_until`, found none"))
            }
            _ => Ok(()),
        }
    }

    fn version(&self) -> u32 {
        if self.worker.is_some() { 2 } else { 1 }
    }

    fn into_event(self) -> Event {
        Event::Started(Started {
            message: into_text(self.message),
            total_records: into_count(self.total_records),
            worker: into_text(self.worker),
            lease_sec: self.lease_sec.map(Whole::as_u32),
            lease_until: self.lease_until.map(|until| until.0),
        })
    }
}
