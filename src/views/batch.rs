//! The changes that one transaction writes to the views.

use std::collections::{HashMap, HashSet};

use super::Error;
use super::occurrence::Occurrences;
use super::save::ChangedRows;
use crate::history::{self, job_facts};
use crate::job::{Fact, Job, JobKey, Position};
use crate::log::Reader;

/// The changes that one transaction writes.
#[derive(Default)]
pub(super) struct Batch {
    /// Jobs with their rows that changed.
    pub changed: HashMap<JobKey, JobRows>,
    /// Jobs whose old rows the transaction removes before it writes new rows.
    pub removed: HashSet<JobKey>,
    /// Jobs to set aside, each with the first event that does not fold.
    pub aside: HashMap<JobKey, Position>,
    /// What occurs in the batch.
    pub occurrences: Occurrences,
    /// The newest event of the batch, and its leaf, which the commit hashes.
    pub end: Option<Position>,
    pub leaf: Vec<u8>,
    /// How many events the batch has, and their bytes.
    pub count: u64,
    pub bytes: usize,
}

/// A job, and which of its rows the transaction must write.
pub(super) struct JobRows {
    pub job: Job,
    pub changed: ChangedRows,
}

impl JobRows {
    /// The job that `fact` begins.
    pub(super) fn begin(fact: Fact) -> Result<JobRows, history::Error> {
        let position = fact.position;
        let (job, changed) = ChangedRows::begin(fact).map_err(history::Error::misfit(position))?;
        Ok(JobRows { job, changed })
    }

    /// Folds `fact` into the job.
    pub(super) fn fold(&mut self, fact: Fact) -> Result<(), history::Error> {
        let position = fact.position;
        self.changed.fold(&mut self.job, fact).map_err(history::Error::misfit(position))
    }
}

/// The job as of `upto`, folded from the log alone, with all rows marked as changed; `None` if the job does not exist.
pub(super) fn fold_again(log: &Reader<'_>, key: &JobKey, upto: Position) -> Result<Option<JobRows>, Error> {
    let mut folded: Option<JobRows> = None;
    job_facts(log, key, Position::GENESIS, upto, |fact| {
        match &mut folded {
            Some(rows) => rows.fold(fact)?,
            none => *none = Some(JobRows::begin(fact)?),
        }
        Ok::<_, Error>(())
    })?;
    Ok(folded)
}
