//! A client for workers: it creates or claims a job, and reports what happens to it.
//!
//! ```no_run
//! use jobledger::client::{Item, Ledger, NewJob, Progress};
//! use serde_json::json;
//!
//! # fn main() -> Result<(), jobledger::client::Error> {
//! let accounts = ["ada", "ben", "eve"];
//! let ledger = Ledger::from_env()?;
//! let job = ledger.create(NewJob::new("task", json!({ "job_type": "account_sync" })))?;
//! for (done, account) in (1..).zip(accounts) {
//!     job.output(&format!("synchronising {account}"))?;
//!     job.item(Item::completed(account))?;
//!     job.progress(Progress::records(done, 3).step(account))?;
//! }
//! job.complete(None)?;
//! # Ok(())
//! # }
//! ```
//!
//! - **Reports do not wait for the network.** A thread sends them in order, in batches. While the ledger gives no answer, the thread
//!   sends the same events with the same ids again, so the ledger records each once.
//! - **Errors come later.** A report returns the error of an earlier one, and so do [`Job::flush`], [`Job::complete`] and
//!   [`Job::fail`], which wait for the answers.
//! - **Few events.** At most two progress reports a second go to the ledger ([`Ledger::with_progress_rate`]), and the last one
//!   always. Output is gathered for a quarter of a second.
//! - **A lease.** A thread renews it. If the process dies, the ledger ends the job.
//! - **A stop.** [`Job::cancellation`] tells the work that the job was cancelled, or that its lease is lost.
//! - **A spool.** With [`Ledger::with_spool`] reports wait in files while the ledger is away, also after the process has ended.
//!
//! A [`Job`] that is dropped before its end fails, if it was started. All calls block; none needs an async runtime.
//!
//! Not here: `jobledger exec`, which runs a command as a job (`cli`); it shares the spool.

mod cancellation;
mod claim;
mod clock;
mod connection;
mod courier;
mod error;
mod gather;
mod job;
mod lease;
mod ledger;
mod leftovers;
mod lock;
mod new_job;
mod reporting;
mod reports;
mod request;
mod spool;
mod status;
mod waiting;

pub use cancellation::{Cancellation, Stop};
pub use claim::Claim;
pub use error::{Error, Refusal};
pub use job::Job;
pub use ledger::Ledger;
pub use new_job::NewJob;
pub use reports::{Item, ItemStatus, Progress, Stream};

#[cfg(feature = "server")]
pub(crate) use connection::{is_hopeless, roots};
#[cfg(feature = "server")]
pub(crate) use lease::{HeldLease, newest_lease};
#[cfg(feature = "server")]
pub(crate) use spool::Spool;
#[cfg(feature = "server")]
pub(crate) use waiting::MAX_BATCH;
