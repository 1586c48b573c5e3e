//! The way of an append to the writer thread: what a caller asks for, the checks that need no job, the queue, and the answer.
//!
//! Not here: deciding an append (`admission`), and the thread that does it (`commit`).

mod error;
mod prepared;
mod queue;

pub use error::AppendError;
pub(super) use prepared::{PreparedAppend, PreparedEvent, salt};
pub(super) use queue::{Queue, Queued, ROW_BYTES, Waiting};

use super::leases::HeldLease;
use crate::job::{JobId, OrgId, Position, Status, Summary, Time};
use crate::wire::Incoming;

/// Events to append, all or none.
#[derive(Debug)]
pub struct Append {
    /// The organisation that the events belong to.
    pub org: OrgId,
    /// The actor: the name on the token.
    pub actor: String,
    /// 1 to 1000 events.
    pub events: Vec<Incoming>,
    /// A condition on the job. Only an append to one job may have a guard.
    pub guard: Option<Guard>,
    /// The lease that the sender names.
    pub lease: Option<HeldLease>,
}

impl Append {
    /// Whether every event names the same job.
    fn is_of_one_job(&self) -> bool {
        self.events.windows(2).all(|pair| pair[0].subject.is_some() && pair[0].subject == pair[1].subject)
    }
}

/// A condition on the job that an append belongs to. The ledger checks it in the commit, against the job's newest event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Guard {
    /// The job does not exist yet.
    NoJob,
    /// The job exists.
    AnyJob,
    /// The job's newest event is at one of these positions.
    Newest(Vec<Position>),
}

/// The answer to an append: all of its events are in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// One entry for each event, in the order of the append.
    pub events: Vec<AppendedEvent>,
}

impl Appended {
    /// The newest position of the append.
    pub fn position(&self) -> Position {
        self.events.iter().map(|event| event.position).max().unwrap_or_default()
    }

    /// Whether every event is a duplicate.
    pub fn all_known(&self) -> bool {
        self.events.iter().all(|event| event.duplicate)
    }
}

/// The answer to one event of an append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppendedEvent {
    /// The producer's id of the event.
    pub id: String,
    /// The producer.
    pub source: String,
    /// The job.
    pub subject: JobId,
    /// The event's position, or that of the earlier cancellation of the job.
    pub position: Position,
    /// Whether the append recorded nothing for the event: the log has the event already, or an earlier cancellation of the job.
    pub duplicate: bool,
}

/// The state of a job in the log, as a refusal shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The job's state.
    pub state: Status,
    /// The position of the job's newest event.
    pub position: Position,
    /// When the job ended; `None` while the job is open.
    pub ended_at: Option<Time>,
}

impl Standing {
    /// The state of `job`.
    pub fn of(job: &Summary) -> Standing {
        Standing { state: job.state.status(), position: job.position, ended_at: job.state.ended_at() }
    }
}
