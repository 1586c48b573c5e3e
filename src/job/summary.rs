//! The part of a job that one row of the views holds, and how each event changes it.

use super::event::Event;
use super::hook::Hook;
use super::id::{JobId, JobKey, JobType, Position};
use super::lifecycle::{Conflict, Moment, State, Step, step};
use super::progress::Tally;
use super::run::{Lease, Retry, Worker};
use super::spec::{Kind, Labels};
use super::state::Fact;
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

    /// Folds the job's next event. Does not change `bytes`, because [`super::Job::apply`] counts them. The cost does not grow with the
    /// job's output.
    ///
    /// # Errors
    /// A [`Conflict`] if the state machine does not allow the event.
    pub fn apply(&mut self, fact: &Fact) -> Result<(), Conflict> {
        let moment = Moment { time: fact.time, actor: &fact.actor, position: fact.position };
        match step(Some(&self.state), &fact.event, moment)? {
            Step::Enter(state) => self.state = state,
            Step::Stay => {}
            Step::Repeat(_) => {
                return Err(Conflict { state: Some(self.state.status()), event: fact.event.event_type() });
            }
        }
        self.position = fact.position;
        self.recorded_at = fact.recorded;
        self.events += 1;
        self.tally = self.tally.after(&fact.event);
        match &fact.event {
            Event::Started(started) => {
                let lease = started.lease_sec.map(|seconds| Lease { seconds, since: fact.position });
                self.worker = started.worker.clone().map(|name| Worker { name, lease, lost: false });
                replace(&mut self.message, started.message.as_ref());
            }
            Event::Progress(progress) => {
                replace(&mut self.current_step, progress.current_step.as_ref());
                replace(&mut self.message, progress.message.as_ref());
            }
            Event::Completed(completed) => replace(&mut self.message, completed.message.as_ref()),
            Event::Failed(failed) => {
                let by_ledger = fact.actor == LEDGER;
                self.worker.iter_mut().for_each(|worker| worker.lost = by_ledger);
                replace(&mut self.message, Some(&failed.message));
            }
            Event::HookOutput(chunk) => self.hook.get_or_insert_default().take(chunk),
            Event::Retried(retried) => self.retried_as = Some(retried.retried_as.clone()),
            Event::Created(_) | Event::Cancelled(_) | Event::ItemResult(_) | Event::Noted(_) | Event::Redacted(_) => {}
        }
        Ok(())
    }
}

/// Replaces the text if the event has a new one.
fn replace(text: &mut Option<String>, new: Option<&String>) {
    if let Some(new) = new {
        *text = Some(new.clone());
    }
}
