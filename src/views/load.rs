//! Loads a job from its rows: exactly the [`Job`] that the projector saved.

use std::ops::Deref;
use std::sync::{Arc, LazyLock};

use rusqlite::{Connection, Row, ToSql, params};

use super::Error;
use super::columns::{ItemColumn, JobColumn};
use super::item_row::read_item;
use super::job_row::{Parts, read_parts, read_summary};
use super::set_aside::set_aside_at;
use crate::cache::job_weight;
use crate::job::{Item, Items, Job, JobKey, Kind, Note, Position, RawJson, Redaction, Spec, Summary, Time};
use crate::wire;

/// Reads the job ?2 of the organisation ?1 as it is now.
static NOW: LazyLock<String> =
    LazyLock::new(|| format!("SELECT {} FROM job WHERE org = ?1 AND subject = ?2", JobColumn::LIST));
/// Reads the job ?2 of the organisation ?1 as it is now, if its newest event is at or before the position ?3.
static NOW_AT: LazyLock<String> = LazyLock::new(|| format!("{} AND position <= ?3", *NOW));
/// Reads the newest snapshot of the job ?2 of the organisation ?1 at or before the position ?3.
static SNAPSHOT_AT: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {} FROM snapshot AS job WHERE id = (SELECT id FROM job WHERE org = ?1 AND subject = ?2) AND position <= ?3 \
         ORDER BY position DESC LIMIT 1",
        JobColumn::LIST
    )
});
/// Reads the items of the job ?1, which has ?2 events, as they are now.
static ITEMS: LazyLock<String> =
    LazyLock::new(|| format!("SELECT {} FROM item WHERE job = ?1 AND since <= ?2 ORDER BY seq", ItemColumn::LIST));
/// Reads the items of the job ?1 as they were after its event number ?2, at which a snapshot was made. If later events replaced an
/// item's result, reads the replaced result that ended first after ?2.
///
/// `CROSS JOIN` keeps the order of the loops: for each item one search for its replaced result. SQLite's own plan reads the replaced
/// results of all jobs. Both parts come in the order of `seq`, so SQLite merges them without a sort.
static SNAPSHOT_ITEMS: LazyLock<String> = LazyLock::new(|| {
    let list = ItemColumn::LIST;
    format!(
        "SELECT {list}, item.seq AS seq FROM item WHERE job = ?1 AND since <= ?2 \
         UNION ALL SELECT {list}, now.seq AS seq FROM item AS now CROSS JOIN snapshot_item AS item ON item.job = now.job \
         AND item.seq = now.seq AND item.until = (SELECT min(until) FROM snapshot_item AS next \
         WHERE next.job = now.job AND next.seq = now.seq AND next.until > ?2) \
         WHERE now.job = ?1 AND now.since > ?2 AND item.since <= ?2 ORDER BY seq"
    )
});

/// A job of more bytes than this is large: 64 KiB.
const LARGE: u64 = 64 << 10;

/// A job as the views show it.
#[derive(Debug, Clone)]
pub enum Found {
    /// The job with its parts.
    Whole(Arc<Job>),
    /// A large job without its parts, because loading and rendering them takes long.
    Large {
        /// The job's row.
        row: Arc<Summary>,
        /// How many notes the job has.
        notes: usize,
    },
}

impl Deref for Found {
    type Target = Summary;

    fn deref(&self) -> &Summary {
        match self {
            Found::Whole(job) => job,
            Found::Large { row, .. } => row,
        }
    }
}

impl Found {
    /// How many notes the job has.
    pub fn notes(&self) -> usize {
        match self {
            Found::Whole(job) => job.notes.len(),
            Found::Large { notes, .. } => *notes,
        }
    }

    /// About how many bytes this value takes in memory.
    pub fn weight(&self) -> usize {
        match self {
            Found::Whole(job) => job_weight(job),
            Found::Large { row, .. } => 2048 + row.text_len(),
        }
    }
}

/// Whether loading and rendering the job takes long: the job has over 64 KiB, or more hook output than the views store, and the log
/// has to give the rest.
pub fn is_large(job: &Summary) -> bool {
    job.bytes > LARGE || job.hook.as_ref().is_some_and(|hook| hook.len > hook.head.len() as u64)
}

/// The job as the views show it, without its parts if it is large; `None` if there is no such job.
///
/// # Errors
///
/// [`Error::SetAside`] for a job that does not fold.
pub fn find_job(conn: &Connection, key: &JobKey) -> Result<Option<Found>, Error> {
    let found = match read_row(conn, &NOW, &[&key.org.to_string(), &key.id.as_str()])? {
        Some(JobRow { summary, parts }) if is_large(&summary) => {
            Some(Found::Large { row: Arc::new(summary), notes: parts.notes as usize })
        }
        Some(row) => Some(Found::Whole(Arc::new(row.complete(conn, &ITEMS)?))),
        None => None,
    };
    unless_set_aside(conn, key, found)
}

/// The job's row as the views show it; `None` if there is no such job, or if it was set aside.
///
/// # Errors
///
/// The views cannot be read.
pub fn read_job_row(conn: &Connection, key: &JobKey) -> Result<Option<Summary>, Error> {
    Ok(read_row(conn, &NOW, &[&key.org.to_string(), &key.id.as_str()])?.map(|row| row.summary))
}

/// The whole job as the views show it, however large; `None` if there is no such job.
///
/// # Errors
///
/// [`Error::SetAside`] for a job that does not fold.
pub fn read_job(conn: &Connection, key: &JobKey) -> Result<Option<Job>, Error> {
    unless_set_aside(conn, key, load_job(conn, key)?)
}

fn unless_set_aside<T>(conn: &Connection, key: &JobKey, found: Option<T>) -> Result<Option<T>, Error> {
    if found.is_none()
        && let Some(position) = set_aside_at(conn, key)?
    {
        return Err(Error::SetAside { position });
    }
    Ok(found)
}

/// The job from its rows; `None` if the job has no rows.
pub(super) fn load_job(conn: &Connection, key: &JobKey) -> Result<Option<Job>, Error> {
    let row = read_row(conn, &NOW, &[&key.org.to_string(), &key.id.as_str()])?;
    row.map(|row| row.complete(conn, &ITEMS)).transpose()
}

/// The newest state of the job at or before `upto` in the views: its present state, or a snapshot. `None` if the views have neither.
///
/// # Errors
///
/// The views cannot be read.
pub fn load_past(conn: &Connection, key: &JobKey, upto: Position) -> Result<Option<Job>, Error> {
    let bounds = params![key.org.to_string(), key.id.as_str(), upto.get() as i64];
    if let Some(row) = read_row(conn, &NOW_AT, bounds)? {
        return row.complete(conn, &ITEMS).map(Some);
    }
    let row = read_row(conn, &SNAPSHOT_AT, bounds)?;
    row.map(|row| row.complete(conn, &SNAPSHOT_ITEMS)).transpose()
}

/// A job's row.
struct JobRow {
    summary: Summary,
    parts: Parts,
}

fn read_row(conn: &Connection, sql: &str, bounds: &[&dyn ToSql]) -> Result<Option<JobRow>, Error> {
    let doing = || Error::doing("read a job");
    let mut statement = conn.prepare_cached(sql).map_err(doing())?;
    let mut rows = statement.query(bounds).map_err(doing())?;
    let Some(row) = rows.next().map_err(doing())? else { return Ok(None) };
    Ok(Some(JobRow { summary: read_summary(row)?, parts: read_parts(row)? }))
}

impl JobRow {
    /// The job with its parts; the statement `items` reads its items.
    fn complete(self, conn: &Connection, items: &str) -> Result<Job, Error> {
        let JobRow { summary, parts } = self;
        let row = summary.created_position.get() as i64;
        let (spec, spec_json) = load_spec(conn, row, summary.kind)?;
        // Skips the look-up if the job's row counts no parts: most jobs have no such parts, and an empty look-up costs as much.
        let items = if parts.items > 0 { load_items(conn, items, row, summary.events)? } else { Vec::new() };
        let notes = if parts.notes > 0 { load_notes(conn, row, parts.notes)? } else { Vec::new() };
        let redactions = if parts.redactions > 0 { load_redactions(conn, row, parts.redactions)? } else { Vec::new() };
        Ok(Job { summary, spec, spec_json, items: Items::from_list(items), notes, redactions })
    }
}

fn load_spec(conn: &Connection, row: i64, kind: Kind) -> Result<(Spec, RawJson), Error> {
    let json: String = conn
        .prepare_cached("SELECT spec FROM spec WHERE job = ?1")
        .and_then(|mut statement| statement.query_row([row], |row| row.get(0)))
        .map_err(Error::doing("read a job's spec"))?;
    let spec = wire::read_spec(kind, &json).map_err(|error| Error::Damaged(error.to_string()))?;
    Ok((spec, RawJson(json.into())))
}

fn load_items(conn: &Connection, sql: &str, row: i64, events: u64) -> Result<Vec<Item>, Error> {
    let doing = || Error::doing("read a job's items");
    let mut statement = conn.prepare_cached(sql).map_err(doing())?;
    let mut rows = statement.query([row, events as i64]).map_err(doing())?;
    let mut items = Vec::new();
    while let Some(row) = rows.next().map_err(doing())? {
        items.push(read_item(row)?);
    }
    Ok(items)
}

fn load_notes(conn: &Connection, row: i64, most: u64) -> Result<Vec<Note>, Error> {
    conn.prepare_cached("SELECT text, by, at FROM note WHERE job = ?1 ORDER BY seq LIMIT ?2")
        .and_then(|mut statement| statement.query_map([row, most as i64], read_note)?.collect())
        .map_err(Error::doing("read a job's notes"))
}

fn read_note(row: &Row<'_>) -> Result<Note, rusqlite::Error> {
    Ok(Note { text: row.get(0)?, by: row.get(1)?, at: Time::from_nanos(row.get(2)?) })
}

/// The newest `most` of the first `count` notes of a job, oldest first. `created` is the position of the job's `job.created`.
///
/// # Errors
///
/// The views cannot be read.
pub fn newest_notes(conn: &Connection, created: Position, count: usize, most: usize) -> Result<Vec<Note>, Error> {
    let first = count.saturating_sub(most);
    let sql = "SELECT text, by, at FROM note WHERE job = ?1 AND seq >= ?2 AND seq < ?3 ORDER BY seq";
    conn.prepare_cached(sql)
        .and_then(|mut statement| {
            statement.query_map(params![created, first as i64, count as i64], read_note)?.collect()
        })
        .map_err(Error::doing("read a job's newest notes"))
}

fn load_redactions(conn: &Connection, row: i64, most: u64) -> Result<Vec<Redaction>, Error> {
    let redaction = |row: &Row<'_>| {
        Ok(Redaction {
            position: Position::new(row.get::<_, i64>(0)? as u64),
            reason: row.get(1)?,
            by: row.get(2)?,
            at: Time::from_nanos(row.get(3)?),
        })
    };
    conn.prepare_cached("SELECT position, reason, by, at FROM redaction WHERE job = ?1 ORDER BY seq LIMIT ?2")
        .and_then(|mut statement| statement.query_map([row, most as i64], redaction)?.collect())
        .map_err(Error::doing("read a job's redactions"))
}

#[cfg(test)]
mod tests {
    use super::super::open::TABLES;
    use super::*;

    /// SQLite's plan of a statement, a line for each step.
    fn plan(sql: &str) -> Vec<String> {
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch(TABLES).unwrap();
        let mut statement = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        statement.query_map([1, 500], |row| row.get(3)).unwrap().map(Result::unwrap).collect()
    }

    #[test]
    fn items_are_searched_by_key_and_not_sorted() {
        for sql in [&ITEMS, &SNAPSHOT_ITEMS] {
            let plan = plan(sql);
            assert!(plan.iter().all(|step| !step.contains("SCAN") && !step.contains("TEMP")), "{plan:#?}");
        }
    }
}
