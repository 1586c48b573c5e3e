//! The diff of a job between two moments: the fields that differ, and the events that changed them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::changes::{ChangeTracker, Difference, differences};
use crate::job::{Conflict, Fact, Job};
use crate::ledger::PointInTime;

/// Most events that a diff names for one field: the newest 1,000.
const MOST: usize = 1000;
/// Most events that a diff names for all fields together. If many fields differ, each names fewer events.
const MOST_IN_ALL: usize = 50_000;
/// Longest text of a field in a diff, in bytes.
const SHOWN: usize = 4096;

/// The differences of a job between two moments.
#[derive(Debug, Serialize, ToSchema)]
pub struct JobDiff {
    /// The job's id.
    pub job: String,
    /// The earlier moment.
    pub from: DiffMoment,
    /// The later moment.
    pub to: DiffMoment,
    /// The fields that differ, by pointer. A field that changed and changed back does not differ.
    pub changes: Vec<FieldChange>,
}

/// One of the two moments.
#[derive(Debug, Serialize, ToSchema)]
pub struct DiffMoment {
    /// The position of the newest event at this moment.
    #[schema(minimum = 0)]
    pub position: u64,
    /// The recorded time of that event.
    pub time: String,
}

/// A field that differs.
#[derive(Debug, Serialize, ToSchema)]
pub struct FieldChange {
    /// The field's JSON pointer (RFC 6901) in the answer of `GET /ledger/jobs/{id}`.
    #[schema(example = "/items/0/status")]
    pub pointer: String,
    /// The item that the field belongs to; absent if it belongs to none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item: Option<String>,
    /// The value at `from`; null if the field did not exist. A text over 4096 bytes is cut, and its length is added.
    pub from: Value,
    /// The value at `to`.
    pub to: Value,
    /// The events that changed the field, oldest first: at most the newest 1000, and fewer if more than 50 fields changed.
    #[schema(value_type = Vec<ChangedBy>)]
    pub by: Vec<Arc<ChangedBy>>,
    /// Whether more events than those in `by` changed the field.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
}

/// An event that changed a field.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChangedBy {
    /// The position of the event.
    #[schema(minimum = 0)]
    pub position: u64,
    /// The type of the event.
    #[serde(rename = "type")]
    pub event_type: &'static str,
    /// The actor who appended the event.
    pub actor: String,
    /// The `time` of the event.
    pub time: String,
}

/// Folds a job's events between two moments into a diff.
#[derive(Debug)]
pub struct Differ {
    before: Option<Job>,
    tracker: ChangeTracker,
    /// The events that changed each field, by pointer.
    changers: BTreeMap<String, Changers>,
    /// [`MOST_IN_ALL`], or less in a test.
    in_all: usize,
}

/// The newest events that changed one field.
#[derive(Debug, Default)]
struct Changers {
    newest: VecDeque<Arc<ChangedBy>>,
    more: bool,
}

impl Differ {
    /// Starts from the job at the earlier moment; from `None` if it did not exist.
    pub fn new(before: Option<Job>) -> Differ {
        Differ { tracker: ChangeTracker::new(before.clone()), before, changers: BTreeMap::new(), in_all: MOST_IN_ALL }
    }

    /// Folds the job's next event.
    ///
    /// # Errors
    /// The state machine refuses the event.
    pub fn take(&mut self, fact: Fact) -> Result<(), Conflict> {
        let by = Arc::new(ChangedBy {
            position: fact.position.get(),
            event_type: fact.event.event_type().as_str(),
            actor: fact.actor.clone(),
            time: fact.time.to_string(),
        });
        let most = (self.in_all / self.changers.len().max(1)).clamp(1, MOST);
        for difference in self.tracker.take(fact)? {
            let changers = self.changers.entry(difference.pointer).or_default();
            changers.newest.push_back(by.clone());
            while changers.newest.len() > most {
                changers.newest.pop_front();
                changers.more = true;
            }
        }
        Ok(())
    }

    /// The diff; `None` if the job did not exist at the later moment.
    pub fn finish(self, from: PointInTime, to: PointInTime) -> Option<JobDiff> {
        let after = self.tracker.job()?;
        let moment = |at: PointInTime| DiffMoment { position: at.position.get(), time: at.time.to_string() };
        let changes =
            differences(self.before.as_ref(), after).into_iter().map(|difference| self.explain(difference, after));
        Some(JobDiff { job: after.key.id.to_string(), from: moment(from), to: moment(to), changes: changes.collect() })
    }

    fn explain(&self, Difference { pointer, from, to }: Difference, after: &Job) -> FieldChange {
        let below = format!("{pointer}/");
        // An object that was added may have changed in its members since, and a member may have changed with its whole object.
        let parts = self.changers.range(below.clone()..).take_while(|(at, _)| at.starts_with(&below));
        let wholes = pointer.match_indices('/').skip(1).filter_map(|(end, _)| self.changers.get(&pointer[..end]));
        let all: Vec<&Changers> =
            self.changers.get(&pointer).into_iter().chain(parts.map(|(_, changers)| changers)).chain(wholes).collect();
        let mut by: Vec<_> = all.iter().flat_map(|changers| &changers.newest).cloned().collect();
        by.sort_by_key(|by| by.position);
        by.dedup_by_key(|by| by.position);
        let most = (self.in_all / self.changers.len().max(1)).clamp(1, MOST);
        let more = by.len() > most || all.iter().any(|changers| changers.more);
        by.drain(..by.len().saturating_sub(most));
        let item = pointer.strip_prefix("/items/").and_then(|rest| rest.split('/').next()?.parse::<usize>().ok());
        let item = item.and_then(|n| after.items.as_slice().get(n)).map(|item| item.id.to_string());
        FieldChange { pointer, item, from: with_short_texts(from), to: with_short_texts(to), by, more }
    }
}

/// Cuts the long texts in `value`.
fn with_short_texts(value: Value) -> Value {
    match value {
        Value::String(text) if text.len() > SHOWN + 64 => {
            Value::String(format!("{}… ({} bytes)", &text[..text.floor_char_boundary(SHOWN)], text.len()))
        }
        Value::Array(values) => Value::Array(values.into_iter().map(with_short_texts).collect()),
        Value::Object(members) => members.into_iter().map(|(name, value)| (name, with_short_texts(value))).collect(),
        value => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::samples::{created, fact};
    use crate::job::{Event, ItemResult, ItemStatus, Position, Started, Time};

    #[test]
    fn a_diff_of_many_fields_names_few_events_for_each() {
        let mut differ = Differ { in_all: 100, ..Differ::new(None) };
        differ.take(fact("a", 1, created())).unwrap();
        differ.take(fact("a", 2, Event::Started(Started::default()))).unwrap();
        for n in 0..400 {
            let item = format!("i{}", n % 20).parse().unwrap();
            let result = ItemResult { item, status: ItemStatus::Running, message: Some(n.to_string()), detail: None };
            differ.take(fact("a", 3 + n, Event::ItemResult(result))).unwrap();
        }
        let place = |position| PointInTime { position: Position::new(position), time: Time::from_micros(0) };
        let diff = differ.finish(place(0), place(402)).unwrap();
        let items: Vec<_> = diff.changes.iter().filter(|change| change.item.is_some()).collect();
        assert_eq!(items.len(), 20);
        for change in items {
            let named: Vec<u64> = change.by.iter().map(|by| by.position).collect();
            assert!(change.more && (1..=5).contains(&named.len()), "{named:?}");
            let n: u64 = change.item.as_ref().unwrap()[1..].parse().unwrap();
            assert_eq!(*named.last().unwrap(), 3 + 380 + n, "the newest events");
        }
    }
}
