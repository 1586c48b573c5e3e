//! Opening `views.db`, and telling whether its views are of this log and this program.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use super::Error;
use crate::job::Position;
use crate::log::{self, Reader};
use crate::sqlite;
use crate::tree::{Hash, leaf_hash};

/// The version of the tables. A change of `schema/views*.sql` raises it, and views of another version are made again.
const VERSION: i64 = 10;
/// The page cache of a connection that reads a few rows, 2 MiB.
const SMALL_CACHE: usize = 2 << 20;
/// How long a connection waits for a lock.
const PATIENCE: Duration = Duration::from_secs(5);
/// "jobv": marks the file as views.
const APPLICATION_ID: i64 = 0x6a6f_6276;
pub(super) const TABLES: &str = include_str!("../../schema/views.sql");
pub(super) const INDEXES: &str = include_str!("../../schema/views-indexes.sql");

/// Opens existing views for writing.
pub(super) fn open_existing(path: &Path, cache: usize) -> Result<Connection, Error> {
    let conn = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE, cache)?;
    let doing = || Error::doing("set up the views");
    sqlite::use_wal(&conn, PATIENCE).map_err(doing())?;
    conn.execute_batch("PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 4000;").map_err(doing())?;
    Ok(conn)
}

/// Makes new, empty views in a file of their own. Writes are not durable, because no reader uses the file yet; [`finish`] syncs it.
///
/// In the log from which the views are made, all redactions up to `scrubbed` have removed their data.
pub(super) fn create(path: &Path, scrubbed: Position, cache: usize) -> Result<Connection, Error> {
    let conn = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE, cache)?;
    let doing = Error::doing("make new views");
    conn.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE;")
        .and_then(|()| conn.execute_batch(TABLES))
        .map_err(doing)?;
    set_scrubbed(&conn, scrubbed)?;
    Ok(conn)
}

/// The last step of new views: makes the indexes, marks the file as views, and syncs it.
pub(super) fn finish(conn: Connection, path: &Path) -> Result<(), Error> {
    let doing = || Error::doing("finish new views");
    conn.execute_batch(INDEXES).map_err(doing())?;
    conn.pragma_update(None, "application_id", APPLICATION_ID).map_err(doing())?;
    conn.pragma_update(None, "user_version", VERSION).map_err(doing())?;
    close(conn, path)
}

/// Copies only the rows of the views into a new file.
///
/// SQLite leaves parts of rows behind when it moves rows between pages, even with `secure_delete`. A copy has no such parts.
pub(super) fn copy(views: &Connection, path: &Path) -> Result<(), Error> {
    let doing = || Error::doing("copy the views");
    views.execute("VACUUM INTO ?1", [path.to_string_lossy()]).map_err(doing())?;
    let conn = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE, SMALL_CACHE)?;
    set_scrubbed(&conn, position(&conn)?)?;
    close(conn, path)
}

/// Closes new views and syncs their file.
///
/// The file gets its WAL while no other program uses it: at a later change of the journal mode a reader would be in the way.
fn close(conn: Connection, path: &Path) -> Result<(), Error> {
    sqlite::use_wal(&conn, PATIENCE).map_err(Error::doing("give new views a WAL"))?;
    conn.close().map_err(|(_, cause)| Error::doing("close new views")(cause))?;
    std::fs::File::open(path).and_then(|file| file.sync_all()).map_err(Error::io("sync", path))
}

/// Opens the file with a page cache of at most `cache` bytes.
fn connect(path: &Path, flags: OpenFlags, cache: usize) -> Result<Connection, Error> {
    let doing = || Error::doing("open the views");
    let conn = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(doing())?;
    conn.busy_timeout(PATIENCE).map_err(doing())?;
    sqlite::limit_cache(&conn, cache).map_err(doing())?;
    sqlite::plan_once(&conn).map_err(doing())?;
    Ok(conn)
}

/// The newest event that views hold.
pub(super) struct NewestEvent {
    pub position: Position,
    /// The hash of its leaf, by which views of this log differ from views of another log.
    pub leaf_hash: Hash,
}

/// The newest event that the views hold; `None` for views without an event.
pub(super) fn newest_event(conn: &Connection) -> Result<Option<NewestEvent>, Error> {
    conn.prepare_cached("SELECT position, leaf_hash FROM position")
        .and_then(|mut statement| {
            let read = |row: &rusqlite::Row<'_>| {
                let position = Position::new(row.get::<_, i64>(0)? as u64);
                Ok(NewestEvent { position, leaf_hash: Hash(row.get(1)?) })
            };
            statement.query_row([], read).optional()
        })
        .map_err(Error::doing("read the position of the views"))
}

/// The position of the views: the newest event that they hold.
///
/// # Errors
///
/// The file cannot be read.
pub fn position(conn: &Connection) -> Result<Position, Error> {
    Ok(newest_event(conn)?.map_or(Position::GENESIS, |newest| newest.position))
}

pub(super) fn set_newest_event(conn: &Connection, newest: &NewestEvent) -> Result<(), Error> {
    let NewestEvent { position, leaf_hash } = newest;
    conn.prepare_cached("INSERT OR REPLACE INTO position (one, position, leaf_hash) VALUES (1, ?1, ?2)")
        .and_then(|mut statement| statement.execute(params![position.get() as i64, leaf_hash.as_bytes()]))
        .map(drop)
        .map_err(Error::doing("note the position of the views"))
}

/// The file holds no bytes of data that a redaction up to this position removed.
pub(super) fn scrubbed(conn: &Connection) -> Result<Position, Error> {
    let upto = conn.query_row("SELECT upto FROM scrubbed", [], |row| row.get::<_, i64>(0));
    Ok(Position::new(upto.map_err(Error::doing("read which redactions the views apply"))? as u64))
}

fn set_scrubbed(conn: &Connection, upto: Position) -> Result<(), Error> {
    conn.execute("INSERT OR REPLACE INTO scrubbed (one, upto) VALUES (1, ?1)", [upto.get() as i64])
        .map(drop)
        .map_err(Error::doing("note which redactions the views apply"))
}

/// Whether the database is marked as views of today's version. Reads no table.
///
/// # Errors
///
/// The file cannot be read.
pub fn is_of_today(conn: &Connection) -> Result<bool, rusqlite::Error> {
    let mark = |name| conn.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    Ok(mark("application_id")? == APPLICATION_ID && mark("user_version")? == VERSION)
}

/// Views in memory without a row: the tables and indexes of today's version.
///
/// # Errors
///
/// SQLite has no memory.
pub fn empty_views() -> Result<Connection, Error> {
    let doing = || Error::doing("make empty views");
    let conn = Connection::open_in_memory().map_err(doing())?;
    conn.execute_batch(TABLES).and_then(|()| conn.execute_batch(INDEXES)).map_err(doing())?;
    Ok(conn)
}

/// Why a file does not hold views of a log.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// The file is missing.
    #[error("the file is missing")]
    Missing,
    /// Another version of jobledger made the views, or the file is no views database.
    #[error("they have the tables of another version")]
    OtherVersion,
    /// The views hold no event.
    #[error("they were never finished")]
    Unfinished,
    /// The log has another event at the position of the views.
    #[error("they are of another history")]
    OtherHistory,
    /// The log does not have their newest event.
    #[error("they hold events up to {0}, beyond the head of the log")]
    Beyond(Position),
    /// The file cannot be read.
    #[error(transparent)]
    Unreadable(#[from] Error),
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] log::Error),
}

/// Whether the file at `path` holds views of this log, of today's version.
///
/// # Errors
///
/// The reason, if it does not.
pub fn fits(path: &Path, log: &Reader<'_>) -> Result<(), Unfit> {
    if !path.exists() {
        return Err(Unfit::Missing);
    }
    fits_log(&connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY, SMALL_CACHE)?, log)
}

/// Whether the views behind `conn` are of this log, and of today's version.
///
/// # Errors
///
/// The reason, if they are not.
pub fn fits_log(conn: &Connection, log: &Reader<'_>) -> Result<(), Unfit> {
    if !is_of_today(conn).map_err(Error::doing("read the version of the views"))? {
        return Err(Unfit::OtherVersion);
    }
    let newest = newest_event(conn)?.ok_or(Unfit::Unfinished)?;
    match log.at(newest.position, |row| leaf_hash(row.leaf))? {
        Some(found) if found == newest.leaf_hash => Ok(()),
        Some(_) => Err(Unfit::OtherHistory),
        None => Err(Unfit::Beyond(newest.position)),
    }
}
