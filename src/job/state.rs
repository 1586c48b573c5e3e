//! The fold: a [`Job`] and how each event changes it. Admission, the views, the read models and a replay all use this
//! one fold.

use std::ops::Deref;

use super::event::{Event, Redacted};
use super::hook::Hook;
use super::id::{JobId, JobKey, JobType, Position};
use super::item::{Item, Items};
use super::lifecycle::{Conflict, Moment, State, Step, step};
use super::progress::Tally;
use super::run::{Lease, Retry, Worker};
use super::size;
use super::spec::{Kind, Labels, RawJson, Spec};
use super::time::Time;

/// The actor and the source of the events that the ledger itself appends. No token may have this name, and no token this source.
pub const LEDGER: &str = "ledger";

/// The label of a job that repeats another one. Its value is the other job's id.
pub const RETRY_OF: &str = "retry_of";

/// A job without its spec, items, notes and redactions: one row of the views, and what lists show.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// The job's organisation and id.
    pub key: JobKey,
    /// The position of `job.created`. Every list of jobs is ordered by it.
    pub created_position: Position,
    /// The position of the newest event: the job's revision (`ETag`).
    pub position: Position,
    /// When the ledger recorded the newest event.
    pub recorded_at: Time,
    /// Number of the job's events, 1 or more.
    pub events: u64,
    /// Approximate size of spec, labels, items, notes and redactions as JSON, in bytes. [`super::MAX_BYTES`] bounds it.
    pub bytes: u64,
    /// Which documented API shows the job.
    pub kind: Kind,
    /// The job type of a `task` or `generic` job; `None` for other kinds.
    pub job_type: Option<JobType>,
    /// `time` of `job.created`.
    pub created_at: Time,
    /// The person or system that the job was created for.
    pub created_by: String,
    /// Labels by which a list of jobs can be filtered.
    pub labels: Labels,
    /// The state.
    pub state: State,
    /// The newest message of `job.started`, `job.progress`, `job.completed` or `job.failed`.
    pub message: Option<String>,
    /// The newest `current_step` of `job.progress`.
    pub current_step: Option<String>,
    /// Counts and percentage.
    pub tally: Tally,
    /// The hook; `None` before the first `job.hook_output`.
    pub hook: Option<Hook>,
    /// No claim takes the job before this time.
    pub not_before: Option<Time>,
    /// How often the ledger repeats the job after a failure; `None` for never.
    pub retry: Option<Retry>,
    /// The job that repeats this one.
    pub retried_as: Option<JobId>,
    /// The worker, if `job.started` named one.
    pub worker: Option<Worker>,
}

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

impl Summary {
    /// The percentage to show, 0 to 100. A completed job shows 100, also if the last report was lower.
    pub fn percent(&self) -> u8 {
        if matches!(self.state, State::Completed { .. }) { 100 } else { self.tally.percent }
    }

    /// Bytes of the texts that `bytes` does not count, because the next event may replace them: message, step, reason
    /// of the cancellation, and the head of the hook's output.
    pub fn text_len(&self) -> usize {
        let reason = match &self.state {
            State::Cancelled { reason, .. } => reason,
            _ => &None,
        };
        let texts = [&self.message, &self.current_step, reason].into_iter().flatten().map(String::len).sum::<usize>();
        texts + self.hook.as_ref().map_or(0, |hook| hook.head.len())
    }

    /// The worker's lease, while the job runs under one.
    pub fn lease(&self) -> Option<Lease> {
        let is_running = matches!(self.state, State::Running { .. });
        self.worker.as_ref().filter(|_| is_running).and_then(|worker| worker.lease)
    }

    /// The job that this one repeats: the label `retry_of`.
    pub fn retry_of(&self) -> Option<&str> {
        self.labels.get(RETRY_OF).map(String::as_str)
    }

    /// Whether the ledger is to repeat the job: the job failed, has retries left, and was not repeated yet.
    pub fn is_to_be_retried(&self) -> bool {
        matches!(self.state, State::Failed { .. }) && self.retry.is_some() && self.retried_as.is_none()
    }

    /// Whole milliseconds from start to end, or to `now` while the job runs; `None` for a job that was never started.
    pub fn elapsed_ms(&self, now: Time) -> Option<u64> {
        Some(self.state.ended_at().unwrap_or(now).millis_since(self.state.started_at()?))
    }
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
        let (Step::Enter(state), Event::Created(created)) = (step(None, &fact.event, moment)?, &fact.event) else {
            return Err(Conflict { state: None, event: fact.event.event_type() });
        };
        let created = created.clone();
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
        let moment = Moment { time: fact.time, actor: &fact.actor, position: fact.position };
        match step(Some(&self.summary.state), &fact.event, moment)? {
            Step::Enter(state) => self.summary.state = state,
            Step::Stay => {}
            Step::Repeat(_) => {
                return Err(Conflict { state: Some(self.summary.state.status()), event: fact.event.event_type() });
            }
        }
        self.summary.position = fact.position;
        self.summary.recorded_at = fact.recorded;
        self.summary.events += 1;
        self.summary.tally = self.summary.tally.after(&fact.event);
        Ok(match fact.event {
            Event::Created(_) | Event::Cancelled(_) => Change::Job,
            Event::Started(started) => {
                let lease = started.lease_sec.map(|seconds| Lease { seconds, since: fact.position });
                self.summary.worker = started.worker.map(|name| Worker { name, lease, lost: false });
                self.set_message(started.message)
            }
            Event::Progress(progress) => {
                self.summary.current_step = progress.current_step.or(self.summary.current_step.take());
                self.set_message(progress.message)
            }
            Event::Completed(completed) => self.set_message(completed.message),
            Event::Failed(failed) => {
                let by_ledger = fact.actor == LEDGER;
                self.summary.worker.iter_mut().for_each(|worker| worker.lost = by_ledger);
                self.set_message(Some(failed.message))
            }
            Event::ItemResult(result) => {
                let before = self.items.get(&result.item).map_or(0, size::of_item);
                let place = self.items.report(result, fact.time, self.summary.events);
                self.summary.bytes = self.bytes - before + size::of_item(&self.items.as_slice()[place]);
                Change::Item(place)
            }
            Event::HookOutput(chunk) => {
                self.summary.hook.get_or_insert_default().take(&chunk);
                Change::Job
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
            Event::Retried(retried) => {
                self.summary.retried_as = Some(retried.retried_as);
                Change::Job
            }
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

    fn set_message(&mut self, message: Option<String>) -> Change {
        if message.is_some() {
            self.summary.message = message;
        }
        Change::Job
    }
}
