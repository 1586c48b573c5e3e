//! Answers to reads of the views, kept in memory until the views move on from them.

use bytes::Bytes;

use crate::job::{JobKey, Position};
use crate::ledger::read::Makers;
use crate::memory::{Memory, Share};
use crate::views::{Found, JobQuery, Kept, Moved, Running};

/// Which page of jobs: the form that it is shown in, the filters, and how many jobs it may have.
pub(in crate::ledger) type PageName = (&'static str, JobQuery, usize);

/// What readers found in the views.
#[derive(Debug)]
pub(in crate::ledger) struct Answers {
    pub jobs: Kept<JobKey, Found>,
    pub pages: Kept<PageName, Bytes>,
    /// The running background jobs, and who makes their lists.
    pub running: Running,
    pub makers: Makers,
}

impl Answers {
    pub(super) fn new(memory: &Memory) -> Answers {
        let (jobs, pages) = (Kept::new(memory.of(Share::Jobs)), Kept::new(memory.of(Share::Pages)));
        Answers { jobs, pages, running: Running::default(), makers: Makers::default() }
    }

    /// A commit of the views is about to change these jobs: drops the answers that show them.
    pub(super) fn moving(&self, jobs: &mut dyn Iterator<Item = Moved<'_>>) {
        self.jobs.moving(|kept| self.running.moving(jobs.inspect(|(key, _)| drop(kept.take(key)))));
        self.pages.moving(|pages| pages.clear());
    }

    /// The views are at `position`, and every reader of the file sees that.
    pub(super) fn stands(&self, position: Position) {
        self.jobs.stands(position);
        self.pages.stands(position);
        self.running.stands(position);
    }

    /// Drops every answer: other views take the place of these.
    pub(super) fn clear(&self) {
        self.jobs.moving(|jobs| jobs.clear());
        self.pages.moving(|pages| pages.clear());
        self.running.clear();
    }
}
