//! The audit: whether a log is what it says, from nothing but the bytes of its entries, the checkpoints that were signed, and
//! what somebody outside holds. Reads only; nothing here repairs, migrates or believes.
//!
//! Everything is recomputed from leaves. Nodes, columns and views are compared with what that gives, and never used. A file
//! under audit may come from anybody: its structure is checked before a row is read, and every read is bounded.

mod auditor;
mod checkpoints;
mod columns;
mod database;
mod events;
mod export;
mod report;
mod signers;
mod site;
mod structure;
mod views;

pub use auditor::Auditor;
pub use database::audit_database;
pub(crate) use events::Events;
pub use export::audit_export;
pub use report::{Anchor, Class, Fault, Report, Signer};
pub(crate) use signers::{Signed, Signers};
pub use site::audit_site;

use crate::sqlite::ErrorKind;
use crate::wire::LineError;
use crate::{history, log, views as read_models};

/// Why an audit cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The log's file cannot be read.
    #[error(transparent)]
    Log(#[from] log::Error),
    /// SQLite gave up in the middle of it.
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
    /// A file is no export: malformed input is no evidence of anything.
    #[error("this is no export of a whole log: line {line}: {why}")]
    NotAnExport {
        /// The first line that shows it, from 1.
        line: u64,
        /// What was expected and found.
        why: String,
    },
    /// What a server answered is not what was asked for.
    #[error("`{path}` answers something else than expected: {found}")]
    Answer {
        /// What was asked for.
        path: String,
        /// What is wrong with the answer.
        found: String,
    },
}

impl AuditError {
    /// Whether a database has more in it than a file of its size can have.
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
