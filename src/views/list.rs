//! Lists of jobs, newest first.

use rusqlite::Connection;
use rusqlite::types::Value;

use super::Error;
use super::columns::JobColumn;
use super::job_row::read_summary;
use crate::job::{JobType, Kind, OrgId, Position, Status, Summary, Time};

/// Which jobs a list shows. A filter that is `None` lets every job through.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct JobQuery {
    /// The organisation.
    pub org: Option<OrgId>,
    /// The kind.
    pub kind: Option<Kind>,
    /// The state.
    pub status: Option<Status>,
    /// The type of a background or generic job.
    pub job_type: Option<JobType>,
    /// A label: its key and value.
    pub label: Option<(String, String)>,
    /// The name that the job was created for.
    pub created_by: Option<String>,
    /// Created strictly after.
    pub created_after: Option<Time>,
    /// Created strictly before.
    pub created_before: Option<Time>,
    /// Started strictly after.
    pub started_after: Option<Time>,
    /// Started strictly before.
    pub started_before: Option<Time>,
    /// A prefix of the id.
    pub id_prefix: Option<String>,
    /// Created before this position: where the last job of the previous page was created.
    pub before: Option<Position>,
}

impl JobQuery {
    /// Whether an index finds the jobs. A page then reads only the jobs that it shows.
    pub fn is_indexed(&self) -> bool {
        let times = [self.created_after, self.created_before, self.started_after, self.started_before];
        let unindexed = times.iter().any(Option::is_some) || self.label.is_some() || self.id_prefix.is_some();
        let (typed, by) = (self.job_type.is_some(), self.created_by.is_some());
        // Every index begins with the organisation, and serves one of these.
        let one_index = match (self.kind, self.status) {
            (_, Some(_)) => !typed && !by,
            (Some(_), None) => !by,
            (None, None) => !(typed && by),
        };
        let every = self.kind.is_none() && self.status.is_none() && !typed && !by;
        !unindexed && one_index && (self.org.is_some() || every)
    }
}

impl JobQuery {
    /// Whether the query shows the job, as its statement decides it. Ignores `before`, which is a place in the list and no filter.
    pub fn shows(&self, job: &Summary) -> bool {
        self.shows_in(job, job.state.status())
    }

    /// The same for a job that was in another state, `status`.
    pub fn shows_in(&self, job: &Summary, status: Status) -> bool {
        let JobQuery { org, kind, status: asked, job_type, label, created_by, id_prefix, before: _, .. } = self;
        let started_at = job.state.started_at();
        let after =
            |bound: Option<Time>, time: Option<Time>| bound.is_none_or(|bound| time.is_some_and(|at| at > bound));
        let before =
            |bound: Option<Time>, time: Option<Time>| bound.is_none_or(|bound| time.is_some_and(|at| at < bound));
        org.is_none_or(|org| job.key.org == org)
            && kind.is_none_or(|kind| job.kind == kind)
            && asked.is_none_or(|asked| status == asked)
            && (job_type.is_none() || *job_type == job.job_type)
            && label.as_ref().is_none_or(|(key, value)| job.labels.get(key) == Some(value))
            && created_by.as_ref().is_none_or(|by| job.created_by == *by)
            && id_prefix.as_ref().is_none_or(|prefix| job.key.id.as_str().starts_with(prefix))
            && after(self.created_after, Some(job.created_at))
            && before(self.created_before, Some(job.created_at))
            && after(self.started_after, started_at)
            && before(self.started_before, started_at)
    }
}

/// A page of jobs.
#[derive(Debug, Clone, PartialEq)]
pub struct JobList {
    /// The jobs, newest first by the position of `job.created`.
    pub jobs: Vec<Summary>,
    /// Whether older jobs follow on the next page.
    pub more: bool,
}

/// A page ends at about this many bytes of its jobs' texts, 4 MiB, so it may have fewer jobs than its limit.
const PAGE_BYTES: usize = 4 << 20;

/// Reads a page of at most `limit` jobs. If [`JobQuery::is_indexed`] is false, may read every job of the views.
/// Does not count the jobs of the whole list.
///
/// # Errors
///
/// The views cannot be read.
pub fn list_jobs(conn: &Connection, query: &JobQuery, limit: usize) -> Result<JobList, Error> {
    let (sql, values) = statement(query, limit);
    read(conn, &sql, values, limit)
}

/// Gives `each` every running background job of the organisation.
///
/// # Errors
///
/// The views cannot be read.
pub fn each_running(conn: &Connection, org: OrgId, each: &mut dyn FnMut(&Summary)) -> Result<(), Error> {
    let (kind, status) = (Some(Kind::Task), Some(Status::Running));
    let (sql, values) = statement(&JobQuery { org: Some(org), kind, status, ..JobQuery::default() }, usize::MAX);
    let doing = || Error::doing("list running jobs");
    let mut statement = conn.prepare_cached(&sql).map_err(doing())?;
    let mut rows = statement.query(rusqlite::params_from_iter(values)).map_err(doing())?;
    while let Some(row) = rows.next().map_err(doing())? {
        each(&read_summary(row)?);
    }
    Ok(())
}

/// The statement of a page, and the values to bind. The statement reads one job more than the page shows, to tell whether a next page
/// follows.
fn statement(query: &JobQuery, limit: usize) -> (String, Vec<Value>) {
    let mut conditions = Conditions::default();
    if let Some((key, value)) = &query.label {
        conditions.add("label.key = ?", key.clone());
        conditions.add("label.value = ?", value.clone());
    }
    let org = if query.label.is_some() { "label.org = ?" } else { "job.org = ?" };
    conditions.maybe(org, query.org.map(|org| org.to_string()));
    conditions.maybe("job.kind = ?", query.kind.map(|kind| kind.as_str().to_owned()));
    conditions.maybe("job.status = ?", query.status.map(|status| status.as_str().to_owned()));
    conditions.maybe("job.job_type = ?", query.job_type.as_ref().map(|job_type| job_type.as_str().to_owned()));
    conditions.maybe("job.created_by = ?", query.created_by.clone());
    conditions.maybe("job.created_at > ?", query.created_after.map(Time::nanos));
    conditions.maybe("job.created_at < ?", query.created_before.map(Time::nanos));
    conditions.maybe("job.started_at > ?", query.started_after.map(Time::nanos));
    conditions.maybe("job.started_at < ?", query.started_before.map(Time::nanos));
    conditions.maybe("job.id < ?", query.before.map(|position| position.get() as i64));
    if let Some(prefix) = &query.id_prefix {
        // `~` is above every character of an id, so this is the range of ids that start with the prefix.
        conditions.add("job.subject >= ?", prefix.clone());
        conditions.add("job.subject < ?", format!("{prefix}~"));
    }
    let from = if query.label.is_some() { "label JOIN job ON job.id = label.job" } else { "job" };
    let sql = format!(
        "SELECT {} FROM {from} {} ORDER BY {} DESC LIMIT {}",
        JobColumn::LIST,
        conditions.sql(),
        if query.label.is_some() { "label.job" } else { "job.id" },
        limit.saturating_add(1).min(i64::MAX as usize),
    );
    (sql, conditions.values)
}

fn read(conn: &Connection, sql: &str, values: Vec<Value>, limit: usize) -> Result<JobList, Error> {
    let doing = || Error::doing("list jobs");
    let mut statement = conn.prepare_cached(sql).map_err(doing())?;
    let mut rows = statement.query(rusqlite::params_from_iter(values)).map_err(doing())?;
    let (mut jobs, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.next().map_err(doing())? {
        if jobs.len() == limit || bytes >= PAGE_BYTES {
            return Ok(JobList { jobs, more: true });
        }
        let job = read_summary(row)?;
        bytes += job.text_len();
        jobs.push(job);
    }
    Ok(JobList { jobs, more: false })
}

#[derive(Default)]
struct Conditions {
    sql: Vec<&'static str>,
    values: Vec<Value>,
}

impl Conditions {
    fn add(&mut self, sql: &'static str, value: impl Into<Value>) {
        self.sql.push(sql);
        self.values.push(value.into());
    }

    fn maybe(&mut self, sql: &'static str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.add(sql, value);
        }
    }

    fn sql(&self) -> String {
        if self.sql.is_empty() { String::new() } else { format!("WHERE {}", self.sql.join(" AND ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::open::{INDEXES, TABLES};
    use super::*;

    fn plan(query: &JobQuery) -> String {
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch(&format!("{TABLES}{INDEXES}")).unwrap();
        let (sql, values) = statement(query, 50);
        let mut explain = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let steps = explain.query_map(rusqlite::params_from_iter(values), |row| row.get::<_, String>(3)).unwrap();
        steps.map(Result::unwrap).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn a_page_sorts_nothing_and_reads_no_jobs_of_others() {
        let org = Some(OrgId::default());
        let before = Some(Position::new(9));
        let queries = [
            JobQuery { org, ..JobQuery::default() },
            JobQuery { org, before, ..JobQuery::default() },
            JobQuery { org, kind: Some(Kind::Task), before, ..JobQuery::default() },
            JobQuery { org, status: Some(Status::Running), before, ..JobQuery::default() },
            JobQuery { org, kind: Some(Kind::Task), status: Some(Status::Running), ..JobQuery::default() },
            JobQuery { org, created_by: Some("ann".into()), before, ..JobQuery::default() },
            JobQuery { org, created_after: Some(Time::from_micros(0)), ..JobQuery::default() },
        ];
        for query in queries {
            let plan = plan(&query);
            assert!(plan.starts_with("SEARCH job USING INDEX") && !plan.contains("TEMP B-TREE"), "{query:?}: {plan}");
        }
    }

    #[test]
    fn a_query_is_indexed_if_one_index_serves_all_of_its_filters() {
        let mut indexed = 0;
        for n in 0..48 {
            let query = JobQuery {
                org: [None, Some(OrgId::default())][n & 1],
                status: [None, Some(Status::Running)][n >> 1 & 1],
                job_type: [None, Some("full_sync".parse().unwrap())][n >> 2 & 1].clone(),
                created_by: [None, Some("ann".to_owned())][n >> 3 & 1].clone(),
                kind: [None, Some(Kind::Task), Some(Kind::Rule)][n >> 4],
                ..JobQuery::default()
            };
            if query.is_indexed() {
                let asked = [
                    query.org.is_some(),
                    query.status.is_some(),
                    query.job_type.is_some(),
                    query.created_by.is_some(),
                    query.kind.is_some(),
                ];
                let asked = asked.into_iter().filter(|asked| *asked).count();
                assert_eq!(plan(&query).matches("=?").count(), asked, "{query:?}: {}", plan(&query));
                indexed += 1;
            }
        }
        // All jobs; of one organisation: all, by state, by type, by creator, and by each of two kinds alone, with a state and with a
        // type.
        assert_eq!(indexed, 1 + 4 + 6);
    }
}
