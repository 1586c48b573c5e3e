//! Short reads of the log.

use std::ops::ControlFlow;
use std::path::Path;

use rusqlite::{CachedStatement, Connection, OptionalExtension, params};

use super::{Error, FileState, file_state};
use crate::job::{JobId, Kind, OrgId, Position, Time};

/// How many events a filtered page looks at, at the most, before it answers short.
pub const SCAN_LIMIT: u64 = 20_000;

/// The row of a job in the log: what its events refer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StreamId(pub(super) i64);

/// An event as stored, borrowed from the statement that reads it.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// Its place.
    pub position: Position,
    /// The exact leaf.
    pub leaf: &'a [u8],
    /// The exact data; `None` where it was erased.
    pub data: Option<&'a [u8]>,
    /// The salt; `None` where it was erased.
    pub salt: Option<&'a [u8]>,
}

/// Which events a page shows. `None` everywhere shows all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of one organisation.
    pub org: Option<OrgId>,
    /// Of jobs with this id (in every organisation that the filter lets through).
    pub job: Option<JobId>,
    /// Of one kind of job.
    pub kind: Option<Kind>,
    /// Of these types; empty for all.
    pub types: Vec<String>,
}

/// How far a page read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// The last position looked at: where the next page starts.
    pub scanned: Position,
    /// The head when the page was read.
    pub head: Position,
}

/// Reads over one connection.
#[derive(Debug)]
pub struct Reader<'c> {
    conn: &'c Connection,
}

impl<'c> Reader<'c> {
    /// Reads over `conn`, which must be open on a log.
    pub fn new(conn: &'c Connection) -> Reader<'c> {
        Reader { conn }
    }

    /// Opens the log in `path` for reading only, beside a server or without one, without changing a byte.
    pub fn open(path: &Path) -> Result<Connection, Error> {
        super::sqlite_is_sound()?;
        if !path.exists() {
            return Err(Error::Missing(path.to_owned()));
        }
        let conn = super::pool::open_reader(path, super::Map::Mapped)?;
        match file_state(&conn, path)? {
            FileState::Log => Ok(conn),
            FileState::Empty => Err(Error::Missing(path.to_owned())),
        }
    }

    /// The newest position.
    pub fn head(&self) -> Result<Position, Error> {
        let doing = "read the head";
        let mut statement = self.prepare(doing, "SELECT max(position) FROM event")?;
        let head: i64 = statement.query_row([], |row| row.get(0)).map_err(Error::doing(doing))?;
        Ok(Position::new(head as u64))
    }

    /// The job's row, if the job exists.
    pub fn stream(&self, org: OrgId, job: &JobId) -> Result<Option<StreamId>, Error> {
        let doing = "find a job";
        let sql = "SELECT job.id FROM org JOIN job ON job.org = org.id WHERE org.uuid = ?1 AND job.subject = ?2";
        let mut statement = self.prepare(doing, sql)?;
        let found = statement.query_row(params![org.to_string(), job.as_str()], |row| row.get(0)).optional();
        Ok(found.map_err(Error::doing(doing))?.map(StreamId))
    }

    /// The position of the job's newest event of one of these types, searched from its end.
    pub fn newest_of(&self, job: StreamId, types: &[&str]) -> Result<Option<Position>, Error> {
        let doing = "find a job's newest event of a type";
        let sql = "SELECT position FROM event WHERE job = ?1 AND instr(?2, ',' || type || ',') > 0 \
                   ORDER BY prev DESC LIMIT 1";
        let mut statement = self.prepare(doing, sql)?;
        let types = format!(",{},", types.join(","));
        let found = statement.query_row(params![job.0, types], |row| row.get::<_, i64>(0)).optional();
        Ok(found.map_err(Error::doing(doing))?.map(|position| Position::new(position as u64)))
    }

    /// One event, given to `each`; `None` where there is no such position.
    pub fn at<T>(&self, position: Position, each: impl FnOnce(Row<'_>) -> T) -> Result<Option<T>, Error> {
        let doing = "read an event";
        let mut statement = self.prepare(doing, "SELECT position, leaf, data, salt FROM event WHERE position = ?1")?;
        let mut rows = statement.query([position.get() as i64]).map_err(Error::doing(doing))?;
        match rows.next().map_err(Error::doing(doing))? {
            Some(row) => Ok(Some(each(borrow(row).map_err(Error::doing(doing))?))),
            None => Ok(None),
        }
    }

    /// Gives `each` the events from `from` on, in order, `limit` at the most, until it breaks.
    pub fn scan<E: From<Error>>(
        &self,
        from: Position,
        limit: u64,
        each: impl FnMut(Row<'_>) -> Result<ControlFlow<()>, E>,
    ) -> Result<(), E> {
        let sql = "SELECT position, leaf, data, salt FROM event WHERE position >= ?1 ORDER BY position LIMIT ?2";
        self.until("read events", sql, params![from.get() as i64, limit as i64], each)
    }

    /// Gives `each` the events of one job after `after`, up to `upto`, in order, `limit` at the most.
    ///
    /// The index is by `prev`: the first event after `after` is the one whose `prev` is the job's newest up to there.
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
        let bounds = params![job.0, after.get() as i64, upto.get() as i64, limit as i64];
        self.each("read a job's events", sql, bounds, each)
    }

    /// Gives `each` the events after `after` that `filter` lets through, `limit` at the most.
    ///
    /// A single job is read through its own index. Anything else looks at a bounded stretch of the log, so a page may be
    /// short, or empty, with more behind it.
    pub fn page<E: From<Error>>(
        &self,
        after: Position,
        limit: u64,
        filter: &Filter,
        mut each: impl FnMut(Row<'_>) -> Result<(), E>,
    ) -> Result<Page, E> {
        let head = self.head()?;
        let one_job = filter.org.zip(filter.job.as_ref());
        let end =
            if one_job.is_some() { head } else { head.min(Position::new(after.get().saturating_add(SCAN_LIMIT))) };
        let (mut shown, mut last) = (0, after);
        let mut take = |row: Row<'_>| {
            (shown, last) = (shown + 1, row.position);
            each(row)
        };
        match one_job {
            Some((org, job)) => {
                if let Some(stream) = self.stream(org, job)? {
                    self.job_page(stream, after, limit, filter, &mut take)?;
                }
            }
            None => self.stretch(after, end, limit, filter, &mut take)?,
        }
        Ok(Page { scanned: if shown < limit { end.max(after) } else { last }, head })
    }

    fn job_page<E: From<Error>>(
        &self,
        job: StreamId,
        after: Position,
        limit: u64,
        filter: &Filter,
        each: impl FnMut(Row<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let sql = "SELECT position, leaf, data, salt FROM event WHERE job = ?1 AND position > ?2 \
                   AND prev >= (SELECT ifnull(max(prev), 0) FROM event WHERE job = ?1 AND prev < ?2) \
                   AND (?3 IS NULL OR kind = ?3) AND (?4 IS NULL OR instr(?4, ',' || type || ',') > 0) \
                   ORDER BY prev LIMIT ?5";
        let kind = filter.kind.map(Kind::as_str);
        let bounds = params![job.0, after.get() as i64, kind, types(filter), limit as i64];
        self.each("read a page of a job's events", sql, bounds, each)
    }

    fn stretch<E: From<Error>>(
        &self,
        after: Position,
        end: Position,
        limit: u64,
        filter: &Filter,
        each: impl FnMut(Row<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let sql = "SELECT position, leaf, data, salt FROM event WHERE position > ?1 AND position <= ?2 \
                   AND (?3 IS NULL OR org = (SELECT id FROM org WHERE uuid = ?3)) \
                   AND (?4 IS NULL OR job IN (SELECT job.id FROM org JOIN job ON job.org = org.id AND subject = ?4)) \
                   AND (?5 IS NULL OR kind = ?5) AND (?6 IS NULL OR instr(?6, ',' || type || ',') > 0) \
                   ORDER BY position LIMIT ?7";
        let org = filter.org.map(|org| org.to_string());
        let job = filter.job.as_ref().map(JobId::as_str);
        let kind = filter.kind.map(Kind::as_str);
        let bounds = params![after.get() as i64, end.get() as i64, org, job, kind, types(filter), limit as i64];
        self.each("read a page of events", sql, bounds, each)
    }

    /// Gives `each` the ledger's own events, the genesis event first.
    pub fn scan_own<E: From<Error>>(&self, each: impl FnMut(Row<'_>) -> Result<(), E>) -> Result<(), E> {
        let sql = "SELECT position, leaf, data, salt FROM event \
                   WHERE source IN (SELECT id FROM source WHERE org = 0) ORDER BY position";
        self.each("read the ledger's own events", sql, [], each)
    }

    /// The newest position recorded at or before `time`. Recorded times never fall, so bisection finds it.
    pub fn at_time(&self, time: Time) -> Result<Position, Error> {
        let doing = "find a moment in the log";
        let mut statement = self.prepare(doing, "SELECT recorded FROM event WHERE position = ?1")?;
        let (mut low, mut high) = (0, self.head()?.get());
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            let recorded: i64 = statement.query_row([middle as i64], |row| row.get(0)).map_err(Error::doing(doing))?;
            if recorded <= time.micros() { low = middle } else { high = middle - 1 }
        }
        Ok(Position::new(low))
    }

    /// When the event at `position` was recorded; `None` where there is none.
    pub fn recorded(&self, position: Position) -> Result<Option<Time>, Error> {
        let doing = "read when an event was recorded";
        let mut statement = self.prepare(doing, "SELECT recorded FROM event WHERE position = ?1")?;
        let micros = statement.query_row([position.get() as i64], |row| row.get(0)).optional();
        Ok(micros.map_err(Error::doing(doing))?.map(Time::from_micros))
    }

    fn prepare(&self, doing: &'static str, sql: &str) -> Result<CachedStatement<'c>, Error> {
        self.conn.prepare_cached(sql).map_err(Error::doing(doing))
    }

    fn each<E: From<Error>>(
        &self,
        doing: &'static str,
        sql: &str,
        params: impl rusqlite::Params,
        mut each: impl FnMut(Row<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.until(doing, sql, params, |row| each(row).map(ControlFlow::Continue))
    }

    fn until<E: From<Error>>(
        &self,
        doing: &'static str,
        sql: &str,
        params: impl rusqlite::Params,
        mut each: impl FnMut(Row<'_>) -> Result<ControlFlow<()>, E>,
    ) -> Result<(), E> {
        let mut statement = self.prepare(doing, sql)?;
        let mut rows = statement.query(params).map_err(Error::doing(doing))?;
        while let Some(row) = rows.next().map_err(Error::doing(doing))? {
            if each(borrow(row).map_err(Error::doing(doing))?)?.is_break() {
                break;
            }
        }
        Ok(())
    }
}

/// The types of a filter as one text to search in: `,job.started,job.failed,`.
fn types(filter: &Filter) -> Option<String> {
    (!filter.types.is_empty()).then(|| format!(",{},", filter.types.join(",")))
}

fn borrow<'a>(row: &'a rusqlite::Row<'_>) -> Result<Row<'a>, rusqlite::Error> {
    Ok(Row {
        position: Position::new(row.get::<_, i64>(0)? as u64),
        leaf: row.get_ref(1)?.as_blob()?,
        data: row.get_ref(2)?.as_blob_or_null()?,
        salt: row.get_ref(3)?.as_blob_or_null()?,
    })
}
