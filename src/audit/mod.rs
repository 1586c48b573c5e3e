//! The audit: whether a log is the recorded and signed one. Only the bytes of the entries, the signed checkpoints and the
//! checkpoints held outside decide.
//!
//! Everything is recomputed from leaves. Nodes, columns and views are compared with the result, and never used. A file under
//! audit may be forged, so its structure is checked before a row is read, and every read is bounded.
//!
//! Not here: the rules for entries (`history`), the audit of an evidence bundle (`evidence`), and any repair.

mod auditor;
mod checkpoints;
mod columns;
mod database;
mod export;
mod report;
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

/// Why an audit cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The log's file cannot be read.
    #[error(transparent)]
    Log(#[from] log::Error),
    /// SQLite gave up in the middle.
    #[error("cannot read the database")]
    Read(#[from] rusqlite::Error),
    /// A job's events cannot be folded.
    #[error(transparent)]
    History(#[from] history::Error),
    /// The views cannot be made again to compare them.
    #[error(transparent)]
    Views(#[from] read_models::Error),
    /// A file cannot be read.
    #[error("cannot read")]
    File(#[from] std::io::Error),
    /// A line of an export cannot be read.
    #[error(transparent)]
    Line(#[from] LineError),
    /// A file is no export: malformed input is no evidence of a change.
    #[error("this is no export of a whole log: line {line}: {why}")]
    NotAnExport {
        /// The first line that shows it, from 1.
        line: u64,
        /// What was expected and found.
        why: NotAnExport,
    },
    /// A server's answer is not of the documented form.
    #[error("`{path}` answers something else than expected: {why}")]
    Answer {
        /// The path of the request.
        path: String,
        /// What is wrong with the answer.
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

/// What is wrong with a server's answer.
#[derive(Debug, thiserror::Error)]
pub enum BadAnswer {
    /// The answer is longer than any of its kind.
    #[error("more bytes than it can have")]
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
    /// The server lists checkpoints without end.
    #[error("more checkpoints than its entries can have")]
    ManyCheckpoints,
    /// A page of checkpoints goes back.
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
