//! One job, folded from its events in the log: for decisions, reads of the past, and replay.

use super::Error;
use super::residue::residue_in_log;
use crate::job::{Event, Fact, Job, JobKey, Position};
use crate::log::{self, Reader, Row};
use crate::wire;

/// Events that one statement reads.
const STEP: u64 = 1000;

/// The job as of `upto`; `None` if the job did not exist then. Folds on from `known`, an earlier state of the job, or from the job's
/// first event.
///
/// The result holds no redacted data. `known` may hold some, so if a later event redacts one of its events, this folds from the first
/// event instead.
///
/// # Errors
///
/// The log cannot be read, or the job does not fold.
pub fn fold_job(log: &Reader<'_>, key: &JobKey, known: Option<Job>, upto: Position) -> Result<Option<Job>, Error> {
    let after = known.as_ref().map_or(Position::GENESIS, |job| job.position);
    let (mut job, mut redacted_since) = (known, false);
    job_facts(log, key, after, upto, |fact| {
        let position = fact.position;
        redacted_since |= matches!(&fact.event, Event::Redacted(redacted) if redacted.position <= after);
        job = Some(Job::fold(job.take(), fact).map_err(Error::misfit(position))?);
        Ok::<(), Error>(())
    })?;
    if redacted_since { fold_job(log, key, None, upto) } else { Ok(job) }
}

/// A job folded from a snapshot.
#[derive(Debug)]
pub struct Folded {
    /// The job; `None` if it did not exist.
    pub job: Option<Job>,
    /// How many of the job's events are newer than its snapshot.
    pub events: u64,
}

/// The job as of `upto`, folded from a snapshot. If later events do not fit the snapshot, folds all events instead, because the
/// snapshot may be wrong.
///
/// # Errors
///
/// The log cannot be read, or the job does not fold.
pub fn fold_from_snapshot(
    log: &Reader<'_>,
    key: &JobKey,
    snapshot: Option<Job>,
    upto: Position,
) -> Result<Folded, Error> {
    let before = snapshot.as_ref().map_or(0, |job| job.events);
    let job = match fold_job(log, key, snapshot, upto) {
        Err(error) if before > 0 && error.unfoldable().is_some() => fold_job(log, key, None, upto)?,
        folded => folded?,
    };
    let events = job.as_ref().map_or(0, |job| job.events).saturating_sub(before);
    Ok(Folded { job, events })
}

/// Gives `each` the facts of the job after `after`, up to `upto`, in order.
///
/// # Errors
///
/// The log or one of the events cannot be read, or `each` fails.
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
            let fact = row_fact(log, row)?;
            let own = || Error::LedgerEvent { position: last };
            each(fact.ok_or_else(own)?)
        })?;
        if read < STEP {
            return Ok(());
        }
        after = last;
    }
}

/// The fact of an event in the log; `None` for the ledger's own events. If the data was redacted, reads its residue instead.
///
/// The redaction may be later than the moment that the caller asks for: no read of the past shows redacted data.
///
/// # Errors
///
/// The log or the event cannot be read.
pub fn row_fact(log: &Reader<'_>, row: Row<'_>) -> Result<Option<Fact>, Error> {
    let residue = if row.data.is_none() { residue_in_log(log, row.position)? } else { None };
    Ok(wire::fact(row.position, row.leaf, row.data.or(residue.as_deref()))?)
}
