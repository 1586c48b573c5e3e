//! A job into rows: only the rows that changed.

use std::collections::BTreeSet;

use rusqlite::{Connection, params};

use super::Error;
use super::load::load_job;
use super::snapshot::{self, Replaced, Snapshot};
use crate::job::{Change, Conflict, Detail, Fact, Item, Job, JobKey, JobType, Redaction, State, Time};

/// Which rows of a job changed since it was last saved.
#[derive(Debug, Default)]
pub(super) struct Dirty {
    /// The job has no rows yet.
    pub new: bool,
    /// Its state moved.
    pub state: bool,
    /// Places of changed items.
    pub items: BTreeSet<usize>,
    /// How many new notes.
    pub notes: usize,
    /// How many new redactions.
    pub redactions: usize,
    /// Snapshots that came due, oldest first.
    snapshots: Vec<Snapshot>,
    /// Results of items that a snapshot shows and that were replaced.
    replaced: Vec<Replaced>,
}

impl Dirty {
    /// The job that `fact` begins. It has no rows yet: everything is to be written.
    pub(super) fn begin(fact: Fact) -> Result<(Job, Dirty), Conflict> {
        let job = Job::begin(fact)?;
        let dirty = Dirty { new: true, state: true, items: (0..job.items.len()).collect(), ..Dirty::default() };
        Ok((job, dirty))
    }

    /// Lets `fact` happen to `job` and notes which rows that changes.
    pub(super) fn take(&mut self, job: &mut Job, fact: Fact) -> Result<(), Conflict> {
        let before = job.state.status();
        let replaced = Replaced::by(&fact, job);
        match job.apply(fact)? {
            Change::Job => {}
            Change::Item(place) => drop(self.items.insert(place)),
            Change::Note => self.notes += 1,
            Change::Redaction => self.redactions += 1,
        }
        self.state |= job.state.status() != before;
        self.replaced.extend(replaced);
        self.snapshots.extend(Snapshot::due(job));
        Ok(())
    }
}

/// Whether a job's rows were written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Saved {
    /// They were.
    Written,
    /// The job is new and has a row already: the log creates it twice. Nothing was written.
    Exists,
}

/// Writes the rows that changed.
pub(super) fn save(conn: &Connection, job: &Job, dirty: &Dirty) -> Result<Saved, Error> {
    write(conn, job, dirty).map_err(Error::doing("write a job's rows"))
}

fn write(conn: &Connection, job: &Job, dirty: &Dirty) -> Result<Saved, rusqlite::Error> {
    let row = job.created_position.get() as i64;
    if dirty.new && !insert_job(conn, row, job)? {
        return Ok(Saved::Exists);
    }
    for then in &dirty.snapshots {
        update_state(conn, row, &then.summary.state)?;
        update_job(conn, row, then)?;
        snapshot::keep(conn, row)?;
    }
    if dirty.state || !dirty.snapshots.is_empty() {
        update_state(conn, row, &job.state)?;
    }
    update_job(conn, row, &Snapshot::of(job))?;
    for place in &dirty.items {
        put_item(conn, (row, *place, None), &job.items.as_slice()[*place])?;
    }
    for Replaced { place, until, item } in &dirty.replaced {
        put_item(conn, (row, *place, Some(*until)), item)?;
    }
    for (seq, note) in job.notes.iter().enumerate().skip(job.notes.len() - dirty.notes) {
        conn.prepare_cached("INSERT INTO note (job, seq, text, by, at) VALUES (?1, ?2, ?3, ?4, ?5)")?
            .execute(params![row, seq as i64, note.text, note.by, note.at.nanos()])?;
    }
    for (seq, redaction) in job.redactions.iter().enumerate().skip(job.redactions.len() - dirty.redactions) {
        let Redaction { position, reason, by, at } = redaction;
        let sql = "INSERT INTO redaction (job, seq, position, reason, by, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        conn.prepare_cached(sql)?.execute(params![row, seq as i64, position.get() as i64, reason, by, at.nanos()])?;
    }
    Ok(Saved::Written)
}

/// Takes every row of a job away where it has any, that it may be written as a new one.
pub(super) fn remove(conn: &Connection, key: &JobKey) -> Result<(), Error> {
    let Some(saved) = load_job(conn, key)? else { return Ok(()) };
    delete(conn, &saved).map_err(Error::doing("remove a job's rows"))
}

fn delete(conn: &Connection, saved: &Job) -> Result<(), rusqlite::Error> {
    let (row, org) = (saved.created_position.get() as i64, saved.key.org.to_string());
    let of_job = ["spec", "item", "note", "redaction", "snapshot_item"].map(|table| (table, "job"));
    for (table, column) in [("job", "id"), ("snapshot", "id")].into_iter().chain(of_job) {
        conn.prepare_cached(&format!("DELETE FROM {table} WHERE {column} = ?1"))?.execute([row])?;
    }
    // These are found by what they say.
    for (key, value) in &saved.labels {
        conn.prepare_cached("DELETE FROM label WHERE org = ?1 AND key = ?2 AND value = ?3 AND job = ?4")?
            .execute(params![org, key, value, row])?;
    }
    Ok(())
}

/// Inserts the rows of a new job; `false` if the job has a row already.
fn insert_job(conn: &Connection, row: i64, job: &Job) -> Result<bool, rusqlite::Error> {
    let org = job.key.org.to_string();
    let labels = (!job.labels.is_empty()).then(|| serde_json::to_string(&job.labels).expect("labels are text"));
    let inserted = conn.prepare_cached(
        "INSERT INTO job (id, org, subject, kind, job_type, status, position, events, bytes, created_at, created_by, \
         labels, percent, items, notes, redactions) VALUES (?1, ?2, ?3, ?4, ?5, 'pending', ?1, 1, 0, ?6, ?7, ?8, 0, 0, 0, 0) \
         ON CONFLICT (org, subject) DO NOTHING",
    )?
    .execute(params![
        row,
        org,
        job.key.id.as_str(),
        job.kind.as_str(),
        job.job_type.as_ref().map(JobType::as_str),
        job.created_at.nanos(),
        job.created_by,
        labels,
    ])?;
    if inserted == 0 {
        return Ok(false);
    }
    conn.prepare_cached("INSERT INTO spec (job, spec) VALUES (?1, ?2)")?.execute(params![row, &*job.spec_json.0])?;
    for (key, value) in &job.labels {
        conn.prepare_cached("INSERT INTO label (org, key, value, job) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![org, key, value, row])?;
    }
    Ok(true)
}

/// Apart from the other columns, because the status is indexed: naming it writes the index again, moved or not.
fn update_state(conn: &Connection, row: i64, state: &State) -> Result<(), rusqlite::Error> {
    let cancelled = match state {
        State::Cancelled { by, reason, position, .. } => Some((by, reason, position)),
        _ => None,
    };
    conn.prepare_cached(
        "UPDATE job SET status = ?2, started_at = ?3, ended_at = ?4, cancelled_by = ?5, cancelled_reason = ?6, \
         cancelled_position = ?7 WHERE id = ?1",
    )?
    .execute(params![
        row,
        state.status().as_str(),
        state.started_at().map(Time::nanos),
        state.ended_at().map(Time::nanos),
        cancelled.map(|(by, ..)| by),
        cancelled.and_then(|(_, reason, _)| reason.as_ref()),
        cancelled.map(|(.., position)| position.get() as i64),
    ])
    .map(|_| ())
}

fn update_job(conn: &Connection, row: i64, then: &Snapshot) -> Result<(), rusqlite::Error> {
    let job = &then.summary;
    let counts = job.tally.counts;
    let number = |count: Option<u64>| count.map(|n| n as i64);
    let hook = job.hook.as_ref();
    let exit = hook.and_then(|hook| hook.exit);
    conn.prepare_cached(
        "UPDATE job SET position = ?2, message = ?3, current_step = ?4, percent = ?5, records_processed = ?6, \
         total_records = ?7, records_created = ?8, records_updated = ?9, records_deleted = ?10, hook_head = ?11, \
         hook_len = ?12, hook_exit_code = ?13, hook_seconds = ?14, items = ?15, notes = ?16, \
         redactions = ?17, events = ?18, bytes = ?19 WHERE id = ?1",
    )?
    .execute(params![
        row,
        job.position.get() as i64,
        job.message,
        job.current_step,
        job.tally.percent,
        number(counts.processed),
        number(counts.total),
        number(counts.created),
        number(counts.updated),
        number(counts.deleted),
        hook.map(|hook| &hook.head),
        hook.map(|hook| hook.len as i64),
        exit.map(|exit| exit.code),
        exit.map(|exit| exit.seconds as i64),
        then.items as i64,
        then.notes as i64,
        then.redactions as i64,
        job.events as i64,
        job.bytes as i64,
    ])
    .map(|_| ())
}

/// Writes the item's newest result, or one that was replaced: `until` says by which of the job's events.
fn put_item(
    conn: &Connection,
    (row, place, until): (i64, usize, Option<u64>),
    item: &Item,
) -> Result<(), rusqlite::Error> {
    let (info, json) = match &item.detail {
        Some(Detail::Credentials(info)) => (Some(info), None),
        Some(Detail::Json(json)) => (None, Some(&*json.0)),
        None => (None, None),
    };
    let keys = info.map(|info| serde_json::to_string(&info.secret_keys).expect("keys are text"));
    let sql = match until {
        None => {
            "INSERT OR REPLACE INTO item (job, seq, item, status, message, provider, secret_id, secret_keys, detail, at, \
             since) VALUES (?1, ?2, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)"
        }
        Some(_) => "INSERT INTO snapshot_item VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    };
    conn.prepare_cached(sql)?
        .execute(params![
            row,
            place as i64,
            until.map(|until| until as i64),
            item.id.as_str(),
            item.status.as_str(),
            item.message,
            info.map(|info| info.provider.as_str()),
            info.map(|info| &info.secret_id),
            keys,
            json,
            item.at.map(Time::nanos),
            item.since as i64,
        ])
        .map(|_| ())
}
