//! The writer of the views: folds events into jobs, and writes the rows that change.
//!
//! One transaction writes the rows that a batch of events changes, and the new position of the views. A cache keeps jobs between
//! batches, so most events cost no read of their job.

use std::collections::HashSet;
use std::path::Path;

use rusqlite::{Connection, Transaction};

use super::batch::{Batch, JobRows, fold_again};
use super::counts::CountChanges;
use super::load::load_job;
use super::open::NewestEvent;
use super::save::{ChangedRows, Saved, remove, save};
use super::stretch::{ReadEvent, Rows, Stretch};
use super::{ChangedJob, Error, SetAside, list_set_aside, open, set_aside};
use crate::cache::JobCache;
use crate::history::fold_job;
use crate::job::{Event, Fact, JobKey, Position};
use crate::log::{Reader, Types};
use crate::memory::Budget;
use crate::tree::leaf_hash;

/// Most bytes of events in a transaction, even with a larger budget: 32 MiB.
const MOST_BATCH: usize = 32 << 20;

/// The writer of the views.
#[derive(Debug)]
pub struct Projector {
    conn: Connection,
    cache: JobCache,
    /// A transaction ends at about this many bytes of events.
    batch: usize,
    position: Option<Position>,
    /// Jobs that do not fold: the projector passes over their later events.
    aside: HashSet<JobKey>,
}

/// Shares the budget out: the cache of jobs, and the bytes of a transaction.
fn room(budget: &Budget) -> (JobCache, usize) {
    (JobCache::new(budget.part(2)), budget.part(4).limit().min(MOST_BATCH))
}

impl Projector {
    /// Opens existing views, which must fit the log ([`super::fits`]). Half of `budget` is for jobs, a quarter for a transaction's
    /// events, and a quarter for pages of the file.
    ///
    /// # Errors
    ///
    /// The file cannot be opened.
    pub fn open(path: &Path, budget: &Budget) -> Result<Projector, Error> {
        let conn = open::open_existing(path, budget.part(4).limit())?;
        let position = open::newest_event(&conn)?.map(|newest| newest.position);
        let aside = list_set_aside(&conn, None, usize::MAX)?.into_iter().map(|job| job.key).collect();
        let (cache, batch) = room(budget);
        Ok(Projector { conn, cache, batch, position, aside })
    }

    /// Starts new views in a file of their own. In the log all redactions up to `scrubbed` have removed their data.
    pub(super) fn create(path: &Path, scrubbed: Position, budget: &Budget) -> Result<Projector, Error> {
        let conn = open::create(path, scrubbed, budget.part(4).limit())?;
        let (cache, batch) = room(budget);
        Ok(Projector { conn, cache, batch, position: None, aside: HashSet::new() })
    }

    /// Completes new views. The file can then take the place of the old one.
    pub(super) fn finish(self, path: &Path) -> Result<(), Error> {
        open::finish(self.conn, path)
    }

    /// The file holds no bytes of data that a redaction up to this position removed.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn scrubbed(&self) -> Result<Position, Error> {
        open::scrubbed(&self.conn)
    }

    /// The newest event that the views hold; `None` before the genesis event.
    pub fn position(&self) -> Option<Position> {
        self.position
    }

    /// The position of the next event to project.
    pub fn next(&self) -> Position {
        self.position.map_or(Position::GENESIS, Position::next)
    }

    /// Tries each job that was set aside again, and takes it back if it folds now: a newer program may read events that an older one
    /// could not. Each try folds the whole job. Gives `announce` each job before readers see it.
    ///
    /// # Errors
    ///
    /// The log cannot be read, or the file cannot be written.
    pub fn retry_set_aside(
        &mut self,
        log: &Reader<'_>,
        mut announce: impl FnMut(&mut dyn Iterator<Item = ChangedJob<'_>>),
    ) -> Result<(), Error> {
        let Some(upto) = self.position else { return Ok(()) };
        for key in self.aside.clone() {
            match fold_again(log, &key, upto) {
                Ok(rows) => {
                    let job = rows.as_ref().map(|rows| &rows.job.summary);
                    announce(&mut std::iter::once(ChangedJob { key: &key, job }));
                    self.take_back(&key, rows)?;
                    self.aside.remove(&key);
                }
                Err(error) if error.unfoldable().is_some() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn take_back(&mut self, key: &JobKey, rows: Option<JobRows>) -> Result<(), Error> {
        let doing = || Error::doing("take a job back that was set aside");
        let transaction = self.conn.unchecked_transaction().map_err(doing())?;
        set_aside::take_back(&transaction, key)?;
        if let Some(JobRows { job, changed }) = rows {
            let mut counts = CountChanges::default();
            save(&transaction, &job, &changed, &mut counts)?;
            counts.write(&transaction)?;
        }
        transaction.commit().map_err(doing())
    }

    /// Projects at most `limit` more events of the log in one transaction. Returns `false` if the log has no more events. Gives
    /// `announce` the changed jobs before readers see the change.
    ///
    /// # Errors
    ///
    /// The log cannot be read, the file cannot be written or is damaged, or an event cannot be read and names no job.
    pub fn project_log(
        &mut self,
        log: &Reader<'_>,
        limit: u64,
        announce: impl FnOnce(&mut dyn Iterator<Item = ChangedJob<'_>>),
    ) -> Result<bool, Error> {
        // The batch owns the jobs that it changes. If it fails, they are loaded again from their rows.
        let mut batch = Batch::default();
        while batch.count < limit && !self.is_full(&batch) {
            let from = batch.end.map_or(self.next(), Position::next);
            let rows = Rows::read(log, from, limit - batch.count)?;
            if rows.end().is_none() {
                break;
            }
            self.take(Some(log), &mut batch, rows.parse()?)?;
        }
        self.commit(Some(log), batch, announce)
    }

    /// Projects the facts that come next in the log. They hold no redaction. `newest_leaf` is the leaf of the newest fact.
    ///
    /// # Errors
    ///
    /// The log cannot be read, or the file cannot be written or is damaged.
    pub fn project_facts(
        &mut self,
        log: &Reader<'_>,
        facts: impl Iterator<Item = Fact>,
        newest_leaf: &[u8],
        announce: impl FnOnce(&mut dyn Iterator<Item = ChangedJob<'_>>),
    ) -> Result<bool, Error> {
        let mut batch = Batch::default();
        for fact in facts {
            let (position, key, types) = (fact.position, fact.key.clone(), Types::one(fact.event.event_type()));
            self.fold(Some(log), &mut batch, fact)?;
            let kind = match batch.changed.get(&key) {
                Some(rows) => Some(rows.job.kind),
                None => log.job_kind(key.org, &key.id)?,
            };
            batch.occurrences.add(position, types, kind);
            batch.end = Some(position);
        }
        batch.leaf.extend_from_slice(newest_leaf);
        self.commit(Some(log), batch, announce)
    }

    /// Whether the batch has so many bytes of events that it must be committed.
    pub(super) fn is_full(&self, batch: &Batch) -> bool {
        batch.bytes >= self.batch
    }

    /// Folds the stretch, which comes next in the log, into the batch. `log` is `None` for new views.
    pub(super) fn take(&mut self, log: Option<&Reader<'_>>, batch: &mut Batch, stretch: Stretch) -> Result<(), Error> {
        for event in stretch.events {
            match event {
                ReadEvent::Fact(fact) => self.fold(log, batch, fact)?,
                ReadEvent::Unreadable(key, _) if self.is_aside(batch, &key) => {}
                ReadEvent::Unreadable(key, error) => self.set_aside(batch, log, key, error)?,
            }
        }
        // A redaction may change every row and snapshot of its job, so the whole job is folded again. Other events need no fold of
        // the whole job.
        for (key, refolded) in stretch.refolded {
            if self.is_aside(batch, &key) {
                continue;
            }
            match refolded {
                Ok(Some(rows)) => drop(batch.changed.insert(key.clone(), rows)),
                Ok(None) => {}
                Err(error) => self.set_aside(batch, log, key.clone(), error)?,
            }
            batch.removed.insert(key);
        }
        batch.occurrences.append(stretch.occurrences);
        (batch.end, batch.leaf) = (stretch.end, stretch.leaf);
        batch.count += stretch.count;
        batch.bytes += stretch.bytes;
        Ok(())
    }

    /// Writes the batch in one transaction. `false` if the batch has no event.
    pub(super) fn commit(
        &mut self,
        log: Option<&Reader<'_>>,
        mut batch: Batch,
        announce: impl FnOnce(&mut dyn Iterator<Item = ChangedJob<'_>>),
    ) -> Result<bool, Error> {
        let Some(position) = batch.end else { return Ok(false) };
        let doing = || Error::doing("commit the views");
        let transaction = self.conn.unchecked_transaction().map_err(doing())?;
        self.write(&transaction, log, &mut batch)?;
        open::set_newest_event(&transaction, &NewestEvent { position, leaf_hash: leaf_hash(&batch.leaf) })?;
        let changed = batch.changed.iter().map(|(key, rows)| ChangedJob { key, job: Some(&rows.job.summary) });
        announce(&mut changed.chain(batch.aside.keys().map(|key| ChangedJob { key, job: None })));
        transaction.commit().map_err(doing())?;
        for rows in batch.changed.into_values() {
            self.cache.put(rows.job);
        }
        for key in batch.aside.into_keys() {
            self.cache.take(&key);
            self.aside.insert(key);
        }
        self.position = Some(position);
        Ok(true)
    }

    /// Writes the rows of the batch. First removes the old rows of jobs that were folded again or are set aside. Sets a job aside if the
    /// log creates it twice.
    fn write(&self, transaction: &Transaction<'_>, log: Option<&Reader<'_>>, batch: &mut Batch) -> Result<(), Error> {
        let mut counts = CountChanges::default();
        for key in batch.removed.iter().chain(batch.aside.keys()) {
            remove(transaction, key, &mut counts)?;
        }
        let mut created_twice = Vec::new();
        for (key, JobRows { job, changed }) in &batch.changed {
            if save(transaction, job, changed, &mut counts)? == Saved::Exists {
                created_twice.push((key.clone(), job.created_position));
            }
        }
        for (key, position) in created_twice {
            remove(transaction, &key, &mut counts)?;
            self.set_aside(batch, log, key, Error::SetAside { position })?;
        }
        for (key, position) in &batch.aside {
            set_aside::add(transaction, &SetAside { key: key.clone(), position: *position })?;
        }
        batch.occurrences.write(transaction)?;
        counts.write(transaction)
    }

    /// Whether the job was set aside before this batch or in it.
    fn is_aside(&self, batch: &Batch, key: &JobKey) -> bool {
        self.aside.contains(key) || batch.aside.contains_key(key)
    }

    fn fold(&mut self, log: Option<&Reader<'_>>, batch: &mut Batch, fact: Fact) -> Result<(), Error> {
        if self.is_aside(batch, &fact.key) {
            return Ok(());
        }
        let key = fact.key.clone();
        let folded = match batch.changed.get_mut(&key) {
            Some(rows) => rows.fold(fact).map_err(Error::from),
            None => self.fold_first(&key, fact).map(|rows| drop(batch.changed.insert(key.clone(), rows))),
        };
        folded.or_else(|error| self.set_aside(batch, log, key, error))
    }

    /// Folds the first event of a job in this batch: gets the job from the cache or its rows.
    fn fold_first(&mut self, key: &JobKey, fact: Fact) -> Result<JobRows, Error> {
        let known = match (self.cache.take(key), &fact.event) {
            (Some(job), _) => Some(job),
            // A new job has no row to load. If the log creates a job twice, `save` finds the old row when it writes the new one.
            (None, Event::Created(_)) => None,
            (None, _) => load_job(&self.conn, key)?,
        };
        let Some(job) = known else { return Ok(JobRows::begin(fact)?) };
        let changed = ChangedRows::of_saved(&job);
        let mut rows = JobRows { job, changed };
        rows.fold(fact)?;
        Ok(rows)
    }

    /// Sets the job aside if `error` says that its events do not fold; returns any other error.
    ///
    /// First folds the job from the log alone: if that succeeds, the rows of the views are damaged, and not the log. New views need
    /// no such check and have no `log`, because this projector has folded all their rows from the log.
    fn set_aside(&self, batch: &mut Batch, log: Option<&Reader<'_>>, key: JobKey, error: Error) -> Result<(), Error> {
        let Some(position) = error.unfoldable() else { return Err(error) };
        if let Some(log) = log {
            match fold_job(log, &key, None, position) {
                Ok(_) => {
                    return Err(Error::Damaged(format!("event {position} fits the log, but not the rows of its job")));
                }
                Err(error) if error.unfoldable().is_none() => return Err(error.into()),
                Err(_) => {}
            }
        }
        let cause = &error as &dyn std::error::Error;
        tracing::error!(error = cause, job = %key.id, org = %key.org, "a job does not fold, and is set aside");
        batch.changed.remove(&key);
        batch.aside.insert(key, position);
        Ok(())
    }
}
