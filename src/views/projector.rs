//! Brings the views forward: reads events, folds them, writes the rows that changed.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::path::Path;

use rusqlite::Connection;

use super::load::load_job;
use super::save::{Dirty, remove, save};
use super::{Error, JobCache, fold_job, open, row_fact};
use crate::job::{Event, Fact, Job, JobKey, Position};
use crate::log::{Reader, Row, enough};
use crate::tree::leaf_hash;

/// Jobs kept in memory between two batches, about 64 MiB.
const CACHE: usize = 64 << 20;
/// A batch is cut at about this many bytes of events, so that its memory is bounded whatever the events hold.
const BATCH_BYTES: usize = 32 << 20;

/// The writer of the views.
#[derive(Debug)]
pub struct Projector {
    conn: Connection,
    cache: JobCache,
    position: Option<Position>,
}

/// Where a batch ended.
#[derive(Default)]
struct Batch {
    touched: HashMap<JobKey, (Job, Dirty)>,
    /// Jobs of which data was erased: what was folded may still have it.
    erased: HashSet<JobKey>,
    /// The newest event that was taken, and its leaf: hashed once at the end, and not for each.
    end: Option<Position>,
    leaf: Vec<u8>,
    bytes: usize,
}

impl Projector {
    /// Opens existing views, which must fit the log ([`super::fits`]).
    pub fn open(path: &Path) -> Result<Projector, Error> {
        let conn = open::open_existing(path)?;
        let position = open::checkpoint(&conn)?.map(|(position, _)| position);
        Ok(Projector { conn, cache: JobCache::new(CACHE), position })
    }

    /// Starts new views in a file of their own.
    pub(super) fn create(path: &Path, scrubbed: Position) -> Result<Projector, Error> {
        Ok(Projector { conn: open::create(path, scrubbed)?, cache: JobCache::new(4 * CACHE), position: None })
    }

    /// Ends new views: after this the file can take the place of the old one.
    pub(super) fn finish(self, path: &Path) -> Result<(), Error> {
        open::finish(self.conn, path)
    }

    /// Up to where nothing that was erased is left anywhere in the file.
    pub fn scrubbed(&self) -> Result<Position, Error> {
        open::scrubbed(&self.conn)
    }

    /// The position that the views show; `None` before the genesis event was seen.
    pub fn position(&self) -> Option<Position> {
        self.position
    }

    /// The position of the next event to take.
    pub fn next(&self) -> Position {
        self.position.map_or(Position::GENESIS, Position::next)
    }

    /// Takes at most `limit` more events into the views, in one transaction; answers whether there were any. `moving` is
    /// told which jobs they change before anybody can read it.
    pub fn advance(
        &mut self,
        log: &Reader<'_>,
        limit: u64,
        moving: impl FnOnce(&mut dyn Iterator<Item = &JobKey>),
    ) -> Result<bool, Error> {
        let mut batch = Batch::default();
        // A batch that fails takes its jobs with it: they left the cache, and are loaded again from the rows.
        log.scan(self.next(), limit, |row| self.take(log, &mut batch, row))?;
        let upto = batch.end.unwrap_or_default();
        for key in &batch.erased {
            // The one place where an event costs what its job is long: it reaches back into every row.
            if let Some(job) = fold_job(log, key, None, upto)? {
                let dirty = Dirty::new_job(&job);
                batch.touched.insert(key.clone(), (job, dirty));
            }
        }
        self.commit(batch, moving)
    }

    /// Takes the events that come next into the views, as the log would give them, none of them an erasure; `leaf` is the
    /// newest one's.
    pub fn take_in(
        &mut self,
        facts: impl Iterator<Item = Fact>,
        leaf: &[u8],
        moving: impl FnOnce(&mut dyn Iterator<Item = &JobKey>),
    ) -> Result<bool, Error> {
        let mut batch = Batch::default();
        for fact in facts {
            batch.end = Some(fact.position);
            self.fold(&mut batch.touched, fact)?;
        }
        batch.leaf.extend_from_slice(leaf);
        self.commit(batch, moving)
    }

    fn commit(&mut self, batch: Batch, moving: impl FnOnce(&mut dyn Iterator<Item = &JobKey>)) -> Result<bool, Error> {
        let Some(position) = batch.end else { return Ok(false) };
        let doing = || Error::doing("commit the views");
        let transaction = self.conn.unchecked_transaction().map_err(doing())?;
        for key in &batch.erased {
            remove(&transaction, key)?;
        }
        for (job, dirty) in batch.touched.values() {
            save(&transaction, job, dirty)?;
        }
        open::set_checkpoint(&transaction, position, leaf_hash(&batch.leaf))?;
        moving(&mut batch.touched.keys());
        transaction.commit().map_err(doing())?;
        for (job, _) in batch.touched.into_values() {
            self.cache.put(job);
        }
        self.position = Some(position);
        Ok(true)
    }

    fn take(&mut self, log: &Reader<'_>, batch: &mut Batch, row: Row<'_>) -> Result<ControlFlow<()>, Error> {
        if let Some(fact) = row_fact(log, row)? {
            if let Event::Redacted(_) = fact.event {
                batch.erased.insert(fact.key.clone());
            }
            self.fold(&mut batch.touched, fact)?;
        }
        batch.end = Some(row.position);
        batch.leaf.clear();
        batch.leaf.extend_from_slice(row.leaf);
        batch.bytes += row.leaf.len() + row.data.map_or(0, <[u8]>::len);
        Ok(enough(batch.bytes, BATCH_BYTES))
    }

    fn fold(&mut self, touched: &mut HashMap<JobKey, (Job, Dirty)>, fact: Fact) -> Result<(), Error> {
        let position = fact.position;
        let misfit = |cause| Error::Misfit { position, cause };
        if let Some((job, dirty)) = touched.get_mut(&fact.key) {
            return dirty.take(job, fact).map_err(misfit);
        }
        let known = match (self.cache.take(&fact.key), &fact.event) {
            (Some(job), _) => Some(job),
            // A new job is in no row yet; were it there, the unique key would refuse the second.
            (None, Event::Created(_)) => None,
            (None, _) => load_job(&self.conn, &fact.key)?,
        };
        let entry = match known {
            Some(mut job) => {
                let mut dirty = Dirty::default();
                dirty.take(&mut job, fact).map_err(misfit)?;
                (job, dirty)
            }
            None => {
                let job = Job::begin(fact).map_err(misfit)?;
                let dirty = Dirty::new_job(&job);
                (job, dirty)
            }
        };
        touched.insert(entry.0.key.clone(), entry);
        Ok(())
    }
}
