//! The errors of a log: database errors, and errors of the events in the file.

use std::path::PathBuf;

use crate::job::Position;
use crate::sqlite::{self, ErrorKind};
use crate::stream::Sequence;
use crate::tree::NodeId;

/// An error of a log.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// SQLite cannot use the database.
    #[error(transparent)]
    Sqlite(#[from] sqlite::Error),
    /// A newer program made the file.
    #[error(
        "`{}` has format {found}, and this jobledger knows formats up to {known}; use the newer jobledger that wrote it \
         (nothing was changed)", .path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The newest format that this program knows.
        known: i64,
    },
    /// The file is a database of another program.
    #[error("`{}` is an SQLite database, but not a jobledger log; point --data at the right folder", .0.display())]
    NotALog(PathBuf),
    /// The folder has no log.
    #[error("no log at `{}`; put the log back, or start one with `jobledger serve --create` or `jobledger import`", .0.display())]
    Missing(PathBuf),
    /// Positions have a gap.
    #[error("expected the event at position {expected}, found {found}; `log.db` has lost events")]
    Gap {
        /// The first missing position.
        expected: Position,
        /// The next position in the file.
        found: Position,
    },
    /// An event that is to be appended does not follow what the file holds.
    #[error(
        "expected event {0} to follow the newest one in position and time, and its own job's newest; `log.db` holds other events"
    )]
    OutOfOrder(Position),
    /// A message that is to be noted does not follow the newest one.
    #[error("expected message {0} of the stream to follow the newest one in `log.db`; `log.db` holds other messages")]
    MessageOutOfOrder(Sequence),
    /// The chain of a job's events breaks off at this position.
    #[error(
        "expected an event of the job at position {0}, which names an earlier one as its previous event; `log.db` is damaged"
    )]
    BrokenChain(Position),
    /// A node of the tree is not stored, although every tree of this size has the node.
    #[error("the tree lacks the node {} of level {}", .0.index, .0.level)]
    NoNode(NodeId),
}

impl Error {
    /// Whether this is a database error of the given kind.
    pub fn is(&self, kind: ErrorKind) -> bool {
        matches!(self, Error::Sqlite(error) if error.kind() == kind)
    }

    /// Whether the stored rows contradict each other. A later attempt then fails the same way.
    pub fn is_contradiction(&self) -> bool {
        match self {
            Error::Sqlite(error) => matches!(error.kind(), ErrorKind::Taken | ErrorKind::Refused | ErrorKind::Damaged),
            Error::Gap { .. } | Error::OutOfOrder(_) | Error::MessageOutOfOrder(_) => true,
            Error::BrokenChain(_) | Error::NoNode(_) => true,
            Error::Newer { .. } | Error::NotALog(_) | Error::Missing(_) => false,
        }
    }
}
