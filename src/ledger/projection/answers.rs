//! Answers to reads of the views, kept in memory until a commit of the views changes them.

use crate::job::{JobKey, Position};
use crate::ledger::read::ListLocks;
use crate::memory::{Memory, Share};
use crate::views::{ChangedJob, Found, RecentJobs, RunningLists, ViewsCache};

/// The answers that readers found in the views.
#[derive(Debug)]
pub(in crate::ledger) struct Answers {
    pub jobs: ViewsCache<JobKey, Found>,
    /// The lists of running background jobs, and the locks of the readers that make them.
    pub running: RunningLists,
    pub list_locks: ListLocks,
    /// The jobs that changed lately, for live lists.
    pub recent: RecentJobs,
}

impl Answers {
    pub(super) fn new(memory: &Memory) -> Answers {
        let jobs = ViewsCache::new(memory.of(Share::Jobs));
        let recent = RecentJobs::new(memory.of(Share::RecentJobs));
        Answers { jobs, running: RunningLists::default(), list_locks: ListLocks::default(), recent }
    }

    /// A commit of the views begins that changes these jobs.
    pub(super) fn begin_commit(&self, jobs: &mut dyn Iterator<Item = ChangedJob<'_>>) {
        self.jobs.begin_commit(|cached| {
            let jobs = jobs.inspect(|changed| drop(cached.take(changed.key)));
            let mut changed = Vec::new();
            self.running.begin_commit(jobs.inspect(|job| changed.push(*job)));
            self.recent.begin_commit(changed.into_iter());
        });
    }

    /// The views are at `position`, and every reader of the file sees that.
    pub(super) fn end_commit(&self, position: Position) {
        self.jobs.end_commit(position);
        self.running.end_commit(position);
        self.recent.end_commit(position);
    }

    /// Evicts every answer: other views take the place of these.
    pub(super) fn clear(&self) {
        self.jobs.clear();
        self.running.clear();
        self.recent.clear();
    }
}
