//! The evidence bundle: everything that proves one job's history, in one file that needs no ledger. This room writes bundles and
//! audits them, both by one table of their files.
//!
//! Not here: HTTP (`http::evidence` sends a bundle), and the audit of a whole log (`audit`).

mod archive;
mod audit;
mod contents;
mod make;
mod timeline;

pub use audit::{BundleError, BundleFiles, BundleReport, Ended, HeldNote, ProvenJob, audit_bundle, job_entries};
pub use contents::{BUNDLE_FILES, BundleFile, Check, Part};
pub use make::{EvidenceError, covered, folder_name, write_evidence};
