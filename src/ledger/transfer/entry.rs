//! Inserting an entry that another log has: its leaf, salt and data, byte for byte.

use std::collections::HashMap;

use super::check::LineFault;
use crate::history::EntryFault;
use crate::job::{Event, EventType, JobKey, Kind, Position};
use crate::log::{self, NewEvent, StreamId, Writer};
use crate::wire::{BadLeaf, Leaf, SALT_LEN, decode};

/// Why an entry is not inserted.
#[derive(Debug)]
pub(in crate::ledger) enum InsertError {
    /// The log failed, or refuses the entry.
    Log(log::Error),
    /// The entry does not fit the log.
    Entry(LineFault),
}

impl From<log::Error> for InsertError {
    fn from(error: log::Error) -> InsertError {
        InsertError::Log(error)
    }
}

impl From<BadLeaf> for InsertError {
    fn from(error: BadLeaf) -> InsertError {
        InsertError::Entry(error.into())
    }
}

/// The bytes of an entry: the leaf, and the data with its salt.
pub(in crate::ledger) type EntryBytes<'e> = (&'e [u8], Option<(&'e [u8], &'e [u8; SALT_LEN])>);

/// Most jobs whose rows are kept, about 2 MB. One more empties the list.
const KNOWN: usize = 10_000;

/// The rows of the jobs of earlier entries. After a rollback the caller forgets all rows.
#[derive(Default)]
pub(in crate::ledger) struct KnownJobs(HashMap<JobKey, StreamId>);

impl KnownJobs {
    fn insert(&mut self, job: JobKey, row: StreamId) {
        if self.0.len() >= KNOWN {
            self.0.clear();
        }
        self.0.insert(job, row);
    }

    /// Forgets all rows.
    pub(in crate::ledger) fn clear(&mut self) {
        self.0.clear();
    }
}

/// Inserts an entry into the open transaction. `known` has the rows of the jobs that earlier calls found.
pub(in crate::ledger) fn insert_entry(
    writer: &mut Writer,
    known: &mut KnownJobs,
    leaf: &Leaf<'_>,
    (bytes, content): EntryBytes<'_>,
) -> Result<(), InsertError> {
    let prev = leaf.prev()?;
    let job = match (leaf.job_key()?, leaf.kind()?) {
        (Some(key), Some(kind)) => {
            let org = key.org;
            let row = match known.0.get(&key) {
                Some(row) => *row,
                None => {
                    let row = row(writer, &key, kind, prev)?;
                    known.insert(key, row);
                    row
                }
            };
            Some((org, row, kind, prev.unwrap_or(Position::GENESIS)))
        }
        _ => None,
    };
    writer.append(&NewEvent {
        position: leaf.position()?,
        leaf: bytes,
        content,
        job,
        source: &leaf.source,
        id: &leaf.id,
        event_type: &leaf.event_type,
        version: leaf.version()?,
        recorded: leaf.recorded()?,
    })?;
    // Redacts the data that an earlier entry brought. Most redacted events of an import come without data.
    if let (true, Some((data, _))) = (leaf.is(EventType::Redacted), content)
        && let Ok(Event::Redacted(redacted)) = decode(&leaf.event_type, leaf.version()?, data)
    {
        writer.erase(redacted.position)?;
    }
    Ok(())
}

/// The row of a job, which an event without an earlier one makes.
fn row(writer: &mut Writer, job: &JobKey, kind: Kind, prev: Option<Position>) -> Result<StreamId, InsertError> {
    if prev.is_none() {
        return Ok(writer.new_stream(job.org, &job.id, kind)?);
    }
    let missing = EntryFault::Prev { expected: None, found: prev };
    writer.reader().stream(job.org, &job.id)?.ok_or_else(|| InsertError::Entry(missing.into()))
}
