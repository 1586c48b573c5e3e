//! How many jobs are in each state, for the filters of a list.
//!
//! The projector counts jobs by organisation alone, by kind, by type, by both, by creator and by the actor who cancelled. For other
//! filters a read counts rows, and looks at no more than [`FEW`] of them.

use std::collections::HashMap;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::Error;
use super::find::{Conditions, FEW, Lead};
use super::query::JobQuery;
use crate::job::{OrgId, State, Status, Summary, Time};

/// The columns of the table `count` that hold numbers, in the order of [`Status::ALL`].
const COLUMNS: &str = "pending, running, completed, failed, cancelled";

const STATES: usize = Status::ALL.len();

/// How many jobs are in each state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JobCounts {
    /// In the order of [`Status::ALL`].
    jobs: [u64; STATES],
    /// Whether more jobs may match, because the read looked at no further rows.
    pub at_least: bool,
}

impl JobCounts {
    /// How many jobs are in this state.
    pub fn of(&self, status: Status) -> u64 {
        self.jobs[status as usize]
    }
}

/// Whether a counter answers the query, so that [`count_jobs`] reads one row of each organisation.
pub fn is_counted(query: &JobQuery) -> bool {
    counter(query).is_some()
}

/// Counts the jobs of `query` by state. `now` is the time by which jobs are quiet.
///
/// # Errors
///
/// The views cannot be read.
pub fn count_jobs(conn: &Connection, query: &JobQuery, now: Time) -> Result<JobCounts, Error> {
    let mut counts = match counter(query) {
        Some(counter) => read(conn, &counter, query.org)?,
        None => scan(conn, query, now)?,
    };
    if let Some(only) = query.status {
        for status in Status::ALL.iter().filter(|status| **status != only) {
            counts.jobs[*status as usize] = 0;
        }
    }
    Ok(counts)
}

/// What a row of the table `count` counts, besides the organisation.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Counter {
    field: &'static str,
    value: String,
}

impl Counter {
    fn new(field: &'static str, value: impl Into<String>) -> Counter {
        Counter { field, value: value.into() }
    }

    fn of_kind_and_type(kind: &str, job_type: &str) -> Counter {
        Counter::new("kind_type", format!("{kind} {job_type}"))
    }

    /// The counters that count `job`.
    fn of_job(job: &Summary) -> Vec<Counter> {
        let kind = job.kind.as_str();
        let mut counters =
            vec![Counter::new("", ""), Counter::new("kind", kind), Counter::new("created_by", job.created_by.as_str())];
        if let Some(job_type) = &job.job_type {
            counters.push(Counter::new("job_type", job_type.as_str()));
            counters.push(Counter::of_kind_and_type(kind, job_type.as_str()));
        }
        counters
    }

    /// The counter of jobs that the same actor cancelled; `None` if the job was not cancelled.
    fn of_canceller(job: &Summary) -> Option<Counter> {
        match &job.state {
            State::Cancelled { by, .. } => Some(Counter::new("cancelled_by", by.as_str())),
            _ => None,
        }
    }
}

/// The counter that answers the query; `None` if there is no such counter.
fn counter(query: &JobQuery) -> Option<Counter> {
    // A filter that no counter knows keeps its value here.
    let (org, status, order) = (query.org, query.status, query.order);
    let JobQuery { kind, job_type, created_by, cancelled_by, .. } = query;
    let known = JobQuery {
        org,
        status,
        order,
        kind: *kind,
        job_type: job_type.clone(),
        created_by: created_by.clone(),
        cancelled_by: cancelled_by.clone(),
        ..JobQuery::default()
    };
    if known != *query {
        return None;
    }
    match (kind, job_type, created_by, cancelled_by) {
        (None, None, None, None) => Some(Counter::new("", "")),
        (Some(kind), None, None, None) => Some(Counter::new("kind", kind.as_str())),
        (None, Some(job_type), None, None) => Some(Counter::new("job_type", job_type.as_str())),
        (Some(kind), Some(job_type), None, None) => Some(Counter::of_kind_and_type(kind.as_str(), job_type.as_str())),
        (None, None, Some(name), None) => Some(Counter::new("created_by", name)),
        (None, None, None, Some(name)) => Some(Counter::new("cancelled_by", name)),
        _ => None,
    }
}

/// Reads a counter of an organisation, or its sum over all of them.
fn read(conn: &Connection, counter: &Counter, org: Option<OrgId>) -> Result<JobCounts, Error> {
    let doing = || Error::doing("read how many jobs there are");
    let sql = format!("SELECT {COLUMNS} FROM count WHERE field = ?1 AND value = ?2 AND (?3 IS NULL OR org = ?3)");
    let mut statement = conn.prepare_cached(&sql).map_err(doing())?;
    let org = org.map(|org| org.to_string());
    let mut rows = statement.query(params![counter.field, counter.value, org]).map_err(doing())?;
    let mut counts = JobCounts::default();
    while let Some(row) = rows.next().map_err(doing())? {
        for (at, jobs) in counts.jobs.iter_mut().enumerate() {
            *jobs += number(row, at).map_err(doing())?;
        }
    }
    Ok(counts)
}

fn number(row: &Row<'_>, column: usize) -> Result<u64, rusqlite::Error> {
    Ok(row.get::<_, i64>(column)?.max(0) as u64)
}

/// Counts rows: those of the best index, newest first, and at most one more than [`FEW`].
fn scan(conn: &Connection, query: &JobQuery, now: Time) -> Result<JobCounts, Error> {
    let doing = || Error::doing("count jobs");
    let (sql, values) = scan_statement(Lead::of(conn, query)?, query, now);
    let mut statement = conn.prepare_cached(&sql).map_err(doing())?;
    let mut rows = statement.query(rusqlite::params_from_iter(values)).map_err(doing())?;
    let (mut counts, mut seen) = (JobCounts::default(), 0);
    while let Some(row) = rows.next().map_err(doing())? {
        let status: String = row.get(0).map_err(doing())?;
        let status: Status = status.parse().map_err(|_| Error::Damaged(format!("`{status}` is no state of a job")))?;
        seen += number(row, 1).map_err(doing())?;
        counts.jobs[status as usize] = number(row, 2).map_err(doing())?;
    }
    counts.at_least = seen > FEW as u64;
    Ok(counts)
}

/// The rows of one index stand in a subquery with a limit, so SQLite applies the other conditions after the limit.
fn scan_statement(lead: Lead, query: &JobQuery, now: Time) -> (String, Vec<Value>) {
    let (mut leading, mut rest) = (Conditions::default(), Conditions::default());
    leading.of(lead, query);
    leading.org(lead, query);
    let served = if lead == Lead::Equal { most_selective(query) } else { JobQuery::default() };
    leading.equal(&served, true);
    rest.equal(query, false);
    rest.others(lead, query, now);
    // The order costs a sort if a range leads or several organisations are searched. A range has few jobs anyway.
    let sorted = !lead.is_range() && (query.org.is_some() || lead == Lead::Equal);
    let order = if sorted { format!("ORDER BY {} DESC", lead.place()) } else { String::new() };
    let sql = format!(
        "SELECT status, count(*), ifnull(sum(fits), 0) FROM \
         (SELECT job.status AS status, ({}) AS fits FROM {} WHERE {} {order} LIMIT {}) GROUP BY status",
        rest.all(),
        lead.from(),
        leading.all(),
        FEW + 1
    );
    (sql, [rest.values, leading.values].concat())
}

/// Those filters of the query that one index serves; none without an organisation, by which each index begins.
fn most_selective(query: &JobQuery) -> JobQuery {
    let JobQuery { org, kind, status, quiet_for, .. } = *query;
    let (job_type, created_by) = (query.job_type.clone(), query.created_by.clone());
    let none = JobQuery::default();
    match (&created_by, &job_type) {
        _ if org.is_none() => none,
        _ if quiet_for.is_some() => JobQuery { kind, quiet_for, ..none },
        (Some(_), _) => JobQuery { created_by, ..none },
        (None, Some(_)) => JobQuery { kind, job_type, ..none },
        (None, None) => JobQuery { kind, status, ..none },
    }
}

/// The changes of one transaction to the table `count`.
#[derive(Debug, Default)]
pub(super) struct CountChanges(HashMap<(Counter, OrgId), [i64; STATES]>);

impl CountChanges {
    /// The rows of `job` were written; `was` is its state in the rows before, `None` for a new job.
    pub(super) fn saved(&mut self, job: &Summary, was: Option<Status>) {
        let is = job.state.status();
        if was == Some(is) {
            return;
        }
        for counter in Counter::of_job(job) {
            let jobs = self.0.entry((counter, job.key.org)).or_default();
            jobs[is as usize] += 1;
            if let Some(was) = was {
                jobs[was as usize] -= 1;
            }
        }
        self.add_canceller(job, 1);
    }

    /// The rows of `job` were removed.
    pub(super) fn removed(&mut self, job: &Summary) {
        for counter in Counter::of_job(job) {
            self.0.entry((counter, job.key.org)).or_default()[job.state.status() as usize] -= 1;
        }
        self.add_canceller(job, -1);
    }

    fn add_canceller(&mut self, job: &Summary, jobs: i64) {
        if let Some(counter) = Counter::of_canceller(job) {
            self.0.entry((counter, job.key.org)).or_default()[Status::Cancelled as usize] += jobs;
        }
    }

    /// Writes the changes. A counter that counts no job any more has no row.
    pub(super) fn write(self, conn: &Connection) -> Result<(), Error> {
        let written = self.0.into_iter().try_for_each(|((counter, org), jobs)| change(conn, &counter, org, jobs));
        written.map_err(Error::doing("write how many jobs there are"))
    }
}

fn change(
    conn: &Connection,
    Counter { field, value }: &Counter,
    org: OrgId,
    jobs: [i64; STATES],
) -> Result<(), rusqlite::Error> {
    if jobs == [0; STATES] {
        return Ok(());
    }
    let (org, [pending, running, completed, failed, cancelled]) = (org.to_string(), jobs);
    let values = params![field, value, org, pending, running, completed, failed, cancelled];
    let sql = "UPDATE count SET pending = pending + ?4, running = running + ?5, completed = completed + ?6, \
               failed = failed + ?7, cancelled = cancelled + ?8 WHERE field = ?1 AND value = ?2 AND org = ?3 \
               RETURNING pending + running + completed + failed + cancelled";
    let left: Option<i64> = conn.prepare_cached(sql)?.query_row(values, |row| row.get(0)).optional()?;
    match left {
        None => {
            let sql =
                format!("INSERT INTO count (field, value, org, {COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)");
            conn.prepare_cached(&sql)?.execute(values)?;
        }
        Some(0) => {
            let sql = "DELETE FROM count WHERE field = ?1 AND value = ?2 AND org = ?3";
            conn.prepare_cached(sql)?.execute(params![field, value, org])?;
        }
        Some(_) => {}
    }
    Ok(())
}
