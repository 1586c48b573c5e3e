//! The one error of a database: the attempt, SQLite's reason, and the meaning of the reason for the caller.

use std::borrow::Cow;
use std::path::Path;

use rusqlite::ffi;

/// A failed attempt to use a database. The text names the attempt; the source is SQLite's reason.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing}")]
pub struct Error {
    doing: Cow<'static, str>,
    #[source]
    cause: Option<Box<dyn std::error::Error + Send + Sync>>,
    kind: ErrorKind,
}

/// The meaning of an error for the caller. SQLite's result codes are at <https://sqlite.org/rescode.html>.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The file is damaged, or no database (SQLITE_CORRUPT, SQLITE_NOTADB).
    Damaged,
    /// The file ends before a page that it must have (SQLITE_IOERR_SHORT_READ).
    CutOff,
    /// A sync failed: the kernel may have dropped the pages, so only a fresh start can tell what the file holds
    /// (SQLITE_IOERR_FSYNC, SQLITE_IOERR_DIR_FSYNC).
    FailedSync,
    /// A unique key refused a row (SQLITE_CONSTRAINT_UNIQUE).
    Taken,
    /// Another constraint, or a trigger, refused a row (SQLITE_CONSTRAINT).
    Refused,
    /// Another connection holds a lock, and did not release it in time (SQLITE_BUSY, SQLITE_LOCKED, SQLITE_PROTOCOL).
    Locked,
    /// A process died in the middle of a write. Only a connection that writes can undo that write (SQLITE_READONLY_ROLLBACK,
    /// SQLITE_READONLY_RECOVERY).
    NeedsRecovery,
    /// SQLite may not open or write a file (SQLITE_CANTOPEN, SQLITE_READONLY, SQLITE_PERM).
    Unwritable,
    /// A bound of the connection stopped the statement (SQLITE_INTERRUPT, SQLITE_TOOBIG).
    Bounded,
    /// The statement does not fit the tables, or a value does not fit its type (SQLITE_ERROR, and errors of rusqlite).
    Misfit,
    /// Anything else: a full disk, a failing device, no memory.
    Other,
}

impl Error {
    /// An error of SQLite. `doing` completes the sentence "cannot …".
    pub fn new(doing: impl Into<Cow<'static, str>>, cause: rusqlite::Error) -> Error {
        let kind = ErrorKind::of(&cause);
        Error { doing: doing.into(), cause: Some(cause.into()), kind }
    }

    /// For `map_err`: turns SQLite's error into one that names the attempt. `doing` completes the sentence "cannot …".
    pub fn doing(doing: &'static str) -> impl FnOnce(rusqlite::Error) -> Error {
        move |cause| Error::new(doing, cause)
    }

    /// For `map_err`: turns SQLite's error into "cannot open `path`".
    pub fn opening(path: &Path) -> impl Fn(rusqlite::Error) -> Error {
        move |cause| Error::new(format!("open `{}`", path.display()), cause)
    }

    /// An error that this program found, without an error of SQLite.
    pub(super) fn without_cause(doing: String) -> Error {
        Error { doing: doing.into(), cause: None, kind: ErrorKind::Other }
    }

    /// Wraps this error in one of the same kind, whose text is `doing`.
    pub(super) fn within(self, doing: String) -> Error {
        Error { doing: doing.into(), kind: self.kind, cause: Some(self.into()) }
    }

    /// The meaning of the error for the caller.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl ErrorKind {
    /// Whether the file can be read no more: only another file in its place helps.
    pub fn is_damage(self) -> bool {
        matches!(self, ErrorKind::Damaged | ErrorKind::CutOff)
    }

    /// The kind of an error of SQLite.
    pub fn of(error: &rusqlite::Error) -> ErrorKind {
        let rusqlite::Error::SqliteFailure(failure, _) = error else { return ErrorKind::Misfit };
        match failure.extended_code {
            ffi::SQLITE_IOERR_SHORT_READ => ErrorKind::CutOff,
            ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC => ErrorKind::FailedSync,
            ffi::SQLITE_CONSTRAINT_UNIQUE => ErrorKind::Taken,
            ffi::SQLITE_READONLY_ROLLBACK | ffi::SQLITE_READONLY_RECOVERY => ErrorKind::NeedsRecovery,
            code => match code & 0xff {
                ffi::SQLITE_CORRUPT | ffi::SQLITE_NOTADB => ErrorKind::Damaged,
                ffi::SQLITE_CONSTRAINT => ErrorKind::Refused,
                ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED | ffi::SQLITE_PROTOCOL => ErrorKind::Locked,
                ffi::SQLITE_CANTOPEN | ffi::SQLITE_READONLY | ffi::SQLITE_PERM => ErrorKind::Unwritable,
                ffi::SQLITE_INTERRUPT | ffi::SQLITE_TOOBIG => ErrorKind::Bounded,
                ffi::SQLITE_ERROR => ErrorKind::Misfit,
                _ => ErrorKind::Other,
            },
        }
    }
}
