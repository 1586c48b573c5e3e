//! One job folded from its events in the log: for as-of reads, replay, and whoever cannot wait for the views.

use super::Error;
use crate::job::{Job, JobKey, Position};
use crate::log::{Reader, Row};
use crate::wire;

/// Events read at a time.
const STEP: u64 = 1000;

/// The job as of `upto`, starting from `known` (an earlier state of it) where there is one; `None` where it did not exist.
pub fn fold_job(log: &Reader<'_>, key: &JobKey, known: Option<Job>, upto: Position) -> Result<Option<Job>, Error> {
    let Some(stream) = log.stream(key.org, &key.id)? else { return Ok(known) };
    let mut job = known;
    loop {
        let after = job.as_ref().map_or(Position::GENESIS, |job| job.position);
        let mut read = 0;
        log.scan_job(stream, after, upto, STEP, |row| {
            read += 1;
            job = Some(next(job.take(), row)?);
            Ok::<(), Error>(())
        })?;
        if read < STEP {
            return Ok(job);
        }
    }
}

fn next(job: Option<Job>, row: Row<'_>) -> Result<Job, Error> {
    let position = row.position;
    let fact = wire::fact(position, row.leaf, row.data)?
        .ok_or_else(|| Error::Damaged(format!("event {position} is the ledger's own, but stands in a job")))?;
    Job::evolve(job, fact).map_err(|cause| Error::Misfit { position, cause })
}
