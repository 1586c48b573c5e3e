//! What there is to do: jobs to hand out, leases that may run out, failed jobs to repeat, and jobs that were forgotten.
//!
//! The views only find these jobs. The log decides about each.

use rusqlite::types::Value;
use rusqlite::{Connection, params, params_from_iter};

use super::Error;
use crate::job::{JobId, JobKey, JobType, Kind, Labels, OrgId, Position, Time};

/// Which pending jobs a claim takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The organisation.
    pub org: OrgId,
    /// The kind.
    pub kind: Kind,
    /// The job type; `None` for every type.
    pub job_type: Option<JobType>,
    /// Labels that the job has, among others.
    pub labels: Labels,
}

/// A job in a list of jobs to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The job.
    pub key: JobKey,
    /// The position of `job.created`.
    pub created: Position,
}

/// The oldest `limit` pending jobs that fit and may be claimed at `now`, the oldest first.
///
/// # Errors
///
/// The views cannot be read.
pub fn claimable(conn: &Connection, wanted: &Wanted, now: Time, limit: usize) -> Result<Vec<Candidate>, Error> {
    let (conditions, mut values) = conditions(wanted);
    values.extend([Value::Integer(now.nanos()), Value::Integer(limit as i64)]);
    let sql = format!(
        "SELECT org, subject, id FROM job {conditions} AND (not_before IS NULL OR not_before <= ?) ORDER BY id LIMIT ?"
    );
    candidates(conn, &sql, values)
}

/// When the next pending job that fits may be claimed; `None` if no job waits for its time.
///
/// # Errors
///
/// The views cannot be read.
pub fn next_claimable(conn: &Connection, wanted: &Wanted, now: Time) -> Result<Option<Time>, Error> {
    let (conditions, mut values) = conditions(wanted);
    values.push(Value::Integer(now.nanos()));
    let sql = format!("SELECT min(not_before) FROM job {conditions} AND not_before > ?");
    let found =
        conn.prepare_cached(&sql).and_then(|mut query| query.query_row(params_from_iter(values), |row| row.get(0)));
    let found: Option<i64> = found.map_err(Error::doing("find the next job to claim"))?;
    Ok(found.map(Time::from_nanos))
}

/// The conditions of a claim but for the time, as SQL, and the values to bind. The index has the pending jobs alone, so a claim costs
/// the same however many jobs have ended.
fn conditions(wanted: &Wanted) -> (String, Vec<Value>) {
    let index = if wanted.job_type.is_some() { "job_pending_type" } else { "job_status" };
    let mut sql = format!("INDEXED BY {index} WHERE status = 'pending' AND org = ? AND kind = ?");
    let mut values = vec![Value::Text(wanted.org.to_string()), Value::Text(wanted.kind.as_str().to_owned())];
    if let Some(job_type) = &wanted.job_type {
        sql.push_str(" AND job_type = ?");
        values.push(Value::Text(job_type.as_str().to_owned()));
    }
    for (key, value) in &wanted.labels {
        sql.push_str(
            " AND EXISTS (SELECT 1 FROM label WHERE org = job.org AND key = ? AND value = ? AND job = job.id)",
        );
        values.extend([Value::Text(key.clone()), Value::Text(value.clone())]);
    }
    (sql, values)
}

/// Every running job with a lease.
///
/// # Errors
///
/// The views cannot be read.
pub fn leased(conn: &Connection) -> Result<Vec<JobKey>, Error> {
    let sql =
        "SELECT org, subject, id FROM job INDEXED BY job_leased WHERE status = 'running' AND lease_since IS NOT NULL";
    Ok(candidates(conn, sql, Vec::new())?.into_iter().map(|found| found.key).collect())
}

/// At most `limit` failed jobs that the ledger is to repeat, the oldest first, after the job that was created at `after`.
///
/// # Errors
///
/// The views cannot be read.
pub fn to_retry(conn: &Connection, after: Position, limit: usize) -> Result<Vec<Candidate>, Error> {
    let sql = "SELECT org, subject, id FROM job INDEXED BY job_to_retry \
               WHERE status = 'failed' AND retry_max IS NOT NULL AND retried_as IS NULL AND id > ? ORDER BY id LIMIT ?";
    candidates(conn, sql, vec![Value::Integer(after.get() as i64), Value::Integer(limit as i64)])
}

/// At most `limit` running jobs without a lease whose newest event was recorded before `before`, with the position of that event.
///
/// # Errors
///
/// The views cannot be read.
pub fn stale(conn: &Connection, before: Time, limit: usize) -> Result<Vec<(JobKey, Position)>, Error> {
    let doing = || Error::doing("find jobs without a report");
    // Every index of the status begins with the organisation.
    let sql = "SELECT org, subject, position FROM job INDEXED BY job_org_status \
               WHERE org IN (SELECT org FROM count WHERE field = '') AND status = 'running' \
               AND lease_since IS NULL AND recorded_at < ?1 LIMIT ?2";
    let mut statement = conn.prepare_cached(sql).map_err(doing())?;
    let mut rows = statement.query(params![before.nanos(), limit as i64]).map_err(doing())?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(doing())? {
        let position = row.get::<_, i64>(2).map_err(doing())?;
        found.push((read_key(row)?, Position::new(position as u64)));
    }
    Ok(found)
}

fn candidates(conn: &Connection, sql: &str, values: Vec<Value>) -> Result<Vec<Candidate>, Error> {
    let doing = || Error::doing("find jobs to do");
    let mut statement = conn.prepare_cached(sql).map_err(doing())?;
    let mut rows = statement.query(params_from_iter(values)).map_err(doing())?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(doing())? {
        let created = row.get::<_, i64>(2).map_err(doing())?;
        found.push(Candidate { key: read_key(row)?, created: Position::new(created as u64) });
    }
    Ok(found)
}

fn read_key(row: &rusqlite::Row<'_>) -> Result<JobKey, Error> {
    let text = |column| row.get::<_, String>(column).map_err(Error::doing("read a job's key"));
    let org: OrgId = text(0)?.parse().map_err(|error| Error::Damaged(format!("{error}")))?;
    let id: JobId = text(1)?.parse().map_err(|error| Error::Damaged(format!("{error}")))?;
    Ok(JobKey { org, id })
}

#[cfg(test)]
mod tests {
    use super::super::open::{INDEXES, TABLES};
    use super::*;

    fn plan(sql: &str, values: Vec<Value>) -> String {
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch(&format!("{TABLES}{INDEXES}")).unwrap();
        let mut explain = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let steps = explain.query_map(params_from_iter(values), |row| row.get::<_, String>(3)).unwrap();
        steps.map(Result::unwrap).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn a_claim_reads_pending_jobs_in_order_without_a_sort() {
        let labels = Labels::from([("team".to_owned(), "a".to_owned())]);
        for job_type in [None, Some("nightly".parse().unwrap())] {
            let wanted = Wanted { org: OrgId::default(), kind: Kind::Generic, job_type, labels: labels.clone() };
            let (conditions, values) = conditions(&wanted);
            let plan = plan(&format!("SELECT id FROM job {conditions} ORDER BY id LIMIT 1"), values);
            assert!(plan.contains("SEARCH job USING"), "{plan}");
            assert!(!plan.contains("TEMP B-TREE"), "{plan}");
        }
    }
}
