//! A stretch of the log, read for the projector. Reading needs the log alone, parsing needs neither the log nor the views, and folding
//! needs the views alone, so three threads may do the three at a time, each for another stretch.

use std::collections::HashSet;

use super::Error;
use super::batch::{JobRows, fold_again};
use super::occurrence::Occurrences;
use crate::cache::job_weight;
use crate::history::{self, row_fact};
use crate::job::{Event, EventType, Fact, JobKey, Kind, Position};
use crate::log::{Reader, Row, Types, enough};
use crate::wire;

/// Most events of a stretch: few enough that they are still in the processor's cache when they are folded.
const EVENTS: u64 = 250;
/// A stretch ends at about this many bytes of events, 256 KiB, or after one event that is larger.
const BYTES: usize = 256 << 10;
/// About how many bytes an event takes in memory beside its texts.
const OVERHEAD: usize = 512;

/// The rows of a stretch, copied from the log.
pub(super) struct Rows {
    /// Leaf and data of each [`Copied::Texts`], one after another.
    texts: Vec<u8>,
    rows: Vec<Copied>,
    /// The stretch, without its events.
    stretch: Stretch,
}

/// A row of the log.
enum Copied {
    /// A row to parse, and the lengths of its texts.
    Texts { position: Position, leaf: usize, data: usize },
    /// A row that was parsed at once, because its event needs other rows of the log: data was removed from it, or it removes data.
    Parsed(Box<ReadEvent>),
}

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

impl Rows {
    /// Reads the events from `from` on, `limit` at the most.
    ///
    /// # Errors
    ///
    /// The log cannot be read, or an event whose data was removed cannot be read and names no job.
    pub(super) fn read(log: &Reader<'_>, from: Position, limit: u64) -> Result<Rows, Error> {
        let limit = limit.min(EVENTS);
        let mut rows =
            Rows { texts: Vec::new(), rows: Vec::with_capacity(limit as usize), stretch: Stretch::default() };
        let mut redacted = HashSet::new();
        log.scan_with_columns(from, limit, |types, kind, row| {
            rows.stretch.add(types, kind, row);
            // The column says whether an event removes data. The audit compares the column with the leaf.
            match row.data {
                Some(data) if !types.contains(EventType::Redacted) => rows.add(row.position, row.leaf, data),
                _ => {
                    let event = read_event(row.leaf, row_fact(log, row))?;
                    if let Some(ReadEvent::Fact(Fact { key, event: Event::Redacted(_), .. })) = &event {
                        redacted.insert(key.clone());
                    }
                    rows.rows.extend(event.map(|event| Copied::Parsed(Box::new(event))));
                }
            }
            Ok::<_, Error>(enough(rows.stretch.bytes, BYTES))
        })?;
        let upto = rows.stretch.end.unwrap_or_default();
        rows.stretch.refolded = redacted.into_iter().map(|key| (key.clone(), fold_again(log, &key, upto))).collect();
        Ok(rows)
    }

    fn add(&mut self, position: Position, leaf: &[u8], data: &[u8]) {
        self.texts.extend_from_slice(leaf);
        self.texts.extend_from_slice(data);
        self.rows.push(Copied::Texts { position, leaf: leaf.len(), data: data.len() });
    }

    /// The newest event; `None` if the log has no more events.
    pub(super) fn end(&self) -> Option<Position> {
        self.stretch.end
    }

    /// About how many bytes the rows take in memory, and the stretch that is parsed from them.
    pub(super) fn weight(&self) -> usize {
        let refolded = self.stretch.refolded.iter().filter_map(|(_, rows)| rows.as_ref().ok()?.as_ref());
        let refolded: usize = refolded.map(|rows| job_weight(&rows.job)).sum();
        self.stretch.bytes + OVERHEAD * self.rows.len() + refolded
    }

    /// Parses the rows.
    ///
    /// # Errors
    ///
    /// An event cannot be read and names no job.
    pub(super) fn parse(self) -> Result<Stretch, Error> {
        let Rows { texts, rows, mut stretch } = self;
        stretch.events.reserve_exact(rows.len());
        let mut rest = texts.as_slice();
        for row in rows {
            let event = match row {
                Copied::Parsed(event) => Some(*event),
                Copied::Texts { position, leaf, data } => {
                    let (leaf, after) = rest.split_at(leaf);
                    let (data, after) = after.split_at(data);
                    rest = after;
                    read_event(leaf, wire::fact(position, leaf, Some(data)).map_err(history::Error::from))?
                }
            };
            stretch.events.extend(event);
        }
        Ok(stretch)
    }
}

impl Stretch {
    /// Takes the row into account, but not its event.
    fn add(&mut self, types: Types, kind: Option<Kind>, row: Row<'_>) {
        self.occurrences.add(row.position, types, kind);
        self.end = Some(row.position);
        self.leaf.clear();
        self.leaf.extend_from_slice(row.leaf);
        self.count += 1;
        self.bytes += row.leaf.len() + row.data.map_or(0, <[u8]>::len);
    }
}

/// The event of a leaf, by what parsing it gave; `None` for an event of the ledger itself.
fn read_event(leaf: &[u8], parsed: Result<Option<Fact>, history::Error>) -> Result<Option<ReadEvent>, Error> {
    match parsed {
        Ok(fact) => Ok(fact.map(ReadEvent::Fact)),
        Err(error) => match wire::job_of(leaf) {
            Some(key) => Ok(Some(ReadEvent::Unreadable(key, error.into()))),
            // Without a job to set aside the views keep their position.
            None => Err(error.into()),
        },
    }
}
