//! The state machine: one `match` on (state, event). Admission and the fold both use it.

use super::event::Event;
use super::event_type::EventType;
use super::id::Position;
use super::spec::words;
use super::time::Time;

words! {
    /// The name of a job's state, as the ledger's own API spells it.
    Status, "status" {
        /// Created, not started.
        Pending = "pending",
        /// Started, not ended.
        Running = "running",
        /// Succeeded.
        Completed = "completed",
        /// Did not succeed.
        Failed = "failed",
        /// Stopped by a `job.cancelled`.
        Cancelled = "cancelled",
    }
}

/// The state of a job, with the data that only this state has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Created, not started.
    Pending,
    /// Started, not ended.
    Running {
        /// `time` of `job.started`.
        started_at: Time,
    },
    /// Succeeded.
    Completed {
        /// `time` of `job.started`.
        started_at: Time,
        /// `time` of the event that ended the job.
        ended_at: Time,
    },
    /// Did not succeed, perhaps before it was started.
    Failed {
        /// `time` of `job.started`.
        started_at: Option<Time>,
        /// `time` of the event that ended the job.
        ended_at: Time,
    },
    /// Stopped by a `job.cancelled`, perhaps before it was started.
    Cancelled {
        /// `time` of `job.started`.
        started_at: Option<Time>,
        /// `time` of the cancellation.
        ended_at: Time,
        /// The actor of the cancellation.
        by: String,
        /// The cancellation's reason.
        reason: Option<String>,
        /// The position of the cancellation. Every later cancellation is answered with it.
        position: Position,
    },
}

impl State {
    /// The state's name.
    pub fn status(&self) -> Status {
        match self {
            State::Pending => Status::Pending,
            State::Running { .. } => Status::Running,
            State::Completed { .. } => Status::Completed,
            State::Failed { .. } => Status::Failed,
            State::Cancelled { .. } => Status::Cancelled,
        }
    }

    /// The job's status before its newest events, if `had` says which types these events have. `None` if they created the job.
    pub fn status_before(&self, had: impl Fn(EventType) -> bool) -> Option<Status> {
        let ended = EventType::ALL.iter().any(|event_type| event_type.ends_job() && had(*event_type));
        match self.started_at() {
            _ if had(EventType::Created) => None,
            _ if had(EventType::Started) => Some(Status::Pending),
            Some(_) if ended => Some(Status::Running),
            None if ended => Some(Status::Pending),
            _ => Some(self.status()),
        }
    }

    /// When the job was started; `None` if it never was.
    pub fn started_at(&self) -> Option<Time> {
        match *self {
            State::Pending => None,
            State::Running { started_at } | State::Completed { started_at, .. } => Some(started_at),
            State::Failed { started_at, .. } | State::Cancelled { started_at, .. } => started_at,
        }
    }

    /// When the job ended; `Some` exactly in the final states.
    pub fn ended_at(&self) -> Option<Time> {
        match *self {
            State::Pending | State::Running { .. } => None,
            State::Completed { ended_at, .. } | State::Failed { ended_at, .. } | State::Cancelled { ended_at, .. } => {
                Some(ended_at)
            }
        }
    }
}

/// An event that the state does not allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{event}` is not possible: the job is {}", state.map_or("not created yet", Status::as_str))]
pub struct Conflict {
    /// The job's state; `None` before the job's first event.
    pub state: Option<Status>,
    /// The type of the event.
    pub event: EventType,
}

/// What an event does to the state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The job enters this state.
    Enter(State),
    /// The event is allowed and leaves the state as it is.
    Stay,
    /// The job was cancelled before, at this position; the event is not recorded.
    Repeat(Position),
}

/// The parts of an event that a state stores besides its data.
#[derive(Debug, Clone, Copy)]
pub struct Moment<'a> {
    /// The event's `time`.
    pub time: Time,
    /// The actor.
    pub actor: &'a str,
    /// The position that the event has, or would have.
    pub position: Position,
}

/// Takes one step of the state machine (the design document, section 2: rules of the lifecycle). `state` is `None`
/// before the job's first event.
///
/// # Errors
/// A [`Conflict`] if the state does not allow the event.
pub fn step(state: Option<&State>, event: &Event, moment: Moment<'_>) -> Result<Step, Conflict> {
    use Event as E;
    use State as S;
    let ended_at = moment.time;
    Ok(match (state, event) {
        (None, E::Created(_)) => Step::Enter(S::Pending),

        (Some(S::Pending), E::Started(_)) => Step::Enter(S::Running { started_at: moment.time }),

        (Some(S::Running { .. }), E::Progress(_) | E::ItemResult(_) | E::HookOutput(_)) => Step::Stay,
        (Some(S::Running { started_at }), E::Completed(_)) => {
            Step::Enter(S::Completed { started_at: *started_at, ended_at })
        }

        (Some(state @ (S::Pending | S::Running { .. })), E::Failed(_)) => {
            Step::Enter(S::Failed { started_at: state.started_at(), ended_at })
        }
        (Some(state @ (S::Pending | S::Running { .. })), E::Cancelled(cancelled)) => Step::Enter(S::Cancelled {
            started_at: state.started_at(),
            ended_at,
            by: moment.actor.to_owned(),
            reason: cancelled.reason.clone(),
            position: moment.position,
        }),
        (Some(S::Cancelled { position, .. }), E::Cancelled(_)) => Step::Repeat(*position),

        (Some(_), E::Noted(_)) => Step::Stay,
        // Only an ended job can be redacted: the worker of an open job still acts on the data.
        (Some(S::Completed { .. } | S::Failed { .. } | S::Cancelled { .. }), E::Redacted(_)) => Step::Stay,
        (Some(S::Failed { .. } | S::Cancelled { .. }), E::Retried(_)) => Step::Stay,

        (state, event) => return Err(Conflict { state: state.map(State::status), event: event.event_type() }),
    })
}
