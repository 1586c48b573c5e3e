//! What the ledger's own API shows of a job: the read model, and what an event changes in it.
//!
//! Not here: HTTP, and the read models of the documented APIs (`kinds`).

mod changes;
mod job;
mod line;
mod words;

pub use changes::{Changing, Difference, between, model};
pub use job::{JobEntry, JobModel, SHOWN_OUTPUT, raw};
pub use line::line;
pub(crate) use words::described;
pub use words::{ItemStatusName, KindName, ProviderName, StatusName, TaskTypeName};
