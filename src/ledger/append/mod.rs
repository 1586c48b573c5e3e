//! What is asked of the writer, and what it answers.

use std::cell::RefCell;

use tokio::sync::{OwnedSemaphorePermit, oneshot};
use zeroize::Zeroize;

use crate::job::{Conflict, Job, JobId, JobKey, OrgId, Position, Refusal, Status, Time};
use crate::wire::{Incoming, SALT_LEN, datadigest};

/// Events to append, all or none.
#[derive(Debug)]
pub struct Append {
    /// The organisation that they belong to.
    pub org: OrgId,
    /// Who does it: the name on the token.
    pub actor: String,
    /// 1 to 1000 events.
    pub events: Vec<Incoming>,
    /// What the job must look like; for requests that append to one job only.
    pub guard: Option<Guard>,
}

/// What a producer expects of the job that it appends to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Guard {
    /// There is no such job yet.
    NoJob,
    /// There is such a job.
    AnyJob,
    /// Its newest event is at one of these positions.
    Newest(Vec<Position>),
}

/// All events of a request are in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// One entry an event, in order.
    pub events: Vec<AppendedEvent>,
}

impl Appended {
    /// The newest position of the request.
    pub fn position(&self) -> Position {
        self.events.iter().map(|event| event.position).max().unwrap_or_default()
    }

    /// Whether nothing was new.
    pub fn all_known(&self) -> bool {
        self.events.iter().all(|event| event.duplicate)
    }
}

/// Where one event is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppendedEvent {
    /// The producer's id.
    pub id: String,
    /// The producer.
    pub source: String,
    /// The job.
    pub subject: JobId,
    /// Its place.
    pub position: Position,
    /// Whether it was there before.
    pub duplicate: bool,
}

/// How a job stands in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Its state.
    pub state: Status,
    /// The position of its newest event.
    pub position: Position,
    /// When it ended; `None` while it is open.
    pub ended_at: Option<Time>,
}

impl Standing {
    /// How `job` stands.
    pub fn of(job: &Job) -> Standing {
        Standing { state: job.state.status(), position: job.position, ended_at: job.state.ended_at() }
    }
}

/// Why nothing of a request was appended (or, for [`AppendError::OutcomeUnknown`], why nobody knows).
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// An event may not happen.
    #[error("{refusal}{}", moved_by_request(refusal, *standing))]
    Refused {
        /// Which of the request's events.
        index: usize,
        /// Why.
        refusal: Refusal,
        /// How the job stands in the log, where its state is the reason; `None` also where the log has no such job.
        standing: Option<Standing>,
    },
    /// The name (source, id) is taken by other content.
    #[error(
        "an event with this `source` and `id` and other content is at position {position}; give a new event a new id"
    )]
    IdReused {
        /// Which of the request's events.
        index: usize,
        /// Where the other one is.
        position: Position,
    },
    /// The guard does not hold: a lost race.
    #[error("the job's newest event is {}; read it again and decide anew", found.map_or("none, there is no such job".into(), |p| format!("at position {p}")))]
    GuardFailed {
        /// The job's newest position; `None` where there is no job.
        found: Option<Position>,
    },
    /// A guard on a request for more than one job.
    #[error("expected events of one job, because the request has a guard (`If-Match` or `If-None-Match`)")]
    GuardOnMany,
    /// A job cannot be decided on, because its events cannot be read.
    #[error("the job's history cannot be read, so nothing can be decided about it; see `/readyz`")]
    Unreadable {
        /// Which of the request's events.
        index: usize,
    },
    /// Too much is waiting already.
    #[error("the ledger is at its limit of waiting requests; try again")]
    Overloaded,
    /// The views are too far behind.
    #[error("the views are too far behind; try again")]
    Behind,
    /// The ledger takes no writes.
    #[error("the ledger is read-only: {0}")]
    ReadOnly(String),
    /// The ledger is stopping.
    #[error("the ledger is stopping; try again")]
    Stopping,
    /// The events are in the log, and what they erased is not out of its files yet.
    #[error(
        "the events are recorded, the newest at position {position}, but what they erase may still be in the ledger's \
         files, because something reads them; send the same events again to wait again"
    )]
    ErasurePending {
        /// The newest position of the request.
        position: Position,
    },
    /// The commit failed, so whether the events are in the log is not known here.
    #[error("the commit failed and its outcome is unknown; send the same events with the same ids again")]
    OutcomeUnknown,
}

/// The end of a refusal for a state that the job is not in: events of the refused request led there, and none is recorded.
fn moved_by_request(refusal: &Refusal, standing: Option<Standing>) -> &'static str {
    match refusal {
        Refusal::Lifecycle(Conflict { state: Some(met), .. }) if standing.is_none_or(|job| job.state != *met) => {
            ", by an earlier event of this request"
        }
        _ => "",
    }
}

/// What the writer says of one event.
#[derive(Debug)]
pub(super) struct Placed {
    pub subject: JobId,
    pub position: Position,
    pub duplicate: bool,
}

impl Appended {
    /// The answer to `events`, each of which is where `places` says.
    pub(super) fn new(events: Vec<Prepared>, places: Vec<Placed>) -> Appended {
        let one = |(prepared, placed): (Prepared, Placed)| {
            let (Incoming { id, source, .. }, Placed { subject, position, duplicate }) = (prepared.incoming, placed);
            AppendedEvent { id, source, subject, position, duplicate }
        };
        Appended { events: events.into_iter().zip(places).map(one).collect() }
    }
}

/// A request on its way to the writer, with everything computed that needs no place in the log.
pub(super) struct Request {
    pub org: OrgId,
    pub actor: String,
    pub events: Vec<Prepared>,
    pub guard: Option<Guard>,
    pub answer: oneshot::Sender<Result<Appended, AppendError>>,
    /// What the loader thread found of this request's long jobs; `None` before the loader has seen the request.
    pub folded: Option<Folded>,
    /// Gives its bytes back to the queue's budget when the request is done.
    pub _budget: OwnedSemaphorePermit,
}

/// What the loader thread found of a request's long jobs. A job that an earlier request brought along is not here again.
#[derive(Default)]
pub(super) struct Folded {
    /// The jobs.
    pub jobs: Vec<Job>,
    /// The jobs whose events do not fold.
    pub unfoldable: Vec<JobKey>,
}

impl Request {
    /// The jobs that the request names, each as often as it is named. A job whose name the ledger mints is new.
    pub(super) fn jobs(&self) -> impl Iterator<Item = JobKey> + '_ {
        let ids = self.events.iter().filter_map(|event| event.incoming.subject.as_ref());
        ids.map(|id| JobKey { org: self.org, id: id.clone() })
    }
}

/// An event with the salt and digest of its data.
pub(super) struct Prepared {
    pub incoming: Incoming,
    pub salt: [u8; SALT_LEN],
    pub digest: String,
}

impl Prepared {
    pub(super) fn new(incoming: Incoming) -> Prepared {
        let salt = salt();
        let digest = datadigest(&salt, &incoming.data);
        Prepared { incoming, salt, digest }
    }
}

/// A fresh salt. Randomness is taken from the system for many at once, and what was given out is overwritten.
pub(super) fn salt() -> [u8; SALT_LEN] {
    /// Salts that are fetched at once.
    const MANY: usize = 32;
    thread_local! {
        static UNUSED: RefCell<Vec<[u8; SALT_LEN]>> = RefCell::new(Vec::with_capacity(MANY));
    }
    UNUSED.with_borrow_mut(|unused| {
        if unused.is_empty() {
            unused.resize(MANY, [0; SALT_LEN]);
            getrandom::fill(unused.as_flattened_mut()).expect("the operating system gives randomness");
        }
        let last = unused.last_mut().expect("just filled");
        let salt = *last;
        last.zeroize();
        unused.pop();
        salt
    })
}
