//! The evidence bundle: everything that proves one job's history, in one file that needs no ledger.
//!
//! Not here: HTTP (`http::evidence` sends the bundle), and the audit of a whole log (`audit`).

mod archive;
mod audit;
mod make;
mod timeline;

pub use audit::{BundleError, BundleFiles, BundleReport, Ended, HeldNote, ProvenJob, audit_bundle};
pub use make::{BUNDLE_TEXTS, EvidenceError, covered, folder_name, write_evidence};
