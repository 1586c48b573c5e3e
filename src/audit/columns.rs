//! The columns beside the leaf, by which SQLite finds an event: they must have the values of the leaf.

use std::collections::HashMap;

use rusqlite::{Connection, Row};

use super::rows::{Block, Place, StoredEntry};
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

    /// The first column of a row whose value differs from the leaf; `None` if all columns agree. The row is one of `block`.
    pub(super) fn differing(&self, leaf: &Leaf<'_>, block: &Block, row: &StoredEntry) -> Option<&'static str> {
        let is = |place: &Option<Place>, text: &str| block.bytes(place) == Some(text.as_bytes());
        let kind = match &leaf.jobkind {
            None => row.kind.is_none(),
            Some(kind) => is(&row.kind, kind),
        };
        let job_fits = match row.job.map(|job| self.jobs.get(&job)) {
            None => leaf.subject.is_none() && row.kind.is_none(),
            Some(None) => false,
            Some(Some(job)) => {
                job.org == row.org && leaf.subject.as_deref() == Some(&*job.subject) && is(&row.kind, &job.kind)
            }
        };
        let source = self.sources.get(&row.source);
        let same = [
            ("position", leaf.position().is_ok_and(|position| row.position == Some(position.get() as i64))),
            ("org", self.orgs.get(&row.org).map(String::as_str) == Some(leaf.orgid.as_deref().unwrap_or(""))),
            ("job", job_fits),
            ("prev", leaf.prev().is_ok_and(|prev| row.prev == Some(prev.unwrap_or_default().get() as i64))),
            ("source", source.is_some_and(|found| found.org == row.org && found.uri == leaf.source)),
            ("id", is(&row.id, &leaf.id)),
            ("type", is(&row.event_type, &leaf.event_type)),
            ("version", leaf.version().is_ok_and(|version| row.version == Some(i64::from(version)))),
            ("kind", kind),
            ("recorded", leaf.recorded().is_ok_and(|time| row.recorded == Some(time.micros()))),
        ];
        same.into_iter().find(|(_, same)| !same).map(|(name, _)| name)
    }
}

fn by_id<V>(
    conn: &Connection,
    sql: &str,
    mut value: impl FnMut(&Row<'_>) -> Result<V, rusqlite::Error>,
) -> Result<HashMap<i64, V>, rusqlite::Error> {
    conn.prepare(sql)?.query_map([], |row| Ok((row.get(0)?, value(row)?)))?.collect()
}
