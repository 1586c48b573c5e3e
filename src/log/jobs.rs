//! Reads of one job: its row, its kind, its events in order.

use rusqlite::params;
use rusqlite::types::{FromSql, FromSqlResult, ToSql, ToSqlOutput, ValueRef};

use super::reader::{Reader, Row};
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

    /// Whether the job has more than `limit` events. Reads at most `limit` + 1 of them.
    pub fn is_longer_than(&self, job: StreamId, limit: u64) -> Result<bool, Error> {
        let sql = "SELECT EXISTS (SELECT 1 FROM event WHERE job = ?1 LIMIT 1 OFFSET ?2)";
        Ok(self.prepare("count a job's events", sql)?.value(params![job, limit])?)
    }

    /// The position and type of the job's newest event whose type is not in `but`. Searches from the job's end.
    pub fn newest_but(&self, job: StreamId, but: Types) -> Result<Option<(Position, String)>, Error> {
        let sql = "SELECT position, type FROM event WHERE job = ?1 AND instr(?2, ',' || type || ',') = 0 \
                   ORDER BY prev DESC LIMIT 1";
        let mut statement = self.prepare("find where a job's history ends", sql)?;
        Ok(statement.row_if_any(params![job, but.parameter()], |row| Ok((row.get(0)?, row.get(1)?)))?)
    }

    /// Gives `each` the events of one job after `after`, up to and with `upto`, in order, `limit` at the most.
    ///
    /// The index orders a job's events by `prev`. The `prev` of the first event after `after` is the job's newest position up to
    /// `after`.
    pub fn scan_job<E: From<Error>>(
        &self,
        job: StreamId,
        after: Position,
        upto: Position,
        limit: u64,
        each: impl FnMut(Row<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let sql = "SELECT position, leaf, data, salt FROM event WHERE job = ?1 AND position > ?2 AND position <= ?3 \
                   AND prev >= (SELECT ifnull(max(prev), 0) FROM event WHERE job = ?1 AND prev < ?2) \
                   ORDER BY prev LIMIT ?4";
        self.each("read a job's events", sql, params![job, after, upto, limit], each)
    }
}
