//! Brings the views forward: reads events, folds them, writes the rows that changed.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::path::Path;

use rusqlite::Connection;

use super::load::load_job;
use super::save::{Dirty, Saved, remove, save};
use super::{Error, JobCache, Moved, SetAside, list_set_aside, open, set_aside};
use crate::history::{self, fold_job, job_facts, row_fact};
use crate::job::{Event, Fact, Job, JobKey, Position};
use crate::log::{Reader, Row, enough};
use crate::memory::Budget;
use crate::tree::leaf_hash;
use crate::wire;

/// Most bytes of events in a transaction, whatever the budget: 32 MiB.
const MOST_BATCH: usize = 32 << 20;

/// The writer of the views.
#[derive(Debug)]
pub struct Projector {
    conn: Connection,
    cache: JobCache,
    /// A transaction ends at about this many bytes of events.
    batch: usize,
    position: Option<Position>,
    /// Jobs whose events do not fold: their later events are passed over.
    aside: HashSet<JobKey>,
    /// The views are made from nothing, so each of their rows was folded from the log.
    is_new: bool,
}

/// The changes of one transaction.
#[derive(Default)]
struct Batch {
    /// Jobs with their rows that changed.
    touched: HashMap<JobKey, (Job, Dirty)>,
    /// Jobs that a redaction is to be applied to: what was folded of them may still hold redacted text.
    redacted: HashSet<JobKey>,
    /// Jobs whose rows are removed before the new ones are written.
    removed: HashSet<JobKey>,
    /// Jobs that do not fold, with the first event that does not.
    aside: HashMap<JobKey, Position>,
    /// The newest event that was taken, and its leaf: hashed once at the end, and not for each.
    end: Option<Position>,
    leaf: Vec<u8>,
    bytes: usize,
}

/// The cache of jobs, and the bytes of a transaction.
fn room(budget: &Budget) -> (JobCache, usize) {
    (JobCache::new(budget.part(2)), budget.part(4).limit().min(MOST_BATCH))
}

impl Projector {
    /// Opens existing views, which must fit the log ([`super::fits`]). Half of `budget` is for jobs, a quarter for a transaction's
    /// events, and a quarter for pages of the file.
    pub fn open(path: &Path, budget: &Budget) -> Result<Projector, Error> {
        let conn = open::open_existing(path, budget.part(4).limit())?;
        let position = open::checkpoint(&conn)?.map(|(position, _)| position);
        let aside = list_set_aside(&conn, None, usize::MAX)?.into_iter().map(|job| job.key).collect();
        let (cache, batch) = room(budget);
        Ok(Projector { conn, cache, batch, position, aside, is_new: false })
    }

    /// Starts new views in a file of their own.
    pub(super) fn create(path: &Path, scrubbed: Position, budget: &Budget) -> Result<Projector, Error> {
        let conn = open::create(path, scrubbed, budget.part(4).limit())?;
        let (cache, batch) = room(budget);
        Ok(Projector { conn, cache, batch, position: None, aside: HashSet::new(), is_new: true })
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

    /// Takes the jobs back that were set aside and fold now: a newer program may read what an older one could not. Costs a
    /// fold of each. `moving` is told of each job that is taken back.
    pub fn retry_set_aside(
        &mut self,
        log: &Reader<'_>,
        mut moving: impl FnMut(&mut dyn Iterator<Item = Moved<'_>>),
    ) -> Result<(), Error> {
        let Some(upto) = self.position else { return Ok(()) };
        for key in self.aside.clone() {
            match folded_anew(log, &key, upto) {
                Ok(anew) => {
                    moving(&mut std::iter::once((&key, anew.as_ref().map(|(job, _)| &job.summary))));
                    self.take_back(&key, anew)?;
                    self.aside.remove(&key);
                }
                Err(error) if error.unfoldable().is_some() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn take_back(&mut self, key: &JobKey, anew: Option<(Job, Dirty)>) -> Result<(), Error> {
        let doing = || Error::doing("take a job back that was set aside");
        let transaction = self.conn.unchecked_transaction().map_err(doing())?;
        set_aside::take_back(&transaction, key)?;
        if let Some((job, dirty)) = anew {
            save(&transaction, &job, &dirty)?;
        }
        transaction.commit().map_err(doing())
    }

    /// Takes at most `limit` more events into the views, in one transaction; answers whether there were any. `moving` is
    /// told which jobs they change before the change can be read.
    pub fn advance(
        &mut self,
        log: &Reader<'_>,
        limit: u64,
        moving: impl FnOnce(&mut dyn Iterator<Item = Moved<'_>>),
    ) -> Result<bool, Error> {
        let mut batch = Batch::default();
        // A batch that fails takes its jobs with it: they left the cache, and are loaded again from the rows.
        log.scan(self.next(), limit, |row| self.take(log, &mut batch, row))?;
        let upto = batch.end.unwrap_or_default();
        for key in std::mem::take(&mut batch.redacted) {
            // The one place where an event costs what its job is long: it reaches back into every row and snapshot.
            match folded_anew(log, &key, upto) {
                Ok(Some(anew)) => drop(batch.touched.insert(key.clone(), anew)),
                Ok(None) => {}
                Err(error) => self.set_aside(&mut batch, log, key.clone(), error)?,
            }
            batch.removed.insert(key);
        }
        self.commit(log, batch, moving)
    }

    /// Takes the events that come next into the views, as the log would give them, none of them a redaction; `leaf` is the
    /// newest one's.
    pub fn take_in(
        &mut self,
        log: &Reader<'_>,
        facts: impl Iterator<Item = Fact>,
        leaf: &[u8],
        moving: impl FnOnce(&mut dyn Iterator<Item = Moved<'_>>),
    ) -> Result<bool, Error> {
        let mut batch = Batch::default();
        for fact in facts {
            batch.end = Some(fact.position);
            self.fold(log, &mut batch, fact)?;
        }
        batch.leaf.extend_from_slice(leaf);
        self.commit(log, batch, moving)
    }

    fn commit(
        &mut self,
        log: &Reader<'_>,
        mut batch: Batch,
        moving: impl FnOnce(&mut dyn Iterator<Item = Moved<'_>>),
    ) -> Result<bool, Error> {
        let Some(position) = batch.end else { return Ok(false) };
        let doing = || Error::doing("commit the views");
        let transaction = self.conn.unchecked_transaction().map_err(doing())?;
        for key in batch.removed.iter().chain(batch.aside.keys()) {
            remove(&transaction, key)?;
        }
        let mut created_twice = Vec::new();
        for (key, (job, dirty)) in &batch.touched {
            if save(&transaction, job, dirty)? == Saved::Exists {
                created_twice.push((key.clone(), job.created_position));
            }
        }
        for (key, position) in created_twice {
            remove(&transaction, &key)?;
            self.set_aside(&mut batch, log, key, Error::SetAside { position })?;
        }
        for (key, position) in &batch.aside {
            set_aside::add(&transaction, &SetAside { key: key.clone(), position: *position })?;
        }
        open::set_checkpoint(&transaction, position, leaf_hash(&batch.leaf))?;
        let touched = batch.touched.iter().map(|(key, (job, _))| (key, Some(&job.summary)));
        moving(&mut touched.chain(batch.aside.keys().map(|key| (key, None))));
        transaction.commit().map_err(doing())?;
        for (job, _) in batch.touched.into_values() {
            self.cache.put(job);
        }
        for key in batch.aside.into_keys() {
            self.cache.take(&key);
            self.aside.insert(key);
        }
        self.position = Some(position);
        Ok(true)
    }

    fn take(&mut self, log: &Reader<'_>, batch: &mut Batch, row: Row<'_>) -> Result<ControlFlow<()>, Error> {
        match row_fact(log, row) {
            Ok(Some(fact)) => self.fold(log, batch, fact)?,
            Ok(None) => {}
            Err(error) => match wire::job_of(row.leaf) {
                Some(key) if self.aside.contains(&key) => {}
                Some(key) => self.set_aside(batch, log, key, error.into())?,
                // Without a job to set aside the views stay where they are.
                None => return Err(error.into()),
            },
        }
        batch.end = Some(row.position);
        batch.leaf.clear();
        batch.leaf.extend_from_slice(row.leaf);
        batch.bytes += row.leaf.len() + row.data.map_or(0, <[u8]>::len);
        Ok(enough(batch.bytes, self.batch))
    }

    fn fold(&mut self, log: &Reader<'_>, batch: &mut Batch, fact: Fact) -> Result<(), Error> {
        if self.aside.contains(&fact.key) || batch.aside.contains_key(&fact.key) {
            return Ok(());
        }
        if let Event::Redacted(_) = fact.event {
            batch.redacted.insert(fact.key.clone());
        }
        let (key, position) = (fact.key.clone(), fact.position);
        let misfit = |cause| Error::from(history::Error::Misfit { position, cause });
        if let Some((job, dirty)) = batch.touched.get_mut(&key) {
            let taken = dirty.take(job, fact);
            return taken.or_else(|cause| self.set_aside(batch, log, key, misfit(cause)));
        }
        let known = match (self.cache.take(&key), &fact.event) {
            (Some(job), _) => Some(job),
            // A new job is in no row yet. If it is, its row is found when the new one is written.
            (None, Event::Created(_)) => None,
            (None, _) => load_job(&self.conn, &key)?,
        };
        let folded = match known {
            Some(mut job) => {
                let mut dirty = Dirty::default();
                dirty.take(&mut job, fact).map(|()| (job, dirty))
            }
            None => Dirty::begin(fact),
        };
        match folded {
            Ok(entry) => drop(batch.touched.insert(key, entry)),
            Err(cause) => self.set_aside(batch, log, key, misfit(cause))?,
        }
        Ok(())
    }

    /// Sets the job aside if `error` says that its events do not fold; any other error stays one.
    ///
    /// The log is asked again: if the job folds from there, the rows of the views are wrong, and not the log. Views that are
    /// made from nothing have no rows to suspect, and the scan of the log decides.
    fn set_aside(&self, batch: &mut Batch, log: &Reader<'_>, key: JobKey, error: Error) -> Result<(), Error> {
        let Some(position) = error.unfoldable() else { return Err(error) };
        match fold_job(log, &key, None, position) {
            _ if self.is_new => {}
            Ok(_) => return Err(Error::Damaged(format!("event {position} fits the log, but not the rows of its job"))),
            Err(error) if error.unfoldable().is_none() => return Err(error.into()),
            Err(_) => {}
        }
        let cause = &error as &dyn std::error::Error;
        tracing::error!(error = cause, job = %key.id, org = %key.org, "a job does not fold, and is set aside");
        batch.touched.remove(&key);
        batch.aside.insert(key, position);
        Ok(())
    }
}

/// The job as of `upto`, folded from the log alone, with every row that it has then; `None` where it does not exist.
fn folded_anew(log: &Reader<'_>, key: &JobKey, upto: Position) -> Result<Option<(Job, Dirty)>, Error> {
    let mut anew: Option<(Job, Dirty)> = None;
    job_facts(log, key, Position::GENESIS, upto, |fact| {
        let position = fact.position;
        let taken = match &mut anew {
            Some((job, dirty)) => dirty.take(job, fact),
            None => Dirty::begin(fact).map(|begun| anew = Some(begun)),
        };
        taken.map_err(history::Error::misfit(position)).map_err(Error::from)
    })?;
    Ok(anew)
}
