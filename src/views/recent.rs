//! The jobs that commits of the views changed lately, each in its newest state. Live lists take their changes from here, so one
//! commit is looked at once for all of them.
//!
//! Nothing is kept while there is no live list.
//!
//! Not here: which jobs a list shows, and the text of a row, which the caller renders.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use serde_json::value::RawValue;

use super::ChangedJob;
use crate::job::{JobKey, Position, Summary};
use crate::memory::Budget;

/// Bytes of a job and its row without their texts.
const OVERHEAD: usize = 2048;

/// A job after one of its events, and its row, which is rendered once for all lists.
#[derive(Debug)]
pub struct RecentJob {
    /// The job.
    pub job: Summary,
    row: OnceLock<Box<RawValue>>,
}

impl RecentJob {
    /// The job, not rendered yet.
    pub fn new(job: Summary) -> RecentJob {
        RecentJob { job, row: OnceLock::new() }
    }

    /// The job's row as `render` renders it. Every caller gives the same `render`.
    pub fn row(&self, render: impl FnOnce(&Summary) -> Box<RawValue>) -> &RawValue {
        self.row.get_or_init(|| render(&self.job))
    }

    /// About how many bytes the job and its row take.
    fn weight(&self) -> usize {
        let labels: usize = self.job.labels.iter().map(|(name, value)| name.len() + value.len()).sum();
        OVERHEAD + 2 * (self.job.text_len() + labels)
    }
}

/// The jobs that changed lately.
#[derive(Debug)]
pub struct RecentJobs {
    state: Mutex<State>,
    budget: Budget,
}

#[derive(Debug, Default)]
struct State {
    watchers: usize,
    /// Whether the commit under way notes its jobs: there was a watcher when it began.
    noting: bool,
    /// The jobs of the commit under way.
    announced: Vec<Arc<RecentJob>>,
    /// `jobs` has every job that changed in (start, end], by its newest event.
    start: Position,
    end: Position,
    jobs: BTreeMap<Position, Arc<RecentJob>>,
    revisions: HashMap<JobKey, Position>,
    bytes: usize,
    /// Counts the changes that no position tells: a job was set aside, or taken back.
    turns: u64,
}

/// The jobs that changed after a position.
#[derive(Debug, Clone)]
pub struct Recent {
    /// The jobs, in the order of their newest events.
    pub jobs: Vec<Arc<RecentJob>>,
    /// Every job that changed up to here is among them.
    pub end: Position,
}

impl RecentJobs {
    /// Keeps jobs of about the bytes of the budget.
    pub fn new(budget: Budget) -> RecentJobs {
        budget.hold(0);
        RecentJobs { state: Mutex::default(), budget }
    }

    /// One watcher more. From the next commit on, the jobs are kept.
    pub fn enter(&self) {
        self.state.lock().watchers += 1;
    }

    /// One watcher less.
    pub fn leave(&self) {
        let mut state = self.state.lock();
        state.watchers -= 1;
        if state.watchers == 0 {
            let end = state.end;
            state.begin_at(end);
            self.budget.hold(0);
        }
    }

    /// Begins a commit of the views, which changes these jobs.
    pub fn begin_commit<'a>(&self, jobs: impl Iterator<Item = ChangedJob<'a>>) {
        let mut state = self.state.lock();
        state.noting = state.watchers > 0;
        for changed in jobs {
            match changed.job {
                Some(job) if job.position > state.end => {
                    if state.noting {
                        state.announced.push(Arc::new(RecentJob::new(job.clone())));
                    }
                }
                // The job was set aside, or taken back in the state that it had before.
                _ => state.turns += 1,
            }
        }
    }

    /// Ends the commit: the views are at `position`.
    pub fn end_commit(&self, position: Position) {
        let mut state = self.state.lock();
        let announced = std::mem::take(&mut state.announced);
        if !state.noting || position < state.end {
            state.begin_at(position);
        }
        state.end = position;
        // A commit that failed may have announced later events, which the next commit announces again.
        for job in announced.into_iter().filter(|job| job.job.position <= position) {
            state.note(job);
        }
        while state.bytes > self.budget.limit() {
            let Some((revision, job)) = state.jobs.pop_first() else { break };
            state.revisions.remove(&job.job.key);
            state.bytes -= job.weight();
            state.start = revision;
        }
        self.budget.hold(state.bytes);
    }

    /// Evicts every job: other views take the place of these, at a position that the next [`RecentJobs::end_commit`] tells.
    pub fn clear(&self) {
        let mut state = self.state.lock();
        state.announced.clear();
        state.begin_at(Position::MAX);
        (state.end, state.noting) = (Position::GENESIS, false);
        self.budget.hold(0);
    }

    /// The jobs that changed after `after`; `None` if some of these changes are no longer kept.
    pub fn after(&self, after: Position) -> Option<Recent> {
        let state = self.state.lock();
        if after < state.start || state.watchers == 0 {
            return None;
        }
        let jobs = state.jobs.range(after.next()..).map(|(_, job)| job.clone()).collect();
        Some(Recent { jobs, end: state.end.max(after) })
    }

    /// A number that grows when a list may change without an event: when a job is set aside or taken back.
    pub fn turns(&self) -> u64 {
        self.state.lock().turns
    }
}

impl State {
    /// Keeps nothing, and begins after `start`.
    fn begin_at(&mut self, start: Position) {
        self.jobs = BTreeMap::new();
        self.revisions = HashMap::new();
        (self.start, self.bytes) = (start, 0);
    }

    /// Keeps a job in place of its older state.
    fn note(&mut self, job: Arc<RecentJob>) {
        let revision = job.job.position;
        if let Some(older) = self.revisions.insert(job.job.key.clone(), revision)
            && let Some(older) = self.jobs.remove(&older)
        {
            self.bytes -= older.weight();
        }
        self.bytes += job.weight();
        self.jobs.insert(revision, job);
    }
}
