//! What can go wrong with a log: what can with any database, and what can with the events in it.

use std::path::PathBuf;

use crate::job::Position;
use crate::sqlite::{self, ErrorKind};
use crate::tree::NodeId;

/// What can go wrong with a log.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database.
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
        /// The position after the one before.
        expected: Position,
        /// The next position in the file.
        found: Position,
    },
    /// The tree lacks a node that a tree of its size has.
    #[error("the tree lacks the node {} of level {}", .0.index, .0.level)]
    NoNode(NodeId),
}

impl Error {
    /// Whether the database failed in this way.
    pub fn is(&self, kind: ErrorKind) -> bool {
        matches!(self, Error::Sqlite(error) if error.kind() == kind)
    }

    /// Whether the stored rows contradict each other, so that no later attempt can do better.
    pub fn is_contradiction(&self) -> bool {
        match self {
            Error::Sqlite(error) => matches!(error.kind(), ErrorKind::Taken | ErrorKind::Refused | ErrorKind::Damaged),
            Error::Gap { .. } | Error::NoNode(_) => true,
            Error::Newer { .. } | Error::NotALog(_) | Error::Missing(_) => false,
        }
    }
}
