//! The memory budget of a server: the bytes of `serve --memory`, and the share of each part that caches or queues.
//!
//! Not here: memory that no load multiplies (code, threads, buffers of connections), the page cache of the writer's connection and
//! the log lines that wait for stderr (4 MiB each), and the answers under way, which limits of concurrency bound. They fit beside the
//! default in a machine of 1 GiB.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The least budget, 256 MiB: the share of bodies then holds the largest one twice, as sent and decoded.
pub const LEAST: u64 = 256 << 20;
/// The largest budget, 1 TiB.
pub const MOST: u64 = 1 << 40;
/// The budget without `--memory`, 512 MiB.
pub const DEFAULT: u64 = 512 << 20;
/// The budget of a command that rebuilds views and does nothing else, 384 MiB.
pub const COMMAND: usize = 384 << 20;

/// A part of the server that holds memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// Jobs that the writer thread decides on.
    Admission,
    /// Requests that wait for the writer thread.
    Queue,
    /// Facts that wait for the projector.
    Backlog,
    /// The projector: its jobs, the changes of its transaction, the pages of its connection.
    Projector,
    /// A rebuild beside the projector: the same three things.
    Rebuild,
    /// Page caches of the connections that read.
    Readers,
    /// Jobs that reads loaded from the views.
    Jobs,
    /// Jobs that changed lately, for live lists.
    RecentJobs,
    /// Pages of jobs.
    Pages,
    /// Rendered events of pages.
    RenderedEvents,
    /// Rendered answers of large jobs.
    RenderedJobs,
    /// Long outputs of hooks, as reads of jobs show them.
    HookOutputs,
    /// Recent frames, shared by all tails.
    Ring,
    /// Stretches of the log that late tails share.
    LateReads,
    /// Request bodies under way.
    Bodies,
}

/// The parts that all shares together have.
const PARTS: u64 = 128;
/// Each share: its name in `/metrics`, and how many of the 128 parts it has.
const SHARES: [(Share, &str, u64); 15] = [
    // A job that is not cached costs an append a fold of up to 500 events.
    (Share::Admission, "admission", 8),
    // The largest request has 16 MiB, but requests wait for a commit only, which takes milliseconds.
    (Share::Queue, "queue", 8),
    // The projector reads the events that do not fit here from the log.
    (Share::Backlog, "backlog", 1),
    // A job that is not cached costs the projector a load from the views.
    (Share::Projector, "projector", 14),
    (Share::Rebuild, "rebuild", 14),
    // Two pools of up to 16 idle connections; the system's page cache backs them.
    (Share::Readers, "readers", 12),
    (Share::Jobs, "jobs", 7),
    // A live list that falls behind them reads the log and the views.
    (Share::RecentJobs, "recent_jobs", 1),
    (Share::Pages, "pages", 2),
    // The events of a page are the answer that is asked for the most. With the default budget 175,000 usual events fit.
    (Share::RenderedEvents, "rendered_events", 28),
    (Share::RenderedJobs, "rendered_jobs", 6),
    // An answer shows 1 MiB of output. An output that is not cached costs a read of all events of its job.
    (Share::HookOutputs, "hook_outputs", 2),
    // A tail that falls behind the ring reads from the log.
    (Share::Ring, "ring", 6),
    (Share::LateReads, "late_reads", 3),
    // The largest body has 16 MiB, and a slow client holds its body for a minute.
    (Share::Bodies, "bodies", 16),
];

/// The budget of a server, shared out. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Memory(Arc<[Budget]>);

/// One share: its limit in bytes, and the bytes that its part holds now. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Budget {
    limit: usize,
    held: Arc<AtomicUsize>,
}

/// A budget that cannot be shared out.
#[derive(Debug, thiserror::Error)]
#[error("expected 256MiB to 1TiB")]
pub struct BadMemory;

impl Memory {
    /// Shares out a budget of `total` bytes.
    ///
    /// # Errors
    /// `total` is less than [`LEAST`] or more than [`MOST`].
    pub fn new(total: u64) -> Result<Memory, BadMemory> {
        if !(LEAST..=MOST).contains(&total) {
            return Err(BadMemory);
        }
        let limit = |parts: u64| usize::try_from(total / PARTS * parts).unwrap_or(usize::MAX);
        Ok(Memory(SHARES.iter().map(|(.., parts)| Budget::new(limit(*parts))).collect()))
    }

    /// The budget of one share.
    pub fn of(&self, share: Share) -> Budget {
        let index = SHARES.iter().position(|(listed, ..)| *listed == share).expect("every share is listed");
        self.0[index].clone()
    }

    /// Every share with its name.
    pub fn shares(&self) -> impl Iterator<Item = (&'static str, &Budget)> {
        SHARES.iter().map(|(_, name, _)| *name).zip(self.0.iter())
    }
}

impl Default for Memory {
    fn default() -> Memory {
        Memory::new(DEFAULT).expect("the default is in range")
    }
}

impl Budget {
    /// Stands for the bytes of a part that never reported them.
    const UNKNOWN: usize = usize::MAX;

    /// A budget of `limit` bytes.
    pub fn new(limit: usize) -> Budget {
        Budget { limit, held: Arc::new(AtomicUsize::new(Budget::UNKNOWN)) }
    }

    /// A budget with the limit divided by `parts`. It shares the count of held bytes with this one.
    pub fn part(&self, parts: usize) -> Budget {
        Budget { limit: self.limit / parts, held: self.held.clone() }
    }

    /// The bytes that the part may hold.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Notes the bytes that the part holds now. The caller keeps to the limit; a cache may hold one value beyond it.
    pub fn hold(&self, bytes: usize) {
        self.held.store(bytes, Ordering::Relaxed);
    }

    /// The bytes that the part holds now; `None` if the part never called [`Budget::hold`].
    pub fn held(&self) -> Option<usize> {
        Some(self.held.load(Ordering::Relaxed)).filter(|held| *held != Budget::UNKNOWN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_are_the_whole_budget() {
        assert_eq!(SHARES.iter().map(|(.., parts)| parts).sum::<u64>(), PARTS);
        for total in [LEAST, DEFAULT, MOST] {
            let memory = Memory::new(total).unwrap();
            assert_eq!(memory.shares().map(|(_, budget)| budget.limit() as u64).sum::<u64>(), total);
        }
        assert!(Memory::new(LEAST - 1).is_err() && Memory::new(MOST + 1).is_err());
    }

    #[test]
    fn the_least_budget_holds_the_largest_body_twice() {
        assert_eq!(Memory::new(LEAST).unwrap().of(Share::Bodies).limit(), 2 * (16 << 20));
    }
}
