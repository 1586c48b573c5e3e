//! A job's events, folded up to a position. Redacted data is read as its residue.
//!
//! Not here: where a folded job is stored (`views`), and how it is shown (`model`).

mod entries;
mod fold;
mod residue;

pub use entries::{Content, EntryCheck, EntryFault, MissingData, Unapplied, check_digest};
pub use fold::{Folded, fold_from_snapshot, fold_job, job_facts, row_fact};
pub use residue::{ExportResidues, is_residue, newest_redaction};

use crate::job::{Conflict, Position};
use crate::{log, wire};

/// Why a job's events cannot be folded.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] log::Error),
    /// This program cannot read an event: the projector sets its job aside.
    #[error(transparent)]
    Unreadable(#[from] wire::Unreadable),
    /// The state machine refuses an event of the log. No admission accepted this event.
    #[error("event {position} does not fit its job")]
    Misfit {
        /// The event's position.
        position: Position,
        /// The refusal of the state machine.
        #[source]
        cause: Conflict,
    },
    /// An event of the ledger itself is in a job.
    #[error("event {position} is the ledger's own, but is in a job")]
    LedgerEvent {
        /// The event's position.
        position: Position,
    },
}

impl Error {
    /// Names the position of an event that the state machine refuses.
    pub fn misfit(position: Position) -> impl FnOnce(Conflict) -> Error {
        move |cause| Error::Misfit { position, cause }
    }

    /// The event that keeps its job from being folded; `None` if the log cannot be read now.
    pub fn unfoldable(&self) -> Option<Position> {
        match self {
            Error::Log(log::Error::BrokenChain(position)) => Some(*position),
            Error::Log(_) => None,
            Error::Unreadable(unreadable) => Some(unreadable.position),
            Error::Misfit { position, .. } | Error::LedgerEvent { position } => Some(*position),
        }
    }
}
