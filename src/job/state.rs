//! The fold: a [`Job`] and how each event changes it. Admission, the views, the read models and a replay all use this
//! one fold.

use std::ops::Deref;

use super::event::{Event, Redacted};
use super::id::{JobKey, Position};
use super::item::{Item, Items};
use super::lifecycle::{Conflict, Moment, Step, step};
use super::progress::Tally;
use super::size;
use super::spec::{RawJson, Spec};
use super::summary::Summary;
use super::time::Time;

/// One job at one position: its [`Summary`], to which it dereferences, and its parts.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// The job without its parts.
    pub summary: Summary,
    /// The spec.
    pub spec: Spec,
    /// The stored text of `spec`, which the views and the read model copy.
    ///
    /// A second form of the spec, because `spec` alone does not give these bytes: the log may hold a text of an older
    /// version, and writing 10,000 rule actions anew costs more at each read than the text costs in memory.
    pub spec_json: RawJson,
    /// The items, in the order of their declaration or first report.
    pub items: Items,
    /// The remarks, oldest first.
    pub notes: Vec<Note>,
    /// The redactions, oldest first.
    pub redactions: Vec<Redaction>,
}

impl Deref for Job {
    type Target = Summary;

    fn deref(&self) -> &Summary {
        &self.summary
    }
}

/// A `job.noted`, folded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The remark.
    pub text: String,
    /// The actor.
    pub by: String,
    /// `time` of the event.
    pub at: Time,
}

/// A `job.redacted`, folded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redaction {
    /// Position of the event whose data was redacted.
    pub position: Position,
    /// Why the data was redacted.
    pub reason: String,
    /// The actor.
    pub by: String,
    /// `time` of the event.
    pub at: Time,
}

/// An event with its position, time and actor, as the fold takes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Fact {
    /// The job that the event belongs to.
    pub key: JobKey,
    /// The event's place in the log.
    pub position: Position,
    /// The event's `time`.
    pub time: Time,
    /// When the ledger recorded the event.
    pub recorded: Time,
    /// The actor.
    pub actor: String,
    /// The type and data.
    pub event: Event,
}

/// Which part of the job an event changed, besides its [`Summary`]: the rows that the views write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// No other part.
    Job,
    /// The item with this index in [`Job::items`].
    Item(usize),
    /// The last note, which is new.
    Note,
    /// The last redaction, which is new. The redacted text may be in any part of the job, so the caller must fold the
    /// job again from the log.
    Redaction,
}

impl Job {
    /// Folds the first event of a job, a `job.created`.
    ///
    /// # Errors
    /// A [`Conflict`] if `fact` is of another type.
    pub fn begin(fact: Fact) -> Result<Job, Conflict> {
        let moment = Moment { time: fact.time, actor: &fact.actor, position: fact.position };
        let (entered, event) = (step(None, &fact.event, moment)?, fact.event.event_type());
        let (Step::Enter(state), Event::Created(created)) = (entered, fact.event) else {
            return Err(Conflict { state: None, event });
        };
        let created = *created;
        let (items, job_type, total): (Vec<Item>, _, _) = match &created.spec {
            Spec::Rule(rule) => (rule.actions.iter().map(|a| Item::pending(a.id.clone())).collect(), None, None),
            Spec::Task(task) => (Vec::new(), Some(task.job_type.into()), task.total_records),
            Spec::Generic(generic) => (Vec::new(), Some(generic.job_type.clone()), generic.total_records),
            Spec::DbRole(_) => (Vec::new(), None, None),
        };
        let labels = created.labels.iter().map(|(name, value)| size::json_len(name) + size::json_len(value) + 2);
        let bytes =
            created.spec_json.0.len() as u64 + labels.sum::<u64>() + items.iter().map(size::of_item).sum::<u64>();
        let summary = Summary {
            key: fact.key,
            created_position: fact.position,
            position: fact.position,
            recorded_at: fact.recorded,
            events: 1,
            bytes,
            kind: created.spec.kind(),
            job_type,
            created_at: fact.time,
            created_by: created.created_by.unwrap_or(fact.actor),
            labels: created.labels,
            state,
            message: None,
            current_step: None,
            tally: Tally::of_total(total),
            hook: None,
            not_before: created.not_before,
            retry: created.retry,
            retried_as: None,
            worker: None,
        };
        Ok(Job {
            summary,
            spec: created.spec,
            spec_json: created.spec_json,
            items: Items::from_list(items),
            notes: Vec::new(),
            redactions: Vec::new(),
        })
    }

    /// Folds the job's next event. The cost does not grow with the job's items, notes or output.
    ///
    /// # Errors
    /// A [`Conflict`] if the state machine does not allow the event. Counts and texts are not checked again: [`decide`]
    /// checked them before the event was recorded.
    ///
    /// [`decide`]: super::decide
    pub fn apply(&mut self, fact: Fact) -> Result<Change, Conflict> {
        self.summary.apply(&fact)?;
        Ok(match fact.event {
            Event::ItemResult(result) => {
                let before = self.items.get(&result.item).map_or(0, size::of_item);
                let place = self.items.report(result, fact.time, self.summary.events);
                self.summary.bytes = self.bytes - before + size::of_item(&self.items.as_slice()[place]);
                Change::Item(place)
            }
            Event::Noted(noted) => {
                let note = Note { text: noted.text, by: fact.actor, at: fact.time };
                self.summary.bytes += size::of_note(&note);
                self.notes.push(note);
                Change::Note
            }
            Event::Redacted(Redacted { position, reason }) => {
                let redaction = Redaction { position, reason, by: fact.actor, at: fact.time };
                self.summary.bytes += size::of_redaction(&redaction);
                self.redactions.push(redaction);
                Change::Redaction
            }
            _ => Change::Job,
        })
    }

    /// Folds the next event of a job, or its first if `job` is `None`.
    ///
    /// # Errors
    /// As [`Job::begin`] and [`Job::apply`].
    pub fn fold(job: Option<Job>, fact: Fact) -> Result<Job, Conflict> {
        match job {
            None => Job::begin(fact),
            Some(mut job) => job.apply(fact).map(|_| job),
        }
    }
}
