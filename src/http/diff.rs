//! `GET /ledger/jobs/{id}/diff`: a job at two moments, what differs, and whose events changed it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::access::Capability;
use crate::history::{self, job_facts};
use crate::http::answer::Error;
use crate::http::answer::page;
use crate::http::app::App;
use crate::http::request::Caller;
use crate::http::request::Params;
use crate::http::request::Segment;
use crate::job::{Conflict, Fact, Job, JobKey, Position};
use crate::ledger::{Ledger, Place, ReadError, Shown, off_thread};
use crate::model::{Changing, Difference, between, line};

/// Most events named for one field: the newest.
const MOST: usize = 1000;
/// About how many events are named for all fields together: of many fields each names fewer.
const MOST_IN_ALL: usize = 50_000;
/// Longest text shown of a field, in bytes.
const SHOWN: usize = 4096;

/// A job at two moments.
#[derive(Debug, Serialize, ToSchema)]
pub struct JobDiff {
    /// The job.
    pub job: String,
    /// The earlier moment.
    pub from: DiffMoment,
    /// The later one.
    pub to: DiffMoment,
    /// Every field that differs between the two, by pointer. What changed and changed back is not among them.
    pub changes: Vec<FieldChange>,
}

/// A moment that was compared.
#[derive(Debug, Serialize, ToSchema)]
pub struct DiffMoment {
    /// Everything up to here had happened, and nothing after.
    #[schema(minimum = 0)]
    pub position: u64,
    /// The time then.
    pub time: String,
}

/// A field that differs.
#[derive(Debug, Serialize, ToSchema)]
pub struct FieldChange {
    /// Its JSON pointer (RFC 6901) in the job that `GET /ledger/jobs/{id}` answers.
    #[schema(example = "/items/0/status")]
    pub pointer: String,
    /// The item that it is a field of, where it is one's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item: Option<String>,
    /// As it was; null where there was none. Texts over 4096 bytes are cut and say how long they are.
    pub from: Value,
    /// As it was then.
    pub to: Value,
    /// The events between that changed it, oldest first; the newest 1000 where there are more, and fewer where more than 50 fields
    /// changed.
    #[schema(value_type = Vec<ChangedBy>)]
    pub by: Vec<Arc<ChangedBy>>,
    /// Whether there are more than `by` names.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
}

/// An event that changed a field.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChangedBy {
    /// Its place.
    #[schema(minimum = 0)]
    pub position: u64,
    /// What happened.
    #[serde(rename = "type")]
    pub event_type: &'static str,
    /// Who did it.
    pub actor: String,
    /// When it happened.
    pub time: String,
}

/// Compare a job at two moments.
///
/// Which fields of the job, as `/ledger/jobs/{id}` shows it, differ between `from` and `to`, from what to what, and by whose
/// events. A job that did not exist yet at `from` is compared with nothing.
#[utoipa::path(
    get, path = "/ledger/jobs/{id}/diff", tag = "ledger", operation_id = "diff_job",
    params(
        ("id" = String, Path, description = "The job"),
        ("from" = String, Query, description = "A position or an RFC 3339 time of recording (inclusive): the earlier moment"),
        ("to" = Option<String>, Query, description = "The later moment; the newest event where absent"),
        ("org" = Option<uuid::Uuid>, Query, description = "The job's organisation, for auditors"),
        ("min_position" = Option<u64>, Query, description = "Answer only when the log has this position"),
    ),
    responses(
        (status = 200, description = "What differs", body = JobDiff),
        (status = 400, description = "A parameter is not what was expected, or `from` is after `to`"),
        (status = 404, description = "No such job, or not yet at `to`"),
        (status = 503, description = "The log is not there yet, or too many reads of the past are under way"),
    )
)]
pub async fn diff(
    State(app): State<App>,
    caller: Caller,
    Segment(id): Segment,
    params: Params,
) -> Result<Response, Error> {
    caller.require(Capability::ReadLedger)?;
    let span = params.span(&caller, &id)?;
    if let Some(min) = span.min {
        app.ledger.reach(min).await?;
    }
    let from = app.ledger.place("from", Some(span.from)).await?;
    let to = app.ledger.place("to", span.to).await?;
    // Without `to` the later moment is the newest event, wherever the clock is.
    if from > to && span.to.is_some() {
        let detail = format!("expected a moment at or before `to` ({}), found {}", shown(to), shown(from));
        return Err(Error::parameter("from", detail));
    }
    let turn = app.ledger.turn(None).await?;
    let (ledger, key) = (app.ledger.clone(), span.key);
    let found = off_thread(move || {
        let differ = compared(&ledger, &key, from.position, to.position)?;
        let diff = differ.finish(from, to).as_ref().map(|diff| Bytes::from(line(diff)));
        drop(turn);
        Ok::<_, ReadError>(diff)
    });
    let diff = found.await?.ok_or_else(Error::no_such_job)?;
    Ok(page(Shown { value: diff, position: to.position, now: to.time }))
}

fn shown(place: Place) -> String {
    format!("position {}, {}", place.position, place.time)
}

fn compared(ledger: &Ledger, key: &JobKey, from: Position, to: Position) -> Result<Differ, ReadError> {
    let before = ledger.past(key, from)?;
    ledger.log(|log| {
        let mut differ = Differ::new(before);
        job_facts(log, key, from, to, |fact| {
            let position = fact.position;
            differ.take(fact).map_err(history::Error::misfit(position)).map_err(ReadError::from)
        })?;
        Ok(differ)
    })
}

/// Takes a job's events between two moments, and tells what became of them.
#[derive(Debug)]
pub struct Differ {
    before: Option<Job>,
    changing: Changing,
    /// Who changed what, by pointer.
    acts: BTreeMap<String, Acts>,
    /// See [`MOST_IN_ALL`].
    in_all: usize,
}

/// The newest events that changed one field.
#[derive(Debug, Default)]
struct Acts {
    newest: VecDeque<Arc<ChangedBy>>,
    more: bool,
}

impl Differ {
    /// Begins with the job as it was; `None` before it existed.
    pub fn new(before: Option<Job>) -> Differ {
        Differ { changing: Changing::new(before.clone()), before, acts: BTreeMap::new(), in_all: MOST_IN_ALL }
    }

    /// Takes the job's next event.
    pub fn take(&mut self, fact: Fact) -> Result<(), Conflict> {
        let by = Arc::new(ChangedBy {
            position: fact.position.get(),
            event_type: fact.event.type_name(),
            actor: fact.actor.clone(),
            time: fact.time.to_string(),
        });
        let most = (self.in_all / self.acts.len().max(1)).clamp(1, MOST);
        for difference in self.changing.take(fact)? {
            let acts = self.acts.entry(difference.pointer).or_default();
            acts.newest.push_back(by.clone());
            while acts.newest.len() > most {
                acts.newest.pop_front();
                acts.more = true;
            }
        }
        Ok(())
    }

    /// What differs; `None` where there was no job at either moment.
    pub fn finish(self, from: Place, to: Place) -> Option<JobDiff> {
        let after = self.changing.job()?;
        let moment = |at: Place| DiffMoment { position: at.position.get(), time: at.time.to_string() };
        let changes =
            between(self.before.as_ref(), after).into_iter().map(|difference| self.explain(difference, after));
        Some(JobDiff { job: after.key.id.to_string(), from: moment(from), to: moment(to), changes: changes.collect() })
    }

    fn explain(&self, Difference { pointer, from, to }: Difference, after: &Job) -> FieldChange {
        let below = format!("{pointer}/");
        // A whole that came into being may have changed in its parts since, and the other way round.
        let parts = self.acts.range(below.clone()..).take_while(|(at, _)| at.starts_with(&below));
        let wholes = pointer.match_indices('/').skip(1).filter_map(|(end, _)| self.acts.get(&pointer[..end]));
        let acts: Vec<&Acts> =
            self.acts.get(&pointer).into_iter().chain(parts.map(|(_, acts)| acts)).chain(wholes).collect();
        let mut by: Vec<_> = acts.iter().flat_map(|acts| &acts.newest).cloned().collect();
        by.sort_by_key(|by| by.position);
        by.dedup_by_key(|by| by.position);
        let most = (self.in_all / self.acts.len().max(1)).clamp(1, MOST);
        let more = by.len() > most || acts.iter().any(|acts| acts.more);
        by.drain(..by.len().saturating_sub(most));
        let item = pointer.strip_prefix("/items/").and_then(|rest| rest.split('/').next()?.parse::<usize>().ok());
        let item = item.and_then(|n| after.items.as_slice().get(n)).map(|item| item.id.to_string());
        FieldChange { pointer, item, from: bounded(from), to: bounded(to), by, more }
    }
}

/// The value with its long texts cut.
fn bounded(value: Value) -> Value {
    match value {
        Value::String(text) if text.len() > SHOWN + 64 => {
            Value::String(format!("{}… ({} bytes)", &text[..text.floor_char_boundary(SHOWN)], text.len()))
        }
        Value::Array(values) => Value::Array(values.into_iter().map(bounded).collect()),
        Value::Object(members) => members.into_iter().map(|(name, value)| (name, bounded(value))).collect(),
        value => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{
        Created, Event, ItemResult, ItemStatus, Labels, OrgId, RawJson, Spec, Started, TaskSpec, TaskType, Time,
    };

    fn fact(position: u64, event: Event) -> Fact {
        let key = JobKey { org: OrgId::default(), id: "a".parse().unwrap() };
        let (position, time) = (Position::new(position), Time::from_micros(position as i64));
        Fact { key, position, time, actor: "worker".into(), event }
    }

    #[test]
    fn of_many_fields_each_names_few_events() {
        let spec = Spec::Task(TaskSpec { job_type: TaskType::FullSync, total_records: None });
        let spec_json = RawJson(r#"{"job_type":"full_sync"}"#.into());
        let created = Event::Created(Created { spec, spec_json, created_by: None, labels: Labels::new() });
        let mut differ = Differ { in_all: 100, ..Differ::new(None) };
        differ.take(fact(1, created)).unwrap();
        differ.take(fact(2, Event::Started(Started::default()))).unwrap();
        for n in 0..400 {
            let item = format!("i{}", n % 20).parse().unwrap();
            let result = ItemResult { item, status: ItemStatus::Running, message: Some(n.to_string()), detail: None };
            differ.take(fact(3 + n, Event::ItemResult(result))).unwrap();
        }
        let place = |position| Place { position: Position::new(position), time: Time::from_micros(0) };
        let diff = differ.finish(place(0), place(402)).unwrap();
        let items: Vec<_> = diff.changes.iter().filter(|change| change.item.is_some()).collect();
        assert_eq!(items.len(), 20);
        for change in items {
            let named: Vec<u64> = change.by.iter().map(|by| by.position).collect();
            assert!(change.more && (1..=5).contains(&named.len()), "{named:?}");
            let n: u64 = change.item.as_ref().unwrap()[1..].parse().unwrap();
            assert_eq!(*named.last().unwrap(), 3 + 380 + n, "the newest");
        }
    }
}
