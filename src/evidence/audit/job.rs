//! The history of the one job in a bundle.

use serde::Serialize;

use crate::job::{EventType, Position, listed};
use crate::wire::Leaf;

/// A job whose events were checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProvenJob {
    /// The job's id.
    pub id: String,
    /// The job's organisation.
    pub org: String,
    /// The job's kind.
    pub kind: String,
    /// How many of the job's events the bundle has.
    pub events: u64,
    /// The position of the first of them.
    pub first: u64,
    /// The position of the newest of them.
    pub last: u64,
    /// The job's final event; `None` if the bundle has none.
    pub ended: Option<Ended>,
}

/// The event that ended a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ended {
    /// The event's position.
    pub position: u64,
    /// The event's type.
    #[serde(rename = "type")]
    pub event_type: String,
    /// The event's actor.
    pub actor: String,
}

/// A rule for a job's history that an event breaks.
#[derive(Debug, thiserror::Error)]
pub(super) enum HistoryFault {
    #[error("expected an event of the job `{expected}`, found one of `{id}`, organisation {org}, {kind}")]
    OtherJob { expected: String, id: String, org: String, kind: String },
    #[error("expected `job.created` first and nowhere else, found `{0}`")]
    Created(String),
    #[error("expected nothing but {} after the end, found `{found}`", listed(EventType::after_end()))]
    AfterTheEnd { found: String },
}

/// The events so far. The rules for entries check that each names the one before it.
#[derive(Debug, Default)]
pub(super) struct JobHistory(Option<ProvenJob>);

impl JobHistory {
    pub(super) fn events(&self) -> u64 {
        self.0.as_ref().map_or(0, |job| job.events)
    }

    pub(super) fn job(self) -> Option<ProvenJob> {
        self.0
    }

    /// Takes the next event.
    pub(super) fn take(&mut self, position: Position, leaf: &Leaf<'_>) -> Result<(), HistoryFault> {
        let (event_type, at) = (&*leaf.event_type, position.get());
        let [id, org, kind] =
            [&leaf.subject, &leaf.orgid, &leaf.jobkind].map(|text| text.as_deref().unwrap_or_default());
        let first = self.0.is_none();
        let job = self.0.get_or_insert_with(|| ProvenJob {
            id: id.to_owned(),
            org: org.to_owned(),
            kind: kind.to_owned(),
            events: 0,
            first: at,
            last: at,
            ended: None,
        });
        (job.events, job.last) = (job.events + 1, at);
        let after_the_end = job.ended.is_some();
        let known = EventType::named(event_type);
        if job.ended.is_none() && known.is_some_and(EventType::ends_job) {
            job.ended = Some(Ended { position: at, event_type: event_type.into(), actor: leaf.actor.to_string() });
        }
        if [&job.id, &job.org, &job.kind] != [id, org, kind] {
            let [id, org, kind] = [id, org, kind].map(str::to_owned);
            return Err(HistoryFault::OtherJob { expected: job.id.clone(), id, org, kind });
        }
        if first != (known == Some(EventType::Created)) {
            return Err(HistoryFault::Created(event_type.to_owned()));
        }
        if after_the_end && !known.is_some_and(EventType::may_follow_end) {
            return Err(HistoryFault::AfterTheEnd { found: event_type.to_owned() });
        }
        Ok(())
    }
}
