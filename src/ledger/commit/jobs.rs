//! The jobs that the writer thread holds in memory, and how a job gets there.
//!
//! Every job comes from the log alone. The views can be edited, and the ledger signs what it decides here.

use std::num::NonZeroUsize;

use lru::LruCache;

use super::loader::SHORT;
use crate::cache::JobCache;
use crate::history::{self, fold_job};
use crate::job::{Fact, Job, JobKey, Kind, Position};
use crate::ledger::append::Queued;
use crate::log::{self, Reader, StreamId, Writer};
use crate::memory::Budget;

/// Why a fold of a new event cannot fail.
const DECIDED: &str = "the same state machine has accepted the event";
/// Job rows whose ids stay in memory.
const ROWS: NonZeroUsize = NonZeroUsize::new(100_000).expect("not zero");

/// The jobs in memory, each with every event of the log and of the open commit.
pub(in crate::ledger) struct Jobs {
    folded: JobCache,
    /// The ids of the jobs' rows in the log; `None` for a job that the log does not hold. The writer thread alone makes rows, so
    /// an entry stays true until the writer thread changes it.
    rows: LruCache<JobKey, Option<StreamId>>,
}

impl Jobs {
    /// An empty cache that holds at most about `budget` bytes.
    pub(super) fn new(budget: Budget) -> Jobs {
        Jobs { folded: JobCache::new(budget), rows: LruCache::new(ROWS) }
    }

    /// The job, if it is in memory.
    pub(in crate::ledger) fn get(&mut self, key: &JobKey) -> Option<&Job> {
        self.folded.get(key)
    }

    /// Loads the job from the log, the events of the open transaction included, unless it is in memory. A job that the log does
    /// not hold is not in memory afterwards.
    ///
    /// # Errors
    ///
    /// The log cannot be read, or the job's events do not fold.
    pub(in crate::ledger) fn load(&mut self, log: &Reader<'_>, key: &JobKey) -> Result<(), history::Error> {
        if self.folded.get(key).is_none() && self.row(log, key)?.is_some() {
            fold_job(log, key, None, Position::MAX)?.into_iter().for_each(|job| self.folded.put(job));
        }
        Ok(())
    }

    /// Whether the jobs of an append are in memory, or short enough to be folded in the commit. Takes over the jobs that the
    /// loader thread folded.
    pub(super) fn are_ready(&mut self, log: &Reader<'_>, queued: &mut Queued) -> Result<bool, log::Error> {
        if let Some(loaded) = queued.loaded.take() {
            loaded.into_iter().for_each(|job| self.take_over(log, job));
            return Ok(true);
        }
        for key in queued.append.jobs() {
            if self.folded.get(&key).is_none()
                && let Some(row) = self.row(log, &key)?
                && log.is_longer_than(row, SHORT)?
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Takes over a job that the loader thread folded, with the events that the log got since. Leaves out a job that does not
    /// fold: the commit finds that again and refuses the append.
    fn take_over(&mut self, log: &Reader<'_>, job: Job) {
        let key = job.key.clone();
        if self.folded.get(&key).is_none()
            && let Ok(Some(job)) = fold_job(log, &key, Some(job), Position::MAX)
        {
            self.folded.put(job);
        }
    }

    /// Folds the first event of a job, which the open transaction holds.
    pub(in crate::ledger) fn begin(&mut self, fact: &Fact) {
        self.folded.put(Job::begin(fact.clone()).expect(DECIDED));
    }

    /// Folds a later event of a job in memory, which the open transaction holds. The job grows by about `bytes`.
    pub(in crate::ledger) fn apply(&mut self, fact: &Fact, bytes: usize) {
        self.folded.update(&fact.key, bytes, |job| job.apply(fact.clone()).expect(DECIDED));
    }

    /// The id of the job's row; `None` if the log does not hold the job. Reads the log once for each job.
    fn row(&mut self, log: &Reader<'_>, key: &JobKey) -> Result<Option<StreamId>, log::Error> {
        if let Some(row) = self.rows.get(key) {
            return Ok(*row);
        }
        let row = log.stream(key.org, &key.id)?;
        self.rows.put(key.clone(), row);
        Ok(row)
    }

    /// The id of the job's row, which is made if the log does not hold the job.
    pub(in crate::ledger) fn row_or_new(
        &mut self,
        log: &mut Writer,
        key: &JobKey,
        kind: Kind,
    ) -> Result<StreamId, log::Error> {
        if let Some(row) = self.row(&log.reader(), key)? {
            return Ok(row);
        }
        let row = log.new_stream(key.org, &key.id, kind)?;
        self.rows.put(key.clone(), Some(row));
        Ok(row)
    }

    /// Notes a job that the log does not hold, because its id is new.
    pub(in crate::ledger) fn note_new(&mut self, key: &JobKey) {
        self.rows.put(key.clone(), None);
    }

    /// Evicts a job, because the log no longer holds an event of the job, or its data.
    pub(in crate::ledger) fn evict(&mut self, key: &JobKey) {
        self.folded.take(key);
        self.rows.pop(key);
    }

    /// Evicts every job.
    pub(super) fn clear(&mut self) {
        self.folded.clear();
        self.rows.clear();
    }
}
