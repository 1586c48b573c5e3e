//! The state machine: one `match` on (state, event), used by who decides and by who replays.

use super::event::Event;
use super::id::Position;
use super::spec::words;
use super::time::Time;

words! {
    /// The name of a state, as the ledger spells it.
    Status, "status" {
        /// Created, not started.
        Pending = "pending",
        /// Being worked on.
        Running = "running",
        /// Ended well.
        Completed = "completed",
        /// Ended badly.
        Failed = "failed",
        /// Stopped by somebody.
        Cancelled = "cancelled",
    }
}

/// Where a job stands, with the data that only that state has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Created, not started.
    Pending,
    /// Being worked on.
    Running {
        /// When it was started.
        started_at: Time,
    },
    /// Ended well.
    Completed {
        /// When it was started.
        started_at: Time,
        /// When it ended.
        ended_at: Time,
    },
    /// Ended badly, perhaps before it was started.
    Failed {
        /// When it was started.
        started_at: Option<Time>,
        /// When it ended.
        ended_at: Time,
    },
    /// Stopped by somebody, perhaps before it was started.
    Cancelled {
        /// When it was started.
        started_at: Option<Time>,
        /// When it was cancelled.
        ended_at: Time,
        /// Who cancelled it.
        by: String,
        /// Why.
        reason: Option<String>,
        /// The position of the cancellation, which every later one is answered with.
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

    /// When the job was started, if it was.
    pub fn started_at(&self) -> Option<Time> {
        match *self {
            State::Pending => None,
            State::Running { started_at } | State::Completed { started_at, .. } => Some(started_at),
            State::Failed { started_at, .. } | State::Cancelled { started_at, .. } => started_at,
        }
    }

    /// When the job ended, if it did; `Some` exactly in the final states.
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
    /// The state found; `None` where there is no job.
    pub state: Option<Status>,
    /// The type of the event.
    pub event: &'static str,
}

/// What an event does to the state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The job is in this state now.
    Enter(State),
    /// The event is allowed and moves nothing.
    Stay,
    /// The job was cancelled already, at this position; there is nothing to record.
    Repeat(Position),
}

/// When and by whom an event happened, and where it is (or would be) in the log.
#[derive(Debug, Clone, Copy)]
pub struct Moment<'a> {
    /// The event's `time`.
    pub time: Time,
    /// Who the ledger saw do it.
    pub actor: &'a str,
    /// Its position.
    pub position: Position,
}

/// The state machine of section 2 of the contract.
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
        // An open job is not erased from: whoever works on it still decides by what it was told.
        (Some(S::Completed { .. } | S::Failed { .. } | S::Cancelled { .. }), E::Redacted(_)) => Step::Stay,

        (state, event) => return Err(Conflict { state: state.map(State::status), event: event.type_name() }),
    })
}
