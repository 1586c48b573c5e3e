//! What can go wrong with a database file.

use std::path::PathBuf;

use crate::job::Position;
use crate::tree::NodeId;

/// What can go wrong with the log's file.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// SQLite refused.
    #[error("{doing}")]
    Sqlite {
        /// What was being done.
        doing: &'static str,
        /// SQLite's own words.
        #[source]
        cause: rusqlite::Error,
    },
    /// The file cannot be opened as it must be.
    #[error("cannot open `{}`", .path.display())]
    Open {
        /// Which file.
        path: PathBuf,
        /// SQLite's own words.
        #[source]
        cause: rusqlite::Error,
    },
    /// A newer program made the file.
    #[error(
        "`{}` has format {found}, and this jobledger knows formats up to {known}; use the newer jobledger that wrote it \
         (nothing was changed)", .path.display()
    )]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The newest format known here.
        known: i64,
    },
    /// Some other program's database.
    #[error("`{}` is an SQLite database, but not a jobledger log; point --data at the right folder", .0.display())]
    NotALog(PathBuf),
    /// It can be read, but not as SQLite reads a file that others may write.
    #[error(
        "cannot read `{0}` where SQLite may not write beside it; run the command as the user that the ledger belongs to, or \
         copy `{1}` and, if it is there, `{1}-wal` to a folder of your own and read the copy", .path.display(), .path.file_name().unwrap_or_default().display()
    )]
    Unwritable {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: Box<Error>,
    },
    /// There is no log in the folder.
    #[error("no log at `{}`; put the log back, or start one with `jobledger serve --create` or `jobledger import`", .0.display())]
    Missing(PathBuf),
    /// Positions have a gap.
    #[error("expected the event at position {expected}, found {found}; `log.db` has lost events")]
    Gap {
        /// What comes next.
        expected: Position,
        /// What is there.
        found: Position,
    },
    /// The tree lacks a node that its size says it has.
    #[error("the tree lacks the node {} of level {}", .0.index, .0.level)]
    NoNode(NodeId),
    /// The SQLite that was built in can lose data.
    #[error("built with SQLite {0}, which can lose committed data; 3.51.3 or newer is needed")]
    Unsound(&'static str),
    /// A setting did not take.
    #[error("SQLite did not take `{setting}`: expected {expected}, found {found}; is the folder on a network drive?")]
    Setting {
        /// The pragma.
        setting: &'static str,
        /// What was asked for.
        expected: String,
        /// What it said afterwards.
        found: String,
    },
}

impl Error {
    pub(crate) fn doing(doing: &'static str) -> impl FnOnce(rusqlite::Error) -> Error {
        move |cause| Error::Sqlite { doing, cause }
    }

    /// SQLite's extended result code, where SQLite refused.
    pub fn sqlite_code(&self) -> Option<i32> {
        match self {
            Error::Sqlite { cause, .. } | Error::Open { cause, .. } => extended_code(cause),
            Error::Unwritable { cause, .. } => cause.sqlite_code(),
            _ => None,
        }
    }

    /// Whether a sync failed: the kernel may have dropped the pages, so what the file holds is unknown and only a fresh
    /// start can tell. (SQLITE_IOERR_FSYNC, SQLITE_IOERR_DIR_FSYNC.)
    pub fn is_failed_sync(&self) -> bool {
        matches!(self.sqlite_code(), Some(rusqlite::ffi::SQLITE_IOERR_FSYNC | rusqlite::ffi::SQLITE_IOERR_DIR_FSYNC))
    }

    /// Whether a unique key refused a row: a name or a place in a job's chain is taken.
    pub fn is_taken(&self) -> bool {
        self.sqlite_code() == Some(rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE)
    }

    /// Whether what is stored contradicts itself: no later attempt can do better.
    pub fn is_contradiction(&self) -> bool {
        let refused = self.sqlite_code().is_some_and(|code| code & 0xff == rusqlite::ffi::SQLITE_CONSTRAINT);
        refused || self.is_damage() || matches!(self, Error::Gap { .. } | Error::NoNode(_))
    }

    /// Whether a process died while it wrote, and only a connection that writes can take the half-written part back.
    /// (SQLITE_READONLY_ROLLBACK, SQLITE_READONLY_RECOVERY.)
    pub fn wants_recovery(&self) -> bool {
        let codes = [rusqlite::ffi::SQLITE_READONLY_ROLLBACK, rusqlite::ffi::SQLITE_READONLY_RECOVERY];
        self.sqlite_code().is_some_and(|code| codes.contains(&code))
    }

    /// Whether the file ends before what it must have.
    pub fn is_cut_off(&self) -> bool {
        self.sqlite_code() == Some(rusqlite::ffi::SQLITE_IOERR_SHORT_READ)
    }

    /// Whether the file itself is damaged or no database at all.
    pub fn is_damage(&self) -> bool {
        self.sqlite_code()
            .is_some_and(|code| matches!(code & 0xff, rusqlite::ffi::SQLITE_CORRUPT | rusqlite::ffi::SQLITE_NOTADB))
    }
}

/// The extended result code of an SQLite error.
pub fn extended_code(error: &rusqlite::Error) -> Option<i32> {
    match error {
        rusqlite::Error::SqliteFailure(failure, _) => Some(failure.extended_code),
        _ => None,
    }
}

/// An error with its causes, on one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
