//! Short reads of the log: one event, stretches of events, and recorded times. Pages are in `page`, reads of one job in `jobs`,
//! reads of the tree in `tree`.

use std::ops::ControlFlow;
use std::path::Path;

use rusqlite::{Connection, params};

use super::{Error, FileState, Types, file_state};
use crate::job::{Kind, OrgId, Position, Time};
use crate::sqlite::{self, Statement};

/// An event as stored, borrowed from the statement that reads it.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// Its position.
    pub position: Position,
    /// The exact leaf.
    pub leaf: &'a [u8],
    /// The exact data; `None` after a redaction.
    pub data: Option<&'a [u8]>,
    /// The salt; `None` after a redaction.
    pub salt: Option<&'a [u8]>,
}

/// The event that a producer named with (`source`, `id`).
#[derive(Debug)]
pub struct Found {
    /// Its position.
    pub position: Position,
    /// The exact leaf.
    pub leaf: Vec<u8>,
    /// The exact data; `None` after a redaction.
    pub data: Option<Vec<u8>>,
}

/// Reads of the log through one connection.
#[derive(Debug)]
pub struct Reader<'c> {
    pub(super) conn: &'c Connection,
}

impl<'c> Reader<'c> {
    /// Reads through `conn`, which must have a log open.
    pub fn new(conn: &'c Connection) -> Reader<'c> {
        Reader { conn }
    }

    /// Opens the log in `path` for reading only, and changes no byte. A server may run beside it.
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

    /// Runs the reads of `read` on one state of the log.
    pub fn snapshot<T, E: From<Error>>(&self, read: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        sqlite::snapshot(self.conn, read).map_err(Error::from)?
    }

    /// The newest position.
    pub fn head(&self) -> Result<Position, Error> {
        Ok(self.prepare("read the head", "SELECT max(position) FROM event")?.value([])?)
    }

    /// The event that a producer named with (`source`, `id`), among all events of the log. Without an organisation, looks for an
    /// event of the ledger itself.
    pub fn named(&self, org: Option<OrgId>, source: &str, id: &str) -> Result<Option<Found>, Error> {
        let sql = "SELECT event.position, leaf, data FROM org JOIN source ON source.org = org.id \
                   JOIN event ON event.source = source.id WHERE org.uuid = ?1 AND source.uri = ?2 AND event.id = ?3";
        let mut statement = self.prepare("find an event by its name", sql)?;
        let org = org.map(|org| org.to_string()).unwrap_or_default();
        let found = |row: &rusqlite::Row<'_>| Ok(Found { position: row.get(0)?, leaf: row.get(1)?, data: row.get(2)? });
        Ok(statement.row_if_any(params![org, source, id], found)?)
    }

    /// Gives `each` the event at `position`, and returns its result; `None` beyond the head.
    pub fn at<T>(&self, position: Position, each: impl FnOnce(Row<'_>) -> T) -> Result<Option<T>, Error> {
        let sql = "SELECT position, leaf, data, salt FROM event WHERE position = ?1";
        let mut statement = self.prepare("read an event", sql)?;
        Ok(statement.rows([position])?.read(borrow)?.map(each))
    }

    /// Gives `each` the events from `from` on, in order, `limit` at the most, until `each` breaks.
    pub fn scan<E: From<Error>>(
        &self,
        from: Position,
        limit: u64,
        each: impl FnMut(Row<'_>) -> Result<ControlFlow<()>, E>,
    ) -> Result<(), E> {
        let sql = "SELECT position, leaf, data, salt FROM event WHERE position >= ?1 ORDER BY position LIMIT ?2";
        self.until("read events", sql, params![from, limit], each)
    }

    /// As [`Reader::scan`], with the type and the kind by which filters find each event.
    ///
    /// # Errors
    /// SQLite refuses a statement, or `each` fails.
    pub fn scan_with_columns<E: From<Error>>(
        &self,
        from: Position,
        limit: u64,
        mut each: impl FnMut(Types, Option<Kind>, Row<'_>) -> Result<ControlFlow<()>, E>,
    ) -> Result<(), E> {
        let sql =
            "SELECT position, leaf, data, salt, type, kind FROM event WHERE position >= ?1 ORDER BY position LIMIT ?2";
        let mut statement = self.prepare("read events", sql)?;
        let mut rows = statement.rows(params![from, limit]).map_err(Error::from)?;
        while let Some((types, kind, row)) = rows.read(with_columns).map_err(Error::from)? {
            if each(types, kind, row)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Gives `each` the events of the ledger itself, the genesis event first.
    pub fn scan_own<E: From<Error>>(&self, each: impl FnMut(Row<'_>) -> Result<(), E>) -> Result<(), E> {
        let sql = "SELECT position, leaf, data, salt FROM event \
                   WHERE source IN (SELECT id FROM source WHERE org = 0) ORDER BY position";
        self.each("read the ledger's own events", sql, [], each)
    }

    /// The newest position recorded at or before `time`. Recorded times never fall, so bisection finds it.
    pub fn at_time(&self, time: Time) -> Result<Position, Error> {
        let mut statement =
            self.prepare("find a moment in the log", "SELECT recorded FROM event WHERE position = ?1")?;
        let (mut low, mut high) = (0, self.head()?.get());
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            let recorded: i64 = statement.value([middle])?;
            if recorded <= time.micros() { low = middle } else { high = middle - 1 }
        }
        Ok(Position::new(low))
    }

    /// The time at which the event at `position` was recorded; `None` beyond the head.
    pub fn recorded(&self, position: Position) -> Result<Option<Time>, Error> {
        let sql = "SELECT recorded FROM event WHERE position = ?1";
        let micros = self.prepare("read when an event was recorded", sql)?.value_if_any([position])?;
        Ok(micros.map(Time::from_micros))
    }

    /// A statement on the log, planned once for its connection. `doing` completes the sentence "cannot …".
    pub(crate) fn prepare(&self, doing: &'static str, sql: &str) -> Result<Statement<'c>, Error> {
        Ok(Statement::new(self.conn, doing, sql)?)
    }

    pub(super) fn each<E: From<Error>>(
        &self,
        doing: &'static str,
        sql: &str,
        params: impl rusqlite::Params,
        mut each: impl FnMut(Row<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.until(doing, sql, params, |row| each(row).map(ControlFlow::Continue))
    }

    pub(super) fn until<E: From<Error>>(
        &self,
        doing: &'static str,
        sql: &str,
        params: impl rusqlite::Params,
        mut each: impl FnMut(Row<'_>) -> Result<ControlFlow<()>, E>,
    ) -> Result<(), E> {
        let mut statement = self.prepare(doing, sql)?;
        let mut rows = statement.rows(params).map_err(Error::from)?;
        while let Some(row) = rows.read(borrow).map_err(Error::from)? {
            if each(row)?.is_break() {
                break;
            }
        }
        Ok(())
    }
}

/// Ends a read (`Break`) that has gathered at least `limit` bytes, and lets a smaller one go on.
pub fn enough(size: usize, limit: usize) -> ControlFlow<()> {
    if size >= limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}

/// The row, its type, and its kind. A kind that this program does not know counts as none, because no filter can name it.
fn with_columns<'r>(row: &'r rusqlite::Row<'_>) -> Result<(Types, Option<Kind>, Row<'r>), rusqlite::Error> {
    let kind = row.get_ref(5)?.as_str_or_null()?.and_then(|kind| kind.parse().ok());
    Ok((Types::spelled(row.get_ref(4)?.as_str()?), kind, borrow(row)?))
}

pub(super) fn borrow<'a>(row: &'a rusqlite::Row<'_>) -> Result<Row<'a>, rusqlite::Error> {
    Ok(Row {
        position: row.get(0)?,
        leaf: row.get_ref(1)?.as_blob()?,
        data: row.get_ref(2)?.as_blob_or_null()?,
        salt: row.get_ref(3)?.as_blob_or_null()?,
    })
}
