//! Reads of one job: its row, its kind, its events in order.

use std::ops::ControlFlow;

use rusqlite::params;
use rusqlite::types::{FromSql, FromSqlResult, ToSql, ToSqlOutput, ValueRef};

use super::reader::{Reader, Row};
use super::section::{SECTION, milestones};
use super::{Error, Types};
use crate::job::{JobId, Kind, OrgId, Position};

/// The number of a job's row in the log's table of jobs. The rows of the job's events have this number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StreamId(pub(super) i64);

impl ToSql for StreamId {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>, rusqlite::Error> {
        Ok(self.0.into())
    }
}

impl FromSql for StreamId {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<StreamId> {
        i64::column_result(value).map(StreamId)
    }
}

impl Reader<'_> {
    /// The number of a job's row; `None` for an unknown job.
    pub fn stream(&self, org: OrgId, job: &JobId) -> Result<Option<StreamId>, Error> {
        let sql = "SELECT job.id FROM org JOIN job ON job.org = org.id WHERE org.uuid = ?1 AND job.subject = ?2";
        Ok(self.prepare("find a job", sql)?.value_if_any(params![org, job])?)
    }

    /// The kind of a job; `None` for an unknown job, or a kind that this program does not know.
    pub fn job_kind(&self, org: OrgId, job: &JobId) -> Result<Option<Kind>, Error> {
        let sql = "SELECT job.kind FROM org JOIN job ON job.org = org.id WHERE org.uuid = ?1 AND job.subject = ?2";
        let kind: Option<String> = self.prepare("find a job's kind", sql)?.value_if_any(params![org, job])?;
        Ok(kind.and_then(|word| word.parse().ok()))
    }

    /// Whether the job has more than about `limit` events. Counts milestones, `limit` / 16 of them at the most.
    pub fn is_longer_than(&self, job: StreamId, limit: u64) -> Result<bool, Error> {
        let (sql, count) = match self.has_milestones()? {
            true => (concat!("SELECT EXISTS (", milestones!("1"), " LIMIT 1 OFFSET ?2)"), limit / SECTION),
            false => ("SELECT EXISTS (SELECT 1 FROM event WHERE job = ?1 LIMIT 1 OFFSET ?2)", limit),
        };
        Ok(self.prepare("count a job's events", sql)?.value(params![job, count])?)
    }

    /// The position and type of the job's newest event whose type is not in `but`. Searches from the job's end.
    pub fn newest_but(&self, job: StreamId, but: Types) -> Result<Option<(Position, String)>, Error> {
        let mut statement =
            self.prepare("find where a job's history ends", "SELECT type FROM event WHERE position = ?1")?;
        let Some(newest) = self.newest(job)? else { return Ok(None) };
        let mut found = None;
        self.walk_back(newest, Position::GENESIS, |position| {
            let word: String = statement.value([position])?;
            Ok(if but.meets(Types::spelled(&word)) {
                ControlFlow::Continue(())
            } else {
                found = Some((position, word));
                ControlFlow::Break(())
            })
        })?;
        Ok(found)
    }

    /// Gives `each` the events of one job after `after`, up to and with `upto`, in order, `limit` at the most.
    ///
    /// # Errors
    /// The log cannot be read, or `each` fails.
    pub fn scan_job<E: From<Error>>(
        &self,
        job: StreamId,
        after: Position,
        upto: Position,
        limit: u64,
        mut each: impl FnMut(Row<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut left = limit;
        self.walk(job, after, upto, |_, row| {
            left -= 1;
            each(row)?;
            Ok(if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })
    }
}
