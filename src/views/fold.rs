//! One job folded from its events in the log: for as-of reads, replay, and whoever cannot wait for the views.

use super::Error;
use crate::job::{Fact, Job, JobKey, Position};
use crate::log::{self, Reader};
use crate::wire;

/// Events read at a time.
const STEP: u64 = 1000;

/// The job as of `upto`, starting from `known` (an earlier state of it) where there is one; `None` where it did not exist.
pub fn fold_job(log: &Reader<'_>, key: &JobKey, known: Option<Job>, upto: Position) -> Result<Option<Job>, Error> {
    let after = known.as_ref().map_or(Position::GENESIS, |job| job.position);
    let mut job = known;
    job_facts(log, key, after, upto, |fact| {
        let position = fact.position;
        job = Some(Job::evolve(job.take(), fact).map_err(|cause| Error::Misfit { position, cause })?);
        Ok::<(), Error>(())
    })?;
    Ok(job)
}

/// Gives `each` what happened to the job after `after`, up to `upto`, in order.
pub fn job_facts<E: From<Error> + From<log::Error>>(
    log: &Reader<'_>,
    key: &JobKey,
    after: Position,
    upto: Position,
    mut each: impl FnMut(Fact) -> Result<(), E>,
) -> Result<(), E> {
    let Some(stream) = log.stream(key.org, &key.id)? else { return Ok(()) };
    let mut after = after;
    loop {
        let (mut read, mut last) = (0, after);
        log.scan_job(stream, after, upto, STEP, |row| {
            (read, last) = (read + 1, row.position);
            let fact = wire::fact(row.position, row.leaf, row.data).map_err(Error::from)?;
            let own = || Error::Damaged(format!("event {last} is the ledger's own, but stands in a job"));
            each(fact.ok_or_else(own)?)
        })?;
        if read < STEP {
            return Ok(());
        }
        after = last;
    }
}
