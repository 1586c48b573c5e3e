//! The writer thread: it drains the queue into one commit, answers every append when the commit has returned, and rings the bell.
//!
//! Not here: what the writer thread decides about one append (`admission`), and the queue itself (`append::queue`).

mod checker;
mod jobs;
mod loader;
mod node;
mod seal;
mod stamp;
mod thread;
mod transaction;

pub(super) use checker::Checker;
pub(super) use jobs::Jobs;
pub(super) use loader::Loader;
pub(super) use node::Stream;
pub use seal::{Doubt, SealError};
pub(super) use seal::{Seal, restore};
pub(super) use stamp::Stamp;
pub(super) use thread::{Shared, WriterThread, end_after_failed_sync};

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

/// How many commits have begun and ended. An open commit may still record events with any time since it began.
#[derive(Debug, Default)]
pub(super) struct Commits {
    begun: AtomicU64,
    ended: watch::Sender<u64>,
}

impl Commits {
    /// How many commits have begun.
    pub(super) fn begun(&self) -> u64 {
        self.begun.load(Ordering::SeqCst)
    }

    /// How many commits have ended.
    pub(super) fn ended(&self) -> watch::Receiver<u64> {
        self.ended.subscribe()
    }

    /// A commit begins. The writer thread reads the clock after this.
    fn begin(&self) {
        self.begun.fetch_add(1, Ordering::SeqCst);
    }

    fn end(&self) {
        self.ended.send_replace(self.begun());
    }
}
