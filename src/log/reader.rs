//! Short reads of the log.

use std::ops::ControlFlow;
use std::path::Path;

use rusqlite::{CachedStatement, Connection, OptionalExtension, params};

use super::{Error, FileState, file_state};
use crate::job::{JobId, Kind, OrgId, Position, Time};
use crate::sqlite;

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

/// An event that has the asked-for (`source`, `id`).
#[derive(Debug)]
pub struct Found {
    /// Where it is.
    pub position: Position,
    /// Its leaf.
    pub leaf: Vec<u8>,
    /// Its data; `None` where it was erased.
    pub data: Option<Vec<u8>>,
}

/// Which events a page shows. `None` everywhere shows all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Filter {
    /// Of one organisation.
    pub org: Option<OrgId>,
    /// Of jobs with this id (in every organisation that the filter lets through).
    pub job: Option<JobId>,
    /// Of one kind of job.
    pub kind: Option<Kind>,
    /// Of these types; empty for all.
    pub types: Vec<String>,
    /// Recorded up to here.
    pub upto: Option<Position>,
}

impl Filter {
    /// The last position that it lets through of a log whose newest is `head`.
    pub fn end(&self, head: Position) -> Position {
        self.upto.map_or(head, |upto| upto.min(head))
    }
}

/// How far a page read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// The last position looked at: where the next page starts.
    pub scanned: Position,
    /// The head when the page was read, or where the filter ends before it.
    pub head: Position,
}

/// Reads over one connection.
#[derive(Debug)]
pub struct Reader<'c> {
    pub(super) conn: &'c Connection,
}

impl<'c> Reader<'c> {
    /// Reads over `conn`, which must be open on a log.
    pub fn new(conn: &'c Connection) -> Reader<'c> {
        Reader { conn }
    }

    /// Opens the log in `path` for reading only, beside a server or without one, without changing a byte.
    pub fn open(path: &Path) -> Result<Connection, Error> {
        sqlite::sqlite_is_sound()?;
        if !path.exists() {
            return Err(Error::Missing(path.to_owned()));
        }
        let conn = sqlite::open_to_read(path)?;
        match file_state(&conn, path)? {
            FileState::Log(_) => Ok(conn),
            FileState::Empty => Err(Error::Missing(path.to_owned())),
        }
    }

    /// Runs several reads of this on one state of the log.
    pub fn snapshot<T, E: From<Error>>(&self, read: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        sqlite::Pool::snapshot(self.conn, read)
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

    /// Whether the job has more than `limit` events. Looks at no more than that many.
    pub fn is_longer_than(&self, job: StreamId, limit: u64) -> Result<bool, Error> {
        let doing = "count a job's events";
        let sql = "SELECT EXISTS (SELECT 1 FROM event WHERE job = ?1 LIMIT 1 OFFSET ?2)";
        let mut statement = self.prepare(doing, sql)?;
        statement.query_row(params![job.0, limit as i64], |row| row.get(0)).map_err(Error::doing(doing))
    }

    /// Where and how the job's history ends, remarks left out: the newest event that is of none of the types `but`. Looks at
    /// no more than the remarks behind it.
    pub fn newest_but(&self, job: StreamId, but: &[&str]) -> Result<Option<(Position, String)>, Error> {
        let doing = "find where a job's history ends";
        let sql = "SELECT position, type FROM event WHERE job = ?1 AND instr(?2, ',' || type || ',') = 0 \
                   ORDER BY prev DESC LIMIT 1";
        let mut statement = self.prepare(doing, sql)?;
        let found = statement.query_row(params![job.0, words(but)], |row| {
            Ok((Position::new(row.get::<_, i64>(0)? as u64), row.get(1)?))
        });
        found.optional().map_err(Error::doing(doing))
    }

    /// The kind of a job; `None` where there is no such job.
    pub fn job_kind(&self, org: OrgId, job: &JobId) -> Result<Option<Kind>, Error> {
        let doing = "find a job's kind";
        let sql = "SELECT job.kind FROM org JOIN job ON job.org = org.id WHERE org.uuid = ?1 AND job.subject = ?2";
        let mut statement = self.prepare(doing, sql)?;
        let kind = statement.query_row(params![org.to_string(), job.as_str()], |row| row.get::<_, String>(0));
        Ok(kind.optional().map_err(Error::doing(doing))?.and_then(|word| word.parse().ok()))
    }

    /// The event that `source` named `id`, if there is one: for the life of the log, not a window. `None` for the
    /// organisation asks for the ledger's own.
    pub fn named(&self, org: Option<OrgId>, source: &str, id: &str) -> Result<Option<Found>, Error> {
        let doing = "find an event by its name";
        let sql = "SELECT event.position, leaf, data FROM org JOIN source ON source.org = org.id \
                   JOIN event ON event.source = source.id WHERE org.uuid = ?1 AND source.uri = ?2 AND event.id = ?3";
        let mut statement = self.prepare(doing, sql)?;
        let org = org.map(|org| org.to_string()).unwrap_or_default();
        let found = statement.query_row(params![org, source, id], |row| {
            let position = Position::new(row.get::<_, i64>(0)? as u64);
            Ok(Found { position, leaf: row.get(1)?, data: row.get(2)? })
        });
        found.optional().map_err(Error::doing(doing))
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

    /// The data of the redaction that erased the event at `position`, and its version; `None` where there is none.
    pub fn redaction_of(&self, position: Position) -> Result<Option<(u32, Vec<u8>)>, Error> {
        let doing = "find the erasure of an event";
        // The `+` takes the column's affinity away, which the index does not have.
        let sql = "SELECT redaction.version, redaction.data FROM event AS erased JOIN event AS redaction \
                   ON redaction.job = erased.job AND redaction.type = 'job.redacted' \
                   AND json_extract(CAST(redaction.data AS TEXT), '$.position') = +erased.position \
                   WHERE erased.position = ?1 AND redaction.position > erased.position";
        let mut statement = self.prepare(doing, sql)?;
        let found = statement.query_row([position.get() as i64], |row| Ok((row.get(0)?, row.get(1)?)));
        found.optional().map_err(Error::doing(doing))
    }

    /// The newest redaction of all jobs; the genesis event where nothing was ever erased.
    pub fn newest_redaction(&self) -> Result<Position, Error> {
        let doing = "find the newest erasure";
        // The `+` keeps SQLite from looking for it from the end of the log.
        let sql = "SELECT ifnull(max(+position), 0) FROM event WHERE type = 'job.redacted'";
        let mut statement = self.prepare(doing, sql)?;
        let newest = statement.query_row([], |row| row.get::<_, i64>(0)).map_err(Error::doing(doing))?;
        Ok(Position::new(newest as u64))
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

    /// Gives `each` the events after `after` that `filter` lets through, `limit` at the most, until it breaks.
    ///
    /// Looks at a bounded stretch only, of the log or of the one job: a page may be short, or empty, with more behind it.
    pub fn page<E: From<Error>>(
        &self,
        after: Position,
        limit: u64,
        filter: &Filter,
        each: impl FnMut(Row<'_>) -> Result<ControlFlow<()>, E>,
    ) -> Result<Page, E> {
        self.page_within(SCAN_LIMIT, after, limit, filter, each)
    }

    /// A page that looks at `scan` events at the most.
    pub fn page_within<E: From<Error>>(
        &self,
        scan: u64,
        after: Position,
        limit: u64,
        filter: &Filter,
        mut each: impl FnMut(Row<'_>) -> Result<ControlFlow<()>, E>,
    ) -> Result<Page, E> {
        // Read once: whatever is committed from here on is of another page.
        let head = filter.end(self.head()?);
        let (mut shown, mut last, mut broke) = (0, after, false);
        let mut take = |row: Row<'_>| {
            (shown, last) = (shown + 1, row.position);
            let flow = each(row)?;
            broke = flow.is_break();
            Ok::<_, E>(flow)
        };
        let end = match filter.org.zip(filter.job.as_ref()) {
            Some((org, job)) => {
                let kind_fits = filter.kind.is_none() || filter.kind == self.job_kind(org, job)?;
                match self.stream(org, job)?.filter(|_| kind_fits) {
                    Some(stream) => self.job_page(stream, after, head, (limit, scan), &filter.types, &mut take)?,
                    None => head,
                }
            }
            None => {
                let end = head.min(Position::new(after.get().saturating_add(scan)));
                self.stretch(after, end, limit, filter, &mut take)?;
                end
            }
        };
        let scanned = if shown == limit || broke { last } else { end.max(after) };
        Ok(Page { scanned, head })
    }

    /// One job's part of a page; answers how far it looked.
    fn job_page<E: From<Error>>(
        &self,
        job: StreamId,
        after: Position,
        head: Position,
        (limit, scan): (u64, u64),
        types: &[String],
        each: impl FnMut(Row<'_>) -> Result<ControlFlow<()>, E>,
    ) -> Result<Position, E> {
        let doing = "find where a page of a job's events ends";
        let (after, mut end) = (after.get() as i64, head.get() as i64);
        // Without types every event is shown, and the limit is bound enough.
        if !types.is_empty() {
            let sql = "SELECT position FROM event WHERE job = ?1 AND position > ?2 AND position <= ?3 \
                       AND prev >= (SELECT ifnull(max(prev), 0) FROM event WHERE job = ?1 AND prev < ?2) \
                       ORDER BY prev LIMIT 1 OFFSET ?4";
            let mut statement = self.prepare(doing, sql)?;
            let last = statement.query_row(params![job.0, after, end, scan as i64 - 1], |row| row.get(0));
            end = last.optional().map_err(Error::doing(doing))?.unwrap_or(end);
        }
        let sql = "SELECT position, leaf, data, salt FROM event WHERE job = ?1 AND position > ?2 AND position <= ?3 \
                   AND prev >= (SELECT ifnull(max(prev), 0) FROM event WHERE job = ?1 AND prev < ?2) \
                   AND (?4 IS NULL OR instr(?4, ',' || type || ',') > 0) ORDER BY prev LIMIT ?5";
        let types = (!types.is_empty()).then(|| words(types));
        self.until("read a page of a job's events", sql, params![job.0, after, end, types, limit as i64], each)?;
        Ok(Position::new(end as u64))
    }

    fn stretch<E: From<Error>>(
        &self,
        after: Position,
        end: Position,
        limit: u64,
        filter: &Filter,
        each: impl FnMut(Row<'_>) -> Result<ControlFlow<()>, E>,
    ) -> Result<(), E> {
        let sql = "SELECT position, leaf, data, salt FROM event WHERE position > ?1 AND position <= ?2 \
                   AND (?3 IS NULL OR org = (SELECT id FROM org WHERE uuid = ?3)) \
                   AND (?4 IS NULL OR job IN (SELECT job.id FROM org JOIN job ON job.org = org.id AND subject = ?4)) \
                   AND (?5 IS NULL OR kind = ?5) AND (?6 IS NULL OR instr(?6, ',' || type || ',') > 0) \
                   ORDER BY position LIMIT ?7";
        let org = filter.org.map(|org| org.to_string());
        let job = filter.job.as_ref().map(JobId::as_str);
        let kind = filter.kind.map(Kind::as_str);
        let types = (!filter.types.is_empty()).then(|| words(&filter.types));
        let bounds = params![after.get() as i64, end.get() as i64, org, job, kind, types, limit as i64];
        self.until("read a page of events", sql, bounds, each)
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

    pub(super) fn prepare(&self, doing: &'static str, sql: &str) -> Result<CachedStatement<'c>, Error> {
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

/// Whether a read that has gathered `size` bytes goes on, up to about `limit`.
pub fn enough(size: usize, limit: usize) -> ControlFlow<()> {
    if size >= limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}

/// Words as one text to search in: `,job.started,job.failed,`.
fn words(words: &[impl AsRef<str>]) -> String {
    words.iter().fold(",".to_owned(), |text, word| text + word.as_ref() + ",")
}

fn borrow<'a>(row: &'a rusqlite::Row<'_>) -> Result<Row<'a>, rusqlite::Error> {
    Ok(Row {
        position: Position::new(row.get::<_, i64>(0)? as u64),
        leaf: row.get_ref(1)?.as_blob()?,
        data: row.get_ref(2)?.as_blob_or_null()?,
        salt: row.get_ref(3)?.as_blob_or_null()?,
    })
}
