//! The models of the ledger's own API: a job, its parts, the changes that an event makes, the diff of two moments, a webhook.
//!
//! Not here: HTTP, and the read models of the documented APIs (`kinds`).

mod changes;
mod diff;
mod job;
mod line;
mod list;
mod live;
mod parts;
mod webhook;
mod words;

pub use changes::{ChangeTracker, Difference, model};
pub use diff::{ChangedBy, DiffMoment, Differ, FieldChange, JobDiff};
pub use job::{JobEntry, JobModel, SHOWN_OUTPUT, SHOWN_PARTS};
pub use line::line;
pub use list::{ListChange, ListSnapshot, LiveEntry, live_row};
pub use live::{JobChange, job_change};
pub use parts::raw;
pub use webhook::{SentType, WebhookModel};
pub(crate) use words::described;
pub use words::{ItemStatusName, KindName, ProviderName, StatusName, TaskTypeName};
