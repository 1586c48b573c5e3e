//! A stretch of the log, read for the projector. Reading needs the log alone and folding needs the views alone, so one thread may read
//! the next stretch while another folds this one.

use std::collections::HashSet;

use super::Error;
use super::batch::{JobRows, fold_again};
use super::occurrence::Occurrences;
use crate::cache::job_weight;
use crate::history::row_fact;
use crate::job::{Event, Fact, JobKey, Position};
use crate::log::{Reader, Row, enough};
use crate::wire;

/// Most events of a stretch: few enough that they are still in the processor's cache when they are folded.
const EVENTS: u64 = 250;
/// A stretch ends at about this many bytes of events, 256 KiB, or after one event that is larger.
const BYTES: usize = 256 << 10;
/// About how many bytes an event takes in memory beside its texts.
const OVERHEAD: usize = 512;

/// The events of a stretch, as the projector folds them.
#[derive(Default)]
pub(super) struct Stretch {
    pub events: Vec<ReadEvent>,
    /// The jobs with a redaction in the stretch, folded from the log alone as of the end of the stretch. Their rows may show
    /// redacted data.
    pub refolded: Vec<(JobKey, Result<Option<JobRows>, Error>)>,
    /// What occurs in the stretch, by the columns that filters compare.
    pub occurrences: Occurrences,
    /// The newest event, and its leaf. `None` if the log has no more events.
    pub end: Option<Position>,
    pub leaf: Vec<u8>,
    /// How many events the stretch has, those of the ledger itself included.
    pub count: u64,
    /// The bytes of these events.
    pub bytes: usize,
}

/// An event of a job.
#[allow(clippy::large_enum_variant, reason = "nearly every value is a fact")]
pub(super) enum ReadEvent {
    Fact(Fact),
    /// The event cannot be read, so its job is set aside.
    Unreadable(JobKey, Error),
}

impl Stretch {
    /// Reads the events from `from` on, `limit` at the most.
    ///
    /// # Errors
    ///
    /// The log cannot be read, or an event cannot be read and names no job.
    pub(super) fn read(log: &Reader<'_>, from: Position, limit: u64) -> Result<Stretch, Error> {
        let limit = limit.min(EVENTS);
        let mut stretch = Stretch { events: Vec::with_capacity(limit as usize), ..Stretch::default() };
        let mut redacted = HashSet::new();
        log.scan_with_columns(from, limit, |types, kind, row| {
            stretch.occurrences.add(row.position, types, kind);
            let event = read(log, row)?;
            if let Some(ReadEvent::Fact(Fact { key, event: Event::Redacted(_), .. })) = &event {
                redacted.insert(key.clone());
            }
            stretch.events.extend(event);
            stretch.end = Some(row.position);
            stretch.leaf.clear();
            stretch.leaf.extend_from_slice(row.leaf);
            stretch.count += 1;
            stretch.bytes += row.leaf.len() + row.data.map_or(0, <[u8]>::len);
            Ok::<_, Error>(enough(stretch.bytes, BYTES))
        })?;
        let upto = stretch.end.unwrap_or_default();
        stretch.refolded = redacted.into_iter().map(|key| (key.clone(), fold_again(log, &key, upto))).collect();
        Ok(stretch)
    }

    /// About how many bytes the stretch takes in memory.
    pub(super) fn weight(&self) -> usize {
        let refolded = self.refolded.iter().filter_map(|(_, rows)| rows.as_ref().ok()?.as_ref());
        let refolded: usize = refolded.map(|rows| job_weight(&rows.job)).sum();
        self.bytes + OVERHEAD * self.events.len() + refolded
    }
}

/// The event of a row; `None` for an event of the ledger itself.
fn read(log: &Reader<'_>, row: Row<'_>) -> Result<Option<ReadEvent>, Error> {
    match row_fact(log, row) {
        Ok(fact) => Ok(fact.map(ReadEvent::Fact)),
        Err(error) => match wire::job_of(row.leaf) {
            Some(key) => Ok(Some(ReadEvent::Unreadable(key, error.into()))),
            // Without a job to set aside the views keep their position.
            None => Err(error.into()),
        },
    }
}
