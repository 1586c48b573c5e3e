//! The audit: whether a log is what it says, from nothing but the bytes of its entries, the checkpoints that were signed, and
//! what somebody outside holds. Reads only; nothing here repairs, migrates or believes.
//!
//! Everything is recomputed from leaves. Nodes, columns and views are compared with what that gives, and never used.

mod auditor;
mod bundle;
mod checkpoints;
mod columns;
mod database;
mod events;
mod export;
mod report;
mod signers;
mod site;
mod views;

pub use auditor::Auditor;
pub use bundle::{BundleError, BundleFiles, BundleReport, Ended, HeldNote, ProvenJob, audit_bundle};
pub use database::audit_database;
pub use export::audit_export;
pub use report::{Anchor, Class, Fault, Report, Signer};
pub use site::audit_site;

use crate::{log, views as read_models};

use crate::wire::LineError;
/// Why an audit cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The log's file cannot be read.
    #[error(transparent)]
    Log(#[from] log::Error),
    /// SQLite gave up in the middle of it.
    #[error("cannot read the database")]
    Read(#[from] rusqlite::Error),
    /// The views cannot be made again to compare them.
    #[error(transparent)]
    Views(#[from] read_models::Error),
    /// A file cannot be read.
    #[error("cannot read")]
    File(#[from] std::io::Error),
    /// What a server answered is not what was asked for.
    #[error("`{path}` answers something else than expected: {found}")]
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
    Answer {
        /// What was asked for.
        path: String,
        /// What is wrong with the answer.
        found: String,
    },
}
