//! The columns beside the leaf, by which SQLite finds an event: they must have the values of the leaf.

use std::collections::HashMap;

use rusqlite::{Connection, Row};

use crate::wire::Leaf;

/// The interned names of a log.
pub(super) struct Columns {
    orgs: HashMap<i64, String>,
    sources: HashMap<i64, Source>,
    jobs: HashMap<i64, Job>,
}

struct Source {
    org: i64,
    uri: String,
}

struct Job {
    org: i64,
    subject: String,
    kind: String,
}

impl Columns {
    /// Every event with its columns, in order.
    pub(super) const EVENTS: &'static str = "SELECT position, leaf, data, salt, org, job, ifnull(prev, 0), source, id, \
                                             type, version, kind, recorded FROM event ORDER BY position";

    pub(super) fn load(conn: &Connection) -> Result<Columns, rusqlite::Error> {
        Ok(Columns {
            orgs: by_id(conn, "SELECT id, uuid FROM org", |row| row.get(1))?,
            sources: by_id(conn, "SELECT id, org, uri FROM source", |row| {
                Ok(Source { org: row.get(1)?, uri: row.get(2)? })
            })?,
            jobs: by_id(conn, "SELECT id, org, subject, kind FROM job", |row| {
                Ok(Job { org: row.get(1)?, subject: row.get(2)?, kind: row.get(3)? })
            })?,
        })
    }

    /// The first column of a row whose value differs from the leaf; `None` if all columns agree.
    pub(super) fn differing(&self, leaf: &Leaf<'_>, row: &Row<'_>) -> Result<Option<&'static str>, rusqlite::Error> {
        let (org, source): (i64, i64) = (row.get(4)?, row.get(7)?);
        let job = row.get::<_, Option<i64>>(5)?.map(|job| self.jobs.get(&job));
        let kind = row.get_ref(11)?.as_str_or_null()?;
        let job_fits = match job {
            None => leaf.subject.is_none() && kind.is_none(),
            Some(None) => false,
            Some(Some(job)) => {
                job.org == org && leaf.subject.as_deref() == Some(&*job.subject) && kind == Some(&*job.kind)
            }
        };
        let same = [
            ("position", leaf.position().is_ok_and(|position| row.get(0) == Ok(position.get() as i64))),
            ("org", self.orgs.get(&org).map(String::as_str) == Some(leaf.orgid.as_deref().unwrap_or(""))),
            ("job", job_fits),
            ("prev", leaf.prev().is_ok_and(|prev| row.get(6) == Ok(prev.unwrap_or_default().get() as i64))),
            ("source", self.sources.get(&source).is_some_and(|found| found.org == org && found.uri == leaf.source)),
            ("id", row.get_ref(8)?.as_str().is_ok_and(|id| id == leaf.id)),
            ("type", row.get_ref(9)?.as_str().is_ok_and(|name| name == leaf.event_type)),
            (
                "version",
                leaf.version().is_ok_and(|version| row.get::<_, i64>(10).is_ok_and(|v| v == i64::from(version))),
            ),
            ("kind", kind == leaf.jobkind.as_deref()),
            ("recorded", leaf.recorded().is_ok_and(|time| row.get::<_, i64>(12).is_ok_and(|r| r == time.micros()))),
        ];
        Ok(same.into_iter().find(|(_, same)| !same).map(|(name, _)| name))
    }
}

fn by_id<V>(
    conn: &Connection,
    sql: &str,
    mut value: impl FnMut(&Row<'_>) -> Result<V, rusqlite::Error>,
) -> Result<HashMap<i64, V>, rusqlite::Error> {
    conn.prepare(sql)?.query_map([], |row| Ok((row.get(0)?, value(row)?)))?.collect()
}
