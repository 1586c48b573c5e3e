//! The audit: checks that a log is the log that was recorded and signed. Only the bytes of the entries, the signed checkpoints and
//! the checkpoints held outside decide.
//!
//! The audit recomputes everything from leaves. It compares nodes, columns and views with the result, and never uses them. A file
//! under audit may be forged, so the audit checks its structure before it reads a row, and bounds every read.
//!
//! Not here: the rules for entries (`history`), the audit of an evidence bundle (`evidence`), and any repair.

mod auditor;
mod checkpoints;
mod columns;
mod database;
mod entries;
mod export;
mod newest;
mod report;
mod rows;
mod signers;
mod site;
mod structure;
mod views;

pub use auditor::Auditor;
pub use database::audit_database;
pub use export::audit_export;
pub use report::{Anchor, Class, Fault, Report, Signer};
pub(crate) use signers::{Signed, Signers};
pub use site::audit_site;

use crate::job::Position;
use crate::sqlite::ErrorKind;
use crate::tree::{CheckpointError, EntryTileError};
use crate::wire::{LineError, NotAnExportLine};
use crate::{history, log, views as read_models};

/// Why an audit cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The log's file cannot be read.
    #[error(transparent)]
    Log(#[from] log::Error),
    /// SQLite failed during the audit.
    #[error("cannot read the database")]
    Read(#[from] rusqlite::Error),
    /// A job's events cannot be folded.
    #[error(transparent)]
    History(#[from] history::Error),
    /// The audit cannot make new views to compare.
    #[error(transparent)]
    Views(#[from] read_models::Error),
    /// A file cannot be read.
    #[error("cannot read")]
    File(#[from] std::io::Error),
    /// A line of an export cannot be read.
    #[error(transparent)]
    Line(#[from] LineError),
    /// A file is no export. Malformed input is no evidence of a changed log.
    #[error("this is no export of a whole log: line {line}: {why}")]
    NotAnExport {
        /// The first line that does not fit, from 1.
        line: u64,
        /// What was expected and found.
        why: NotAnExport,
    },
    /// A server's answer is not of the documented form.
    #[error("`{path}` has another answer than expected: {why}")]
    Answer {
        /// The path of the request.
        path: String,
        /// The difference from the documented form.
        why: BadAnswer,
    },
}

/// Why a file is no export of a whole log.
#[derive(Debug, thiserror::Error)]
pub enum NotAnExport {
    /// The line is not UTF-8.
    #[error(transparent)]
    Text(#[from] std::str::Utf8Error),
    /// The line has another form.
    #[error(transparent)]
    Form(#[from] NotAnExportLine),
    /// The line's checkpoint has another form.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The file is a part of an export.
    #[error(
        "expected the event at position 0, found that at {0}; give an export that was made without --after and --job"
    )]
    Part(Position),
    /// The file has no event.
    #[error("expected the event that made the log, found none")]
    Empty,
}

/// How a server's answer differs from the documented form.
#[derive(Debug, thiserror::Error)]
pub enum BadAnswer {
    /// The answer has more bytes than any answer to this request can have.
    #[error("more bytes than this answer can have")]
    Long,
    /// The answer is not UTF-8.
    #[error("bytes that are not text")]
    NotText,
    /// The answer is not the documented JSON.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// The answer is not an entry tile.
    #[error(transparent)]
    EntryTile(#[from] EntryTileError),
    /// The server lists more checkpoints than a log of this size can have.
    #[error("more checkpoints than its entries can have")]
    ManyCheckpoints,
    /// A page of checkpoints has a smaller number than the page before.
    #[error("a checkpoint of a smaller number")]
    Unsorted,
    /// A checkpoint is longer than a signed note may be.
    #[error("a checkpoint that is longer than any")]
    LongCheckpoint,
}

impl AuditError {
    /// Whether a database has more rows or bytes than a file of its size can have.
    fn is_beyond(&self) -> bool {
        let error = match self {
            AuditError::Read(cause) => return structure::is_beyond(cause),
            AuditError::Log(log::Error::Sqlite(error))
            | AuditError::History(history::Error::Log(log::Error::Sqlite(error)))
            | AuditError::Views(
                read_models::Error::Sqlite(error) | read_models::Error::Log(log::Error::Sqlite(error)),
            ) => error,
            _ => return false,
        };
        error.kind() == ErrorKind::Bounded
    }
}
