//! Lists of jobs.

use rusqlite::Connection;
use rusqlite::types::Value;

use super::Error;
use super::columns::JobColumn;
use super::find::{Conditions, Lead};
use super::job_row::read_summary;
use super::query::{JobQuery, Order};
use crate::job::{Kind, OrgId, Status, Summary, Time};

/// A page of jobs.
#[derive(Debug, Clone, PartialEq)]
pub struct JobList {
    /// The jobs, in the order of the query.
    pub jobs: Vec<Summary>,
    /// Whether more jobs follow on the next page.
    pub more: bool,
}

/// A page ends at about this many bytes of its jobs' texts, 4 MiB, so it may have fewer jobs than its limit.
const PAGE_BYTES: usize = 4 << 20;

/// Reads a page of at most `limit` jobs. If [`JobQuery::is_indexed`] is false, may read every job of the views.
/// Does not count the jobs of the whole list. `now` is the time by which jobs are quiet.
///
/// # Errors
///
/// The views cannot be read.
pub fn list_jobs(conn: &Connection, query: &JobQuery, limit: usize, now: Time) -> Result<JobList, Error> {
    let lead = Lead::of(conn, query)?;
    let (sql, values) = statement(lead, query, limit, now);
    read(conn, &sql, values, limit)
}

/// Gives `each` every running background job of the organisation.
///
/// # Errors
///
/// The views cannot be read.
pub fn each_running(conn: &Connection, org: OrgId, each: &mut dyn FnMut(&Summary)) -> Result<(), Error> {
    let (kind, status) = (Some(Kind::Task), Some(Status::Running));
    let query = JobQuery { org: Some(org), kind, status, ..JobQuery::default() };
    let (sql, values) = statement(Lead::Equal, &query, usize::MAX, Time::from_nanos(0));
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
fn statement(lead: Lead, query: &JobQuery, limit: usize, now: Time) -> (String, Vec<Value>) {
    let conditions = Conditions::list(lead, query, now);
    let direction = if query.order == Order::Newest { "DESC" } else { "ASC" };
    let sql = format!(
        "SELECT {} FROM {} WHERE {} ORDER BY {} {direction} LIMIT {}",
        JobColumn::LIST,
        lead.from(),
        conditions.all(),
        lead.place(),
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

#[cfg(test)]
mod tests {
    use super::super::find::FEW;
    use super::super::open::{INDEXES, TABLES};
    use super::*;
    use crate::job::Position;

    fn views() -> Connection {
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch(&format!("{TABLES}{INDEXES}")).unwrap();
        conn
    }

    fn plan(lead: Lead, query: &JobQuery) -> String {
        let conn = views();
        let (sql, values) = statement(lead, query, 50, Time::from_nanos(0));
        let mut explain = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let steps = explain.query_map(rusqlite::params_from_iter(values), |row| row.get::<_, String>(3)).unwrap();
        steps.map(Result::unwrap).collect::<Vec<_>>().join("; ")
    }

    /// A query that has every filter.
    fn every_filter() -> JobQuery {
        let time = Some(Time::from_micros(0));
        JobQuery {
            org: Some(OrgId::default()),
            kind: Some(Kind::Task),
            status: Some(Status::Cancelled),
            job_type: Some("full_sync".parse().unwrap()),
            created_by: Some("ann".into()),
            created_after: time,
            created_before: time,
            started_after: time,
            started_before: time,
            ended_after: time,
            ended_before: time,
            cancelled_by: Some("bob".into()),
            quiet_for: Some("15m".parse().unwrap()),
            id_prefix: Some("a".into()),
            beyond: Some(Position::new(9)),
            ..JobQuery::default()
        }
    }

    #[test]
    fn a_page_sorts_nothing_and_reads_no_jobs_of_others() {
        let org = Some(OrgId::default());
        let beyond = Some(Position::new(9));
        let queries = [
            JobQuery { org, ..JobQuery::default() },
            JobQuery { org, beyond, ..JobQuery::default() },
            JobQuery { org, kind: Some(Kind::Task), beyond, ..JobQuery::default() },
            JobQuery { org, status: Some(Status::Running), beyond, ..JobQuery::default() },
            JobQuery { org, kind: Some(Kind::Task), status: Some(Status::Running), ..JobQuery::default() },
            JobQuery { org, created_by: Some("ann".into()), beyond, ..JobQuery::default() },
            JobQuery { org, created_after: Some(Time::from_micros(0)), ..JobQuery::default() },
            JobQuery { org, quiet_for: Some("1h".parse().unwrap()), ..JobQuery::default() },
            JobQuery { org, cancelled_by: Some("ann".into()), beyond, ..JobQuery::default() },
            every_filter(),
        ];
        for query in queries {
            for order in [Order::Newest, Order::Oldest] {
                let query = JobQuery { order, ..query.clone() };
                let plan = plan(Lead::Equal, &query);
                assert!(
                    plan.starts_with("SEARCH job USING INDEX") && !plan.contains("TEMP B-TREE"),
                    "{query:?}: {plan}"
                );
            }
        }
        let label = Some(("a".to_owned(), "b".to_owned()));
        let plans =
            [plan(Lead::CancelledBy, &every_filter()), plan(Lead::Label, &JobQuery { label, ..every_filter() })];
        for (plan, index) in plans.iter().zip(["job_cancelled_by", "label USING PRIMARY KEY"]) {
            assert!(plan.contains(index) && !plan.contains("TEMP B-TREE"), "{plan}");
        }
    }

    #[test]
    fn a_range_leads_if_it_has_few_jobs() {
        let conn = views();
        let insert = |first: usize, last: usize, created: i64, ended: Option<i64>| {
            let sql = "WITH RECURSIVE n (n) AS (SELECT ?1 UNION ALL SELECT n + 1 FROM n WHERE n < ?2) \
                       INSERT INTO job (id, org, subject, kind, status, position, recorded_at, events, bytes, created_at, ended_at, \
                       created_by, percent, items, notes, redactions) SELECT n, ?3, 'job-' || n, 'task', 'completed', n, 0, 1, 0, \
                       ?4, ?5, 'ann', 0, 0, 0, 0 FROM n";
            let org = OrgId::default().to_string();
            conn.execute(sql, rusqlite::params![first as i64, last as i64, org, created, ended]).unwrap();
        };
        insert(1, FEW, 10, None);
        insert(FEW + 1, FEW + 9, 20, Some(30));
        let all = JobQuery { org: Some(OrgId::default()), ..JobQuery::default() };
        let time = |nanos| Some(Time::from_nanos(nanos));
        let lead = |query: JobQuery| Lead::of(&conn, &query).unwrap();
        assert_eq!(lead(all.clone()), Lead::Equal);
        assert_eq!(lead(JobQuery { created_after: time(5), ..all.clone() }), Lead::Equal, "all jobs");
        assert_eq!(
            lead(JobQuery { created_before: time(15), ..all.clone() }),
            Lead::Created,
            "as many as a range may have"
        );
        assert_eq!(lead(JobQuery { created_after: time(15), ..all.clone() }), Lead::Created);
        assert_eq!(
            lead(JobQuery { ended_after: time(0), created_before: time(15), ..all.clone() }),
            Lead::Ended,
            "the fewest"
        );
        assert_eq!(lead(JobQuery { id_prefix: Some("job-".into()), ..all.clone() }), Lead::Equal);
        assert_eq!(lead(JobQuery { id_prefix: Some("job-99".into()), ..all.clone() }), Lead::Ids);
        let by = JobQuery { cancelled_by: Some("ann".into()), ..all.clone() };
        assert_eq!(lead(by.clone()), Lead::CancelledBy);
        assert_eq!(lead(JobQuery { created_after: time(15), ..by }), Lead::Created);
        assert_eq!(
            lead(JobQuery { org: None, created_after: time(15), ..all }),
            Lead::Created,
            "no counter names an organisation, so the range has no jobs"
        );
    }

    #[test]
    fn the_index_of_a_range_serves_the_whole_range() {
        for (lead, index) in [(Lead::Ids, "job_key"), (Lead::Created, "job_created"), (Lead::Ended, "job_ended")] {
            let plan = plan(lead, &every_filter());
            assert!(plan.starts_with(&format!("SEARCH job USING INDEX {index} (org=? AND ")), "{plan}");
            assert!(plan.contains(">? AND") || plan.contains("<?)"), "{plan}");
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
                let plan = plan(Lead::Equal, &query);
                assert_eq!(plan.matches("=?").count(), asked, "{query:?}: {plan}");
                indexed += 1;
            }
        }
        // All jobs; of one organisation: all, by state, by type, by creator, and by each of two kinds alone, with a state and with a
        // type.
        assert_eq!(indexed, 1 + 4 + 6);
    }
}
