//! Rows into a job: the exact `Job` that was saved.

use std::ops::Deref;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};

use super::Error;
use super::cache::job_weight;
use super::set_aside::set_aside_at;
use crate::job::{
    Counts, Credentials, Detail, Hook, HookExit, Item, ItemId, Items, Job, JobKey, Kind, Labels, Note, OrgId, Position,
    RawJson, Redaction, Spec, State, Status, Summary, Tally, Time,
};
use crate::wire;

/// The columns of [`summary`], in its order.
pub(super) const SUMMARY: &str = "job.id, job.org, job.subject, job.kind, job.job_type, job.status, job.position, \
     job.created_at, job.started_at, job.ended_at, job.created_by, job.labels, job.cancelled_by, job.cancelled_reason, \
     job.cancelled_position, job.message, job.current_step, job.percent, job.records_processed, job.total_records, \
     job.records_created, job.records_updated, job.records_deleted, job.hook_head, job.hook_len, job.hook_exit_code, \
     job.hook_seconds, job.events, job.bytes";
/// The columns that count a job's parts.
const PARTS: &str = "job.items, job.notes, job.redactions";
/// Reads the items of the job ?1 as they are now.
const ITEMS: &str = "SELECT item, status, message, provider, secret_id, secret_keys, detail, at, since FROM item \
     WHERE job = ?1 AND since <= ?2 ORDER BY seq";
/// Reads the items of the job ?1 as they were after its event number ?2, after which there is a snapshot. A result that was
/// replaced since is the first one with a later end.
const SNAPSHOT_ITEMS: &str = "SELECT item, status, message, provider, secret_id, secret_keys, detail, at, since FROM ( \
     SELECT * FROM item WHERE job = ?1 AND since <= ?2 \
     UNION ALL SELECT past.job, past.seq, past.item, past.status, past.message, past.provider, past.secret_id, \
     past.secret_keys, past.detail, past.at, past.since FROM item JOIN snapshot_item AS past ON past.job = item.job \
     AND past.seq = item.seq AND past.until = (SELECT min(until) FROM snapshot_item AS next \
     WHERE next.job = item.job AND next.seq = item.seq AND next.until > ?2) \
     WHERE item.job = ?1 AND item.since > ?2 AND past.since <= ?2) ORDER BY seq";

/// A job of more bytes than this is large: 64 KiB.
const LARGE: u64 = 64 << 10;

/// A job as the views show it.
#[derive(Debug, Clone)]
pub enum Found {
    /// With its parts.
    Whole(Arc<Job>),
    /// A large job without them: loading and rendering it takes long.
    Large(Arc<Summary>),
}

impl Deref for Found {
    type Target = Summary;

    fn deref(&self) -> &Summary {
        match self {
            Found::Whole(job) => job,
            Found::Large(row) => row,
        }
    }
}

impl Found {
    /// About how many bytes it takes in memory.
    pub fn weight(&self) -> usize {
        match self {
            Found::Whole(job) => job_weight(job),
            Found::Large(row) => 2048 + row.text_len(),
        }
    }
}

/// Whether loading and rendering the job takes long: it has much to show, or output that only the log has.
pub fn is_large(job: &Summary) -> bool {
    job.bytes > LARGE || job.hook.as_ref().is_some_and(|hook| hook.len > hook.head.len() as u64)
}

/// The job as the views show it, without its parts if it is large; `None` where there is none of that name.
///
/// # Errors
///
/// [`Error::SetAside`] for a job that does not fold.
pub fn find_job(conn: &Connection, key: &JobKey) -> Result<Option<Found>, Error> {
    let found = match current(conn, key)? {
        Some(row) if is_large(&row.summary) => Some(Found::Large(Arc::new(row.summary))),
        Some(row) => Some(Found::Whole(Arc::new(row.complete(conn, ITEMS)?))),
        None => None,
    };
    unless_set_aside(conn, key, found)
}

/// The whole job as the views show it, however large; `None` where there is none of that name.
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

/// The rows of a job; `None` where there are none.
pub(super) fn load_job(conn: &Connection, key: &JobKey) -> Result<Option<Job>, Error> {
    current(conn, key)?.map(|row| row.complete(conn, ITEMS)).transpose()
}

fn current(conn: &Connection, key: &JobKey) -> Result<Option<JobRow>, Error> {
    let sql = format!("SELECT {SUMMARY}, {PARTS} FROM job WHERE org = ?1 AND subject = ?2");
    row(conn, &sql, params![key.org.to_string(), key.id.as_str()])
}

/// The newest state of the job at or before `upto` that the views have: as it is now, or a snapshot. `None` where they have none.
pub fn load_past(conn: &Connection, key: &JobKey, upto: Position) -> Result<Option<Job>, Error> {
    let named = params![key.org.to_string(), key.id.as_str(), upto.get() as i64];
    let sql = format!("SELECT {SUMMARY}, {PARTS} FROM job WHERE org = ?1 AND subject = ?2 AND position <= ?3");
    if let Some(row) = row(conn, &sql, named)? {
        return row.complete(conn, ITEMS).map(Some);
    }
    let sql = format!(
        "SELECT {SUMMARY}, {PARTS} FROM snapshot AS job \
         WHERE id = (SELECT id FROM job WHERE org = ?1 AND subject = ?2) AND position <= ?3 ORDER BY position DESC LIMIT 1"
    );
    let row = row(conn, &sql, named)?;
    row.map(|row| row.complete(conn, SNAPSHOT_ITEMS)).transpose()
}

/// A job's row, and how many parts the job has.
struct JobRow {
    summary: Summary,
    items: i64,
    notes: i64,
    redactions: i64,
}

fn row(conn: &Connection, sql: &str, named: &[&dyn ToSql]) -> Result<Option<JobRow>, Error> {
    let doing = || Error::doing("read a job");
    let mut statement = conn.prepare_cached(sql).map_err(doing())?;
    let row = statement.query_row(named, |row| {
        let count = |parts| row.get::<_, i64>(parts);
        Ok((summary(row), count("items")?, count("notes")?, count("redactions")?))
    });
    let Some((summary, items, notes, redactions)) = row.optional().map_err(doing())? else { return Ok(None) };
    Ok(Some(JobRow { summary: summary?, items, notes, redactions }))
}

impl JobRow {
    /// The job with its parts; the statement `items` reads its items.
    fn complete(self, conn: &Connection, items: &str) -> Result<Job, Error> {
        let JobRow { summary, items: count, notes, redactions } = self;
        let row = summary.created_position.get() as i64;
        let (spec, spec_json) = load_spec(conn, row, summary.kind)?;
        // Most jobs have none, and a look-up that finds nothing costs as much as one that does.
        let items = if count > 0 { load_items(conn, items, row, summary.events)? } else { Vec::new() };
        let notes = if notes > 0 { load_notes(conn, row, notes)? } else { Vec::new() };
        let redactions = if redactions > 0 { load_redactions(conn, row, redactions)? } else { Vec::new() };
        Ok(Job { summary, spec, spec_json, items: Items::from_list(items), notes, redactions })
    }
}

/// Reads a row of [`SUMMARY`].
pub(super) fn summary(row: &Row<'_>) -> Result<Summary, Error> {
    let text = |at: usize| row.get::<_, Option<String>>(at).map_err(Error::doing("read a job's row"));
    let number = |at: usize| row.get::<_, Option<i64>>(at).map_err(Error::doing("read a job's row"));
    let needed = |at: usize| number(at)?.ok_or_else(|| Error::Damaged(format!("column {at} of a job is NULL")));
    let word = |at: usize| text(at)?.ok_or_else(|| Error::Damaged(format!("column {at} of a job is NULL")));
    let count = |at: usize| Ok::<_, Error>(number(at)?.map(|n| n as u64));
    let time = |at: usize| Ok::<_, Error>(number(at)?.map(Time::from_nanos));

    let created_position = Position::new(needed(0)? as u64);
    let org: OrgId = read(&word(1)?)?;
    let labels = match text(11)? {
        Some(json) => serde_json::from_str(&json).map_err(|error| Error::Damaged(error.to_string()))?,
        None => Labels::new(),
    };
    let cancelled = match (text(12)?, number(14)?) {
        (Some(by), Some(position)) => Some((by, text(13)?, Position::new(position as u64))),
        _ => None,
    };
    let hook = match (text(23)?, number(24)?) {
        (Some(head), Some(len)) => {
            let exit = match (number(25)?, number(26)?) {
                (Some(code), Some(seconds)) => Some(HookExit { code: code as i32, seconds: seconds as u64 }),
                _ => None,
            };
            Some(Hook { head, len: len as u64, exit })
        }
        _ => None,
    };
    Ok(Summary {
        key: JobKey { org, id: read(&word(2)?)? },
        created_position,
        position: Position::new(needed(6)? as u64),
        events: needed(27)? as u64,
        bytes: needed(28)? as u64,
        kind: read(&word(3)?)?,
        job_type: text(4)?.map(|word| read(&word)).transpose()?,
        created_at: Time::from_nanos(needed(7)?),
        created_by: word(10)?,
        labels,
        state: state(read(&word(5)?)?, time(8)?, time(9)?, cancelled)?,
        message: text(15)?,
        current_step: text(16)?,
        tally: Tally {
            percent: needed(17)? as u8,
            counts: Counts {
                processed: count(18)?,
                total: count(19)?,
                created: count(20)?,
                updated: count(21)?,
                deleted: count(22)?,
            },
        },
        hook,
    })
}

fn state(
    status: Status,
    started_at: Option<Time>,
    ended_at: Option<Time>,
    cancelled: Option<(String, Option<String>, Position)>,
) -> Result<State, Error> {
    Ok(match (status, started_at, ended_at, cancelled) {
        (Status::Pending, None, None, None) => State::Pending,
        (Status::Running, Some(started_at), None, None) => State::Running { started_at },
        (Status::Completed, Some(started_at), Some(ended_at), None) => State::Completed { started_at, ended_at },
        (Status::Failed, started_at, Some(ended_at), None) => State::Failed { started_at, ended_at },
        (Status::Cancelled, started_at, Some(ended_at), Some((by, reason, position))) => {
            State::Cancelled { started_at, ended_at, by, reason, position }
        }
        (status, ..) => return Err(Error::Damaged(format!("a {status} job without what such a job has"))),
    })
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
        let text = |at: usize| row.get::<_, String>(at).map_err(doing());
        let optional = |at: usize| row.get::<_, Option<String>>(at).map_err(doing());
        let detail = match (optional(3)?, optional(4)?, optional(5)?, optional(6)?) {
            (Some(provider), Some(secret_id), Some(keys), None) => Some(Detail::Credentials(Credentials {
                provider: read(&provider)?,
                secret_id,
                secret_keys: serde_json::from_str(&keys).map_err(|error| Error::Damaged(error.to_string()))?,
            })),
            (.., json) => json.map(|json| Detail::Json(RawJson(json.into()))),
        };
        items.push(Item {
            id: read::<ItemId>(&text(0)?)?,
            status: read(&text(1)?)?,
            message: optional(2)?,
            detail,
            at: row.get::<_, Option<i64>>(7).map_err(doing())?.map(Time::from_nanos),
            since: row.get::<_, i64>(8).map_err(doing())? as u64,
        });
    }
    Ok(items)
}

fn load_notes(conn: &Connection, row: i64, count: i64) -> Result<Vec<Note>, Error> {
    let doing = Error::doing("read a job's notes");
    conn.prepare_cached("SELECT text, by, at FROM note WHERE job = ?1 ORDER BY seq LIMIT ?2")
        .and_then(|mut statement| {
            let note =
                |row: &Row<'_>| Ok(Note { text: row.get(0)?, by: row.get(1)?, at: Time::from_nanos(row.get(2)?) });
            statement.query_map([row, count], note)?.collect()
        })
        .map_err(doing)
}

fn load_redactions(conn: &Connection, row: i64, count: i64) -> Result<Vec<Redaction>, Error> {
    let doing = Error::doing("read a job's redactions");
    conn.prepare_cached("SELECT position, reason, by, at FROM redaction WHERE job = ?1 ORDER BY seq LIMIT ?2")
        .and_then(|mut statement| {
            let redaction = |row: &Row<'_>| {
                Ok(Redaction {
                    position: Position::new(row.get::<_, i64>(0)? as u64),
                    reason: row.get(1)?,
                    by: row.get(2)?,
                    at: Time::from_nanos(row.get(3)?),
                })
            };
            statement.query_map([row, count], redaction)?.collect()
        })
        .map_err(doing)
}

/// A word or id as it was saved.
fn read<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, Error> {
    text.parse().map_err(|error: T::Err| Error::Damaged(error.to_string()))
}
