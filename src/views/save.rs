//! Saves a job: writes only the rows that changed.

use std::collections::BTreeSet;

use rusqlite::{Connection, params};

use super::Error;
use super::counts::CountChanges;
use super::item_row::{write_newest, write_replaced};
use super::job_row::{Parts, insert, row_of, update_progress, update_state};
use super::load::load_job;
use super::snapshot::{self, Replaced, Snapshot};
use crate::job::{Change, Conflict, Event, Fact, Job, JobKey, Redaction, Status};

/// The rows of a job that changed since it was last saved.
#[derive(Debug)]
pub(super) struct ChangedRows {
    /// The state that the job's rows show; `None` if the job has no rows yet.
    was: Option<Status>,
    /// Whether a job that repeats this one was named.
    retried: bool,
    /// Places of changed items.
    items: BTreeSet<usize>,
    /// How many new notes.
    notes: usize,
    /// How many new redactions.
    redactions: usize,
    /// Snapshots that came due, oldest first.
    snapshots: Vec<Snapshot>,
    /// Replaced results of items that a snapshot still shows.
    replaced: Vec<Replaced>,
}

impl ChangedRows {
    /// The job that `fact` begins. All of its rows count as changed.
    pub(super) fn begin(fact: Fact) -> Result<(Job, ChangedRows), Conflict> {
        let job = Job::begin(fact)?;
        let changed = ChangedRows { items: (0..job.items.len()).collect(), ..ChangedRows::none(None) };
        Ok((job, changed))
    }

    /// None of the rows of a job that is as its rows show it.
    pub(super) fn of_saved(job: &Job) -> ChangedRows {
        ChangedRows::none(Some(job.state.status()))
    }

    fn none(was: Option<Status>) -> ChangedRows {
        let (snapshots, replaced) = (Vec::new(), Vec::new());
        ChangedRows { was, retried: false, items: BTreeSet::new(), notes: 0, redactions: 0, snapshots, replaced }
    }

    /// Folds `fact` into `job`, and notes which rows change.
    pub(super) fn fold(&mut self, job: &mut Job, fact: Fact) -> Result<(), Conflict> {
        let replaced = Replaced::by(&fact, job);
        self.retried |= matches!(fact.event, Event::Retried(_));
        match job.apply(fact)? {
            Change::Job => {}
            Change::Item(place) => drop(self.items.insert(place)),
            Change::Note => self.notes += 1,
            Change::Redaction => self.redactions += 1,
        }
        self.replaced.extend(replaced);
        self.snapshots.extend(Snapshot::due(job));
        Ok(())
    }
}

/// Whether a job's rows were written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Saved {
    /// The rows were written.
    Written,
    /// The job is new and has a row already: the log creates it twice. Nothing was written.
    Exists,
}

/// Writes the rows that changed, and notes in `counts` what that changes there.
pub(super) fn save(
    conn: &Connection,
    job: &Job,
    changed: &ChangedRows,
    counts: &mut CountChanges,
) -> Result<Saved, Error> {
    let saved = write(conn, job, changed).map_err(Error::doing("write a job's rows"))?;
    if saved == Saved::Written {
        counts.saved(&job.summary, changed.was);
    }
    Ok(saved)
}

fn write(conn: &Connection, job: &Job, changed: &ChangedRows) -> Result<Saved, rusqlite::Error> {
    let new = changed.was.is_none();
    if new && !insert_job(conn, job)? {
        return Ok(Saved::Exists);
    }
    for then in &changed.snapshots {
        update_state(conn, &then.summary)?;
        update_progress(conn, &then.summary, then.parts)?;
        snapshot::copy_row(conn, row_of(job))?;
    }
    // The row is up to date after `insert_job`, unless a snapshot has overwritten it with an older state since.
    let snapshots = !changed.snapshots.is_empty();
    if snapshots || !new {
        update_progress(conn, &job.summary, Parts::of(job))?;
    }
    let moved = changed.retried || changed.was.is_some_and(|was| was != job.state.status());
    if snapshots || moved {
        update_state(conn, &job.summary)?;
    }
    for place in &changed.items {
        write_newest(conn, row_of(job), *place, &job.items.as_slice()[*place])?;
    }
    for replaced in &changed.replaced {
        write_replaced(conn, row_of(job), replaced)?;
    }
    insert_notes(conn, job, changed.notes)?;
    insert_redactions(conn, job, changed.redactions)?;
    Ok(Saved::Written)
}

/// Inserts the row, the spec and the labels of a new job; `false` if the job has a row already.
fn insert_job(conn: &Connection, job: &Job) -> Result<bool, rusqlite::Error> {
    if !insert(conn, &job.summary, Parts::of(job))? {
        return Ok(false);
    }
    let row = row_of(job);
    conn.prepare_cached("INSERT INTO spec (job, spec) VALUES (?1, ?2)")?.execute(params![row, &*job.spec_json.0])?;
    let org = job.key.org.to_string();
    for (key, value) in &job.labels {
        conn.prepare_cached("INSERT INTO label (org, key, value, job) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![org, key, value, row])?;
    }
    Ok(true)
}

/// Inserts the newest `new` notes.
fn insert_notes(conn: &Connection, job: &Job, new: usize) -> Result<(), rusqlite::Error> {
    for (seq, note) in job.notes.iter().enumerate().skip(job.notes.len() - new) {
        conn.prepare_cached("INSERT INTO note (job, seq, text, by, at) VALUES (?1, ?2, ?3, ?4, ?5)")?
            .execute(params![row_of(job), seq as i64, note.text, note.by, note.at.nanos()])?;
    }
    Ok(())
}

/// Inserts the newest `new` redactions.
fn insert_redactions(conn: &Connection, job: &Job, new: usize) -> Result<(), rusqlite::Error> {
    let sql = "INSERT INTO redaction (job, seq, position, reason, by, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    for (seq, redaction) in job.redactions.iter().enumerate().skip(job.redactions.len() - new) {
        let Redaction { position, reason, by, at } = redaction;
        let values = params![row_of(job), seq as i64, position.get() as i64, reason, by, at.nanos()];
        conn.prepare_cached(sql)?.execute(values)?;
    }
    Ok(())
}

/// Removes every row of a job, so that the job may be written as a new one. Does nothing if the job has no rows.
pub(super) fn remove(conn: &Connection, key: &JobKey, counts: &mut CountChanges) -> Result<(), Error> {
    let Some(saved) = load_job(conn, key)? else { return Ok(()) };
    counts.removed(&saved.summary);
    delete(conn, &saved).map_err(Error::doing("remove a job's rows"))
}

fn delete(conn: &Connection, saved: &Job) -> Result<(), rusqlite::Error> {
    let (row, org) = (row_of(saved), saved.key.org.to_string());
    let of_job = ["spec", "item", "note", "redaction", "snapshot_item"].map(|table| (table, "job"));
    for (table, column) in [("job", "id"), ("snapshot", "id")].into_iter().chain(of_job) {
        conn.prepare_cached(&format!("DELETE FROM {table} WHERE {column} = ?1"))?.execute([row])?;
    }
    // The index of labels begins with their text, so the delete names the text.
    for (key, value) in &saved.labels {
        conn.prepare_cached("DELETE FROM label WHERE org = ?1 AND key = ?2 AND value = ?3 AND job = ?4")?
            .execute(params![org, key, value, row])?;
    }
    Ok(())
}
