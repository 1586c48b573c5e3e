//! The changes of one transaction of the views.

use std::collections::{HashMap, HashSet};

use super::Error;
use super::save::ChangedRows;
use crate::history::{self, job_facts};
use crate::job::{Fact, Job, JobKey, Position};
use crate::log::Reader;

/// The changes of one transaction.
#[derive(Default)]
pub(super) struct Batch {
    /// Jobs with their rows that changed.
    pub changed: HashMap<JobKey, JobRows>,
    /// Jobs with a redaction: their rows may show redacted data.
    pub redacted: HashSet<JobKey>,
    /// Jobs whose rows are removed before the new ones are written.
    pub removed: HashSet<JobKey>,
    /// Jobs that do not fold, with the first event that does not.
    pub aside: HashMap<JobKey, Position>,
    /// The newest event, and its leaf: hashed once for the batch.
    pub end: Option<Position>,
    pub leaf: Vec<u8>,
    /// The bytes of its events.
    pub bytes: usize,
}

/// A job, and which of its rows are to be written.
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

/// The job as of `upto`, folded from the log alone, with all of its rows to write; `None` if it does not exist.
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
