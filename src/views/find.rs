//! The SQL that finds jobs: which index leads, and the conditions.
//!
//! SQLite plans without knowing how many rows a range has, so this file chooses the index. A range (of times, of ids) leads if it has
//! few jobs, which a short look into its index tells. Its jobs are then sorted. Otherwise the rows are read in the order of the list,
//! and most of them fit.

use rusqlite::Connection;
use rusqlite::types::Value;

use super::Error;
use super::query::{JobQuery, Order};
use crate::job::{Status, Time};

/// A range that has at most so many jobs leads.
pub(super) const FEW: usize = 10_000;

/// What leads to the jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lead {
    /// An index of equal values, which SQLite chooses; else all jobs.
    Equal,
    /// The index of labels.
    Label,
    /// The index of the actors who cancelled.
    CancelledBy,
    /// The index of ids.
    Ids,
    /// The index of the times of creation.
    Created,
    /// The index of the times of the end.
    Ended,
}

const RANGES: [Lead; 3] = [Lead::Ids, Lead::Created, Lead::Ended];

impl Lead {
    /// What leads to the jobs of `query`. Looks into at most [`FEW`] entries of each index of a range.
    pub(super) fn of(conn: &Connection, query: &JobQuery) -> Result<Lead, Error> {
        if query.label.is_some() {
            return Ok(Lead::Label);
        }
        let mut best = None;
        for lead in RANGES {
            if let Some(jobs) = lead.jobs(conn, query)?.filter(|jobs| *jobs <= best.map_or(FEW, |(_, fewest)| fewest)) {
                best = Some((lead, jobs));
            }
        }
        Ok(match best {
            Some((lead, _)) => lead,
            None if query.cancelled_by.is_some() => Lead::CancelledBy,
            None => Lead::Equal,
        })
    }

    /// How many jobs the range has, counted up to one more than [`FEW`]; `None` if the query has no such range.
    fn jobs(self, conn: &Connection, query: &JobQuery) -> Result<Option<usize>, Error> {
        let mut range = Conditions::default();
        range.of(self, query);
        if range.sql.is_empty() {
            return Ok(None);
        }
        range.org(self, query);
        let sql =
            format!("SELECT count(*) FROM (SELECT 1 FROM {} WHERE {} LIMIT {})", self.from(), range.all(), FEW + 1);
        let count = conn.prepare_cached(&sql).and_then(|mut statement| {
            statement.query_row(rusqlite::params_from_iter(range.values), |row| row.get::<_, i64>(0))
        });
        Ok(Some(count.map_err(Error::doing("count the jobs of a range"))? as usize))
    }

    /// The tables of a statement.
    pub(super) fn from(self) -> &'static str {
        match self {
            Lead::Equal => "job",
            Lead::Label => "label CROSS JOIN job ON job.id = label.job",
            Lead::CancelledBy => "job INDEXED BY job_cancelled_by",
            Lead::Ids => "job INDEXED BY job_key",
            Lead::Created => "job INDEXED BY job_created",
            Lead::Ended => "job INDEXED BY job_ended",
        }
    }

    /// The column of the position of `job.created`, which orders a list.
    pub(super) fn place(self) -> &'static str {
        if self == Lead::Label { "label.job" } else { "job.id" }
    }

    /// Whether the rows come in the order of their ranges, and not in that of a list.
    pub(super) fn is_range(self) -> bool {
        RANGES.contains(&self)
    }
}

/// Conditions of a statement, and the values to bind.
#[derive(Debug, Default)]
pub(super) struct Conditions {
    pub(super) sql: Vec<String>,
    pub(super) values: Vec<Value>,
}

impl Conditions {
    /// The conditions of a list: those that the index of `lead` serves, and all others.
    pub(super) fn list(lead: Lead, query: &JobQuery, now: Time) -> Conditions {
        let mut conditions = Conditions::default();
        conditions.of(lead, query);
        conditions.org(lead, query);
        conditions.equal(query, lead == Lead::Equal);
        conditions.others(lead, query, now);
        let op = if query.order == Order::Newest { "<" } else { ">" };
        conditions.maybe(&format!("{} {op} ?", lead.place()), query.beyond.map(|position| position.get() as i64));
        conditions
    }

    pub(super) fn add(&mut self, sql: &str, value: impl Into<Value>) {
        self.sql.push(sql.to_owned());
        self.values.push(value.into());
    }

    fn maybe(&mut self, sql: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.add(sql, value);
        }
    }

    /// All conditions; `1` if there are none.
    pub(super) fn all(&self) -> String {
        if self.sql.is_empty() { "1".to_owned() } else { self.sql.join(" AND ") }
    }

    /// The organisation, by which every index begins. Without one, an index is searched for each organisation that has jobs.
    pub(super) fn org(&mut self, lead: Lead, query: &JobQuery) {
        let table = if lead == Lead::Label { "label" } else { "job" };
        match query.org {
            Some(org) => self.add(&format!("{table}.org = ?"), org.to_string()),
            None if lead == Lead::Equal => {}
            None => self.sql.push(format!("{table}.org IN (SELECT org FROM count WHERE field = '' AND value = '')")),
        }
    }

    /// The conditions that the index of `lead` serves, without the organisation.
    pub(super) fn of(&mut self, lead: Lead, query: &JobQuery) {
        match lead {
            Lead::Equal => {}
            Lead::Label => {
                self.maybe("label.key = ?", query.label.as_ref().map(|(key, _)| key.clone()));
                self.maybe("label.value = ?", query.label.as_ref().map(|(_, value)| value.clone()));
            }
            Lead::CancelledBy => self.maybe("job.cancelled_by = ?", query.cancelled_by.clone()),
            Lead::Ids => self.ids("job.subject", query),
            Lead::Created => self.between("job.created_at", query.created_after, query.created_before),
            Lead::Ended => self.between("job.ended_at", query.ended_after, query.ended_before),
        }
    }

    /// The conditions of equal values. SQLite may use an index of them if `indexed`: a `+` before a column keeps it from that.
    pub(super) fn equal(&mut self, query: &JobQuery, indexed: bool) {
        let plus = if indexed { "" } else { "+" };
        let mut equal = |column: &str, value: Option<String>| self.maybe(&format!("{plus}job.{column} = ?"), value);
        equal("kind", query.kind.map(|kind| kind.as_str().to_owned()));
        equal("status", query.status.map(|status| status.as_str().to_owned()));
        equal("status", query.quiet_for.map(|_| Status::Running.as_str().to_owned()));
        equal("job_type", query.job_type.as_ref().map(|job_type| job_type.as_str().to_owned()));
        equal("created_by", query.created_by.clone());
    }

    /// The conditions of ranges and of the actor who cancelled, but for those of `lead`.
    pub(super) fn others(&mut self, lead: Lead, query: &JobQuery, now: Time) {
        if lead != Lead::CancelledBy {
            self.maybe("+job.cancelled_by = ?", query.cancelled_by.clone());
        }
        if lead != Lead::Ids {
            self.ids("+job.subject", query);
        }
        if lead != Lead::Created {
            self.between("+job.created_at", query.created_after, query.created_before);
        }
        if lead != Lead::Ended {
            self.between("+job.ended_at", query.ended_after, query.ended_before);
        }
        self.between("job.started_at", query.started_after, query.started_before);
        self.maybe("job.recorded_at <= ?", query.quiet_for.map(|quiet| now.plus(-quiet.nanos()).nanos()));
    }

    fn ids(&mut self, column: &str, query: &JobQuery) {
        if let Some(prefix) = &query.id_prefix {
            // `~` is above every character of an id, so this is the range of ids that start with the prefix.
            self.add(&format!("{column} >= ?"), prefix.clone());
            self.add(&format!("{column} < ?"), format!("{prefix}~"));
        }
    }

    fn between(&mut self, column: &str, after: Option<Time>, before: Option<Time>) {
        self.maybe(&format!("{column} > ?"), after.map(Time::nanos));
        self.maybe(&format!("{column} < ?"), before.map(Time::nanos));
    }
}
