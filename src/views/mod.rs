//! `views.db`: the tables that the projector folds from the log's events, one row a job, one an item.
//!
//! Invariants: the fold asks no clock and no network; the file may be deleted at any time; the projector writes rows and the position
//! of the views in one transaction, so readers always see the views of one position.
//!
//! Not here: the thread that projects, and reads that wait for it (`ledger`); JSON of any API (`model`, `kinds`).

mod batch;
mod cache;
mod columns;
mod counts;
mod find;
mod item_row;
mod job_row;
mod list;
mod load;
mod occurrence;
mod open;
mod projector;
mod query;
mod rebuild;
mod recent;
mod room;
mod running;
mod save;
mod set_aside;
mod snapshot;
mod stretch;
mod work;

pub use cache::ViewsCache;
pub use counts::{JobCounts, count_jobs, is_counted};
pub use list::{JobList, each_running, list_jobs};
pub use load::{Found, find_job, is_large, load_past, newest_notes, read_job, read_job_row};
pub use occurrence::{BLOCK, quiet_after};
pub use open::{Unfit, empty_views, fits, fits_log, is_of_today, position};
pub use projector::Projector;
pub use query::{JobQuery, Order};
pub use rebuild::{copy, discard, put_in_place, rebuild, rebuild_to, replay_to};
pub use recent::{Recent, RecentJob, RecentJobs};
pub use running::{ChangedJob, ListPieces, RenderRow, RunningList, RunningLists};
pub use set_aside::{SetAside, count_set_aside, list_set_aside};
pub use snapshot::EVENTS_PER_SNAPSHOT;
pub use work::{Candidate, Wanted, claimable, leased, next_claimable, stale, to_retry};

use std::path::{Path, PathBuf};

use crate::job::Position;
use crate::sqlite::{self, ErrorKind};
use crate::{history, log};

/// Why a read or a write of the views fails.
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
    /// The operating system refused to replace, remove or sync a file of views.
    #[error("cannot {doing} `{}`", .path.display())]
    Io {
        /// The attempt; completes the sentence "cannot …".
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's own words.
        #[source]
        cause: std::io::Error,
    },
    /// The operating system refused a thread.
    #[error("cannot start a thread")]
    Thread(#[source] std::io::Error),
    /// A job's events do not fold.
    #[error(transparent)]
    History(history::Error),
    /// The projector has set the job aside.
    #[error("event {position} does not fold, so the job was set aside; the log of the server says why")]
    SetAside {
        /// The first event that does not fold.
        position: Position,
    },
    /// A row is not one that the projector writes, the file is gone, or the views are being made again.
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

    fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
        move |cause| Error::Io { doing, path: path.to_owned(), cause }
    }

    /// The first event that keeps a job from being folded; `None` for other errors.
    pub fn unfoldable(&self) -> Option<Position> {
        match self {
            Error::History(error) => error.unfoldable(),
            Error::SetAside { position } => Some(*position),
            _ => None,
        }
    }

    /// Whether making the views again removes the error.
    pub fn is_damage(&self) -> bool {
        match self {
            // New views would meet the same full disk, lock or failing device.
            Error::Sqlite(error) => matches!(error.kind(), ErrorKind::Damaged | ErrorKind::Misfit),
            Error::Damaged(_) => true,
            Error::File(error) => error.kind() == ErrorKind::Damaged,
            // New views would be made of the same log, by the same system.
            Error::Log(_) | Error::Io { .. } | Error::Thread(_) | Error::History(_) | Error::SetAside { .. } => false,
        }
    }
}
