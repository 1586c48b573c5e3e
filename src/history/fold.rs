//! One job folded from its events in the log: for as-of reads, replay, and whoever cannot wait for the views.

use super::Error;
use crate::job::{Event, Fact, Job, JobKey, Position};
use crate::log::{self, Reader, Row};
use crate::wire::{self, StoredRedaction, Unreadable};

/// Events read at a time.
const STEP: u64 = 1000;

/// The job as of `upto`, starting from `known` (an earlier state of it) where there is one; `None` where it did not exist.
///
/// Text that was erased since is in no answer. A known state may have it, so one that an erasure comes after is of no use.
pub fn fold_job(log: &Reader<'_>, key: &JobKey, known: Option<Job>, upto: Position) -> Result<Option<Job>, Error> {
    let after = known.as_ref().map_or(Position::GENESIS, |job| job.position);
    let (mut job, mut stale) = (known, false);
    job_facts(log, key, after, upto, |fact| {
        let position = fact.position;
        stale |= matches!(&fact.event, Event::Redacted(redacted) if redacted.position <= after);
        job = Some(Job::fold(job.take(), fact).map_err(|cause| Error::Misfit { position, cause })?);
        Ok::<(), Error>(())
    })?;
    if stale { fold_job(log, key, None, upto) } else { Ok(job) }
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

/// The fact in an event of the log. Where its data was erased, what its erasure says is left of that stands for it: the
/// erasure may come later than the moment that is asked for, and still nobody is told what is gone.
pub fn row_fact(log: &Reader<'_>, row: Row<'_>) -> Result<Option<Fact>, Error> {
    let read = |data: Option<&[u8]>| wire::fact(row.position, row.leaf, data).map_err(Error::from);
    if row.data.is_some() {
        return read(row.data);
    }
    let residue = match log.redaction_of(row.position)? {
        Some((version, data)) => {
            let stored = StoredRedaction::read(version, &data);
            Some(stored.map_err(|cause| Unreadable { position: row.position, cause: cause.into() })?.residue)
        }
        None => None,
    };
    read(residue.as_deref())
}
