//! Jobs whose events cannot be folded: the projector sets them aside, and every other job goes on.
//!
//! The views store only the position of the event, and not the cause: the cause may quote data of the event, and a redaction would
//! not remove that quote.

use rusqlite::{Connection, OptionalExtension, params};

use super::Error;
use crate::job::{JobKey, OrgId, Position};

/// A job that the projector has set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAside {
    /// The job.
    pub key: JobKey,
    /// The first event that does not fold.
    pub position: Position,
}

/// At most `limit` of the jobs that are set aside, of `org` or of every organisation, ordered by key.
///
/// # Errors
///
/// The views cannot be read.
pub fn list_set_aside(conn: &Connection, org: Option<OrgId>, limit: usize) -> Result<Vec<SetAside>, Error> {
    let doing = || Error::doing("list the jobs that are set aside");
    let sql =
        "SELECT org, subject, position FROM set_aside WHERE ?1 IS NULL OR org = ?1 ORDER BY org, subject LIMIT ?2";
    let mut statement = conn.prepare_cached(sql).map_err(doing())?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut rows = statement.query(params![org.map(|org| org.to_string()), limit]).map_err(doing())?;
    let mut jobs = Vec::new();
    while let Some(row) = rows.next().map_err(doing())? {
        let (org, id) = (row.get::<_, String>(0).map_err(doing())?, row.get::<_, String>(1).map_err(doing())?);
        let damaged = |word: &str| Error::Damaged(format!("`{word}` is no key of a job that is set aside"));
        let key = JobKey { org: org.parse().map_err(|_| damaged(&org))?, id: id.parse().map_err(|_| damaged(&id))? };
        jobs.push(SetAside { key, position: Position::new(row.get::<_, i64>(2).map_err(doing())? as u64) });
    }
    Ok(jobs)
}

/// How many jobs are set aside.
///
/// # Errors
///
/// The views cannot be read.
pub fn count_set_aside(conn: &Connection) -> Result<u64, Error> {
    let counted = conn.query_row("SELECT count(*) FROM set_aside", [], |row| row.get::<_, i64>(0));
    Ok(counted.map_err(Error::doing("count the jobs that are set aside"))? as u64)
}

/// The first event of the job that does not fold, if the job is set aside.
pub(super) fn set_aside_at(conn: &Connection, key: &JobKey) -> Result<Option<Position>, Error> {
    let doing = || Error::doing("look whether a job is set aside");
    let sql = "SELECT position FROM set_aside WHERE org = ?1 AND subject = ?2";
    let mut statement = conn.prepare_cached(sql).map_err(doing())?;
    let found = statement.query_row(params![key.org.to_string(), key.id.as_str()], |row| row.get::<_, i64>(0));
    Ok(found.optional().map_err(doing())?.map(|position| Position::new(position as u64)))
}

/// Notes that a job is set aside.
pub(super) fn add(conn: &Connection, job: &SetAside) -> Result<(), Error> {
    let sql = "INSERT OR REPLACE INTO set_aside (org, subject, position) VALUES (?1, ?2, ?3)";
    let values = params![job.key.org.to_string(), job.key.id.as_str(), job.position.get() as i64];
    let added = conn.prepare_cached(sql).and_then(|mut statement| statement.execute(values));
    added.map(|_| ()).map_err(Error::doing("set a job aside"))
}

/// Takes a job back that folds again.
pub(super) fn take_back(conn: &Connection, key: &JobKey) -> Result<(), Error> {
    let sql = "DELETE FROM set_aside WHERE org = ?1 AND subject = ?2";
    let taken = conn
        .prepare_cached(sql)
        .and_then(|mut statement| statement.execute(params![key.org.to_string(), key.id.as_str()]));
    taken.map(|_| ()).map_err(Error::doing("take a job back that was set aside"))
}
