//! `views.db`: the rebuilt tables. The fold of the log's events, one row a job, one an item.
//!
//! Invariants: replay asks no clock, no network and nobody else; the file may be deleted at any time; rows and checkpoint
//! are written in one transaction, so the views are always those of one position.

mod cache;
mod kept;
mod list;
mod load;
mod open;
mod projector;
mod rebuild;
mod running;
mod save;
mod set_aside;
mod snapshot;

pub use cache::{Cache, JobCache, job_weight};
pub use kept::Kept;
pub use list::{JobList, JobQuery, each_running, list_jobs};
pub use load::{Found, find_job, is_large, load_past, read_job};
pub use open::{checkpoint, empty_views, fits, fits_log, is_of_today};
pub use projector::Projector;
pub use rebuild::{copy, discard, put_in_place, rebuild, rebuild_to};
pub use running::{Moved, Pieces, Row, Running};
pub use set_aside::{SetAside, count_set_aside, list_set_aside};
pub use snapshot::EVERY;

use crate::job::Position;
use crate::sqlite::{self, ErrorKind};
use crate::{history, log};

/// Why views cannot be read or brought forward.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The log.
    #[error(transparent)]
    Log(#[from] log::Error),
    /// The file of the views cannot be opened or read.
    #[error("the views cannot be read")]
    File(#[source] sqlite::Error),
    /// The database.
    #[error(transparent)]
    Sqlite(#[from] sqlite::Error),
    /// A job's events do not fold.
    #[error(transparent)]
    History(history::Error),
    /// The projector has set the job aside.
    #[error("event {position} does not fold, so the job was set aside; the log of the server says why")]
    SetAside {
        /// The first event that does not fold.
        position: Position,
    },
    /// A row that is not what the projector writes.
    #[error("the views are damaged: {0}")]
    Damaged(String),
}

impl From<history::Error> for Error {
    fn from(error: history::Error) -> Error {
        match error {
            history::Error::Log(error) => Error::Log(error),
            error => Error::History(error),
        }
    }
}

impl Error {
    fn doing(doing: &'static str) -> impl FnOnce(rusqlite::Error) -> Error {
        move |cause| sqlite::Error::new(doing, cause).into()
    }

    /// The first event that keeps a job from being folded; `None` where something else failed.
    pub fn unfoldable(&self) -> Option<Position> {
        match self {
            Error::History(error) => error.unfoldable(),
            Error::SetAside { position } => Some(*position),
            _ => None,
        }
    }

    /// Whether making the views again would help.
    pub fn is_damage(&self) -> bool {
        match self {
            // New views do not help against a full disk, a lock or a failing device.
            Error::Sqlite(error) => matches!(error.kind(), ErrorKind::Damaged | ErrorKind::Misfit),
            Error::Damaged(_) => true,
            Error::File(error) => error.kind() == ErrorKind::Damaged,
            // New views would be made of the same log.
            Error::Log(_) | Error::History(_) | Error::SetAside { .. } => false,
        }
    }
}
