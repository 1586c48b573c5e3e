//! The history of the one job that a bundle is about.

use serde::Serialize;

use crate::job::{EventType, Position, listed};
use crate::wire::Leaf;

/// A job whose events were checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProvenJob {
    /// Its id.
    pub id: String,
    /// Its organisation.
    pub org: String,
    /// Its kind.
    pub kind: String,
    /// How many events the bundle has of it.
    pub events: u64,
    /// Where the first one is.
    pub first: u64,
    /// Where the newest one is.
    pub last: u64,
    /// Its final event; `None` where the bundle has none.
    pub ended: Option<Ended>,
}

/// The event that ended a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ended {
    /// Where it is.
    pub position: u64,
    /// How the job ended.
    #[serde(rename = "type")]
    pub event_type: String,
    /// Who the ledger saw end it.
    pub actor: String,
}

/// The events so far. That each names the one before it is checked where all logs are.
#[derive(Debug, Default)]
pub(super) struct Chain(Option<ProvenJob>);

impl Chain {
    pub(super) fn events(&self) -> u64 {
        self.0.as_ref().map_or(0, |job| job.events)
    }

    pub(super) fn job(self) -> Option<ProvenJob> {
        self.0
    }

    /// Takes the next event; the text says what is wrong with it here.
    pub(super) fn take(&mut self, position: Position, leaf: &Leaf<'_>) -> Result<(), String> {
        let text = |text: &Option<std::borrow::Cow<'_, str>>| text.as_deref().unwrap_or_default().to_owned();
        let (id, org, kind) = (text(&leaf.subject), text(&leaf.orgid), text(&leaf.jobkind));
        let (event_type, at) = (&*leaf.event_type, position.get());
        let first = self.0.is_none();
        let job = self.0.get_or_insert_with(|| ProvenJob {
            id: id.clone(),
            org: org.clone(),
            kind: kind.clone(),
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
        if (&job.id, &job.org, &job.kind) != (&id, &org, &kind) {
            return Err(format!(
                "expected an event of the job `{}`, found one of `{id}`, organisation {org}, {kind}",
                job.id
            ));
        }
        if first != (known == Some(EventType::Created)) {
            return Err(format!("expected `job.created` first and nowhere else, found `{event_type}`"));
        }
        if after_the_end && !known.is_some_and(EventType::may_follow_end) {
            return Err(format!(
                "expected nothing but {} after the end, found `{event_type}`",
                listed(EventType::after_end())
            ));
        }
        Ok(())
    }
}
