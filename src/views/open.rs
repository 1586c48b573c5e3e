//! Opening `views.db`, and telling whose views they are.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use super::Error;
use crate::job::Position;
use crate::log::Reader;
use crate::sqlite;
use crate::tree::{Hash, leaf_hash};

/// The shape of the views. A change of `schema/views*.sql` raises it, and older views are made again.
const VERSION: i64 = 7;
/// The page cache of a connection that reads a few rows, 2 MiB.
const SMALL_CACHE: usize = 2 << 20;
/// "jobv": marks the file as views.
const APPLICATION_ID: i64 = 0x6a6f_6276;
pub(super) const TABLES: &str = include_str!("../../schema/views.sql");
pub(super) const INDEXES: &str = include_str!("../../schema/views-indexes.sql");

/// Opens existing views for writing.
pub(super) fn open_existing(path: &Path, cache: usize) -> Result<Connection, Error> {
    let conn = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE, cache)?;
    conn.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 4000;")
        .map_err(Error::doing("set up the views"))?;
    Ok(conn)
}

/// Makes new, empty views in a file of their own. Nothing in it need survive a crash: it is not the views yet.
///
/// They are made of a log from which everything up to `scrubbed` is erased that ever will be by what is in it up to there.
pub(super) fn create(path: &Path, scrubbed: Position, cache: usize) -> Result<Connection, Error> {
    let conn = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE, cache)?;
    let doing = Error::doing("make new views");
    conn.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE;")
        .and_then(|()| conn.execute_batch(TABLES))
        .map_err(doing)?;
    set_scrubbed(&conn, scrubbed)?;
    Ok(conn)
}

/// The last step of new views: indexes, the marks that make them views, everything on disk.
pub(super) fn finish(conn: Connection, path: &Path) -> Result<(), Error> {
    let doing = || Error::doing("finish new views");
    conn.execute_batch(INDEXES).map_err(doing())?;
    conn.pragma_update(None, "application_id", APPLICATION_ID).map_err(doing())?;
    conn.pragma_update(None, "user_version", VERSION).map_err(doing())?;
    close(conn, path)
}

/// Copies the rows of the views, and nothing else that is in their file, into new views in a file of their own.
///
/// Where rows were moved from page to page SQLite leaves parts of them behind, `secure_delete` or not; a copy has none.
pub(super) fn copy(views: &Connection, path: &Path) -> Result<(), Error> {
    let doing = || Error::doing("copy the views");
    views.execute("VACUUM INTO ?1", [path.to_string_lossy()]).map_err(doing())?;
    let conn = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE, SMALL_CACHE)?;
    let position = checkpoint(&conn)?.map_or(Position::GENESIS, |(position, _)| position);
    set_scrubbed(&conn, position)?;
    close(conn, path)
}

/// Everything is on disk afterwards.
fn close(conn: Connection, path: &Path) -> Result<(), Error> {
    conn.close().map_err(|(_, cause)| Error::doing("close new views")(cause))?;
    std::fs::File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(|cause| Error::Damaged(format!("cannot sync `{}`: {cause}", path.display())))
}

/// Opens the file with a page cache of at most `cache` bytes.
fn connect(path: &Path, flags: OpenFlags, cache: usize) -> Result<Connection, Error> {
    let doing = || Error::doing("open the views");
    let conn = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(doing())?;
    conn.busy_timeout(Duration::from_secs(5)).map_err(doing())?;
    sqlite::limit_cache(&conn, cache).map_err(doing())?;
    sqlite::plan_once(&conn).map_err(doing())?;
    Ok(conn)
}

/// Where the views stand: the position, and the hash of its leaf, which names the history that they were made of. `None` for views of nothing.
pub fn checkpoint(conn: &Connection) -> Result<Option<(Position, Hash)>, Error> {
    let doing = Error::doing("read where the views stand");
    conn.prepare_cached("SELECT position, leaf_hash FROM checkpoint")
        .and_then(|mut s| {
            s.query_row([], |r| Ok((Position::new(r.get::<_, i64>(0)? as u64), Hash(r.get(1)?)))).optional()
        })
        .map_err(doing)
}

pub(super) fn set_checkpoint(conn: &Connection, position: Position, leaf: Hash) -> Result<(), Error> {
    let doing = Error::doing("note where the views stand");
    conn.prepare_cached("INSERT OR REPLACE INTO checkpoint (one, position, leaf_hash) VALUES (1, ?1, ?2)")
        .and_then(|mut s| s.execute(params![position.get() as i64, leaf.as_bytes()]))
        .map(|_| ())
        .map_err(doing)
}

/// Up to where nothing that was erased is left anywhere in the file.
pub(super) fn scrubbed(conn: &Connection) -> Result<Position, Error> {
    let upto = conn.query_row("SELECT upto FROM scrubbed", [], |row| row.get::<_, i64>(0));
    Ok(Position::new(upto.map_err(Error::doing("read what the views are free of"))? as u64))
}

fn set_scrubbed(conn: &Connection, upto: Position) -> Result<(), Error> {
    let doing = Error::doing("note what the views are free of");
    conn.execute("INSERT OR REPLACE INTO scrubbed (one, upto) VALUES (1, ?1)", [upto.get() as i64])
        .map(|_| ())
        .map_err(doing)
}

/// Whether the database is marked as views of today's version. Reads no table.
pub fn is_of_today(conn: &Connection) -> Result<bool, rusqlite::Error> {
    let mark = |name| conn.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    Ok(mark("application_id")? == APPLICATION_ID && mark("user_version")? == VERSION)
}

/// Views in memory without a row: what the tables and indexes of today's version look like.
pub fn empty_views() -> Result<Connection, Error> {
    let doing = || Error::doing("make empty views");
    let conn = Connection::open_in_memory().map_err(doing())?;
    conn.execute_batch(TABLES).and_then(|()| conn.execute_batch(INDEXES)).map_err(doing())?;
    Ok(conn)
}

/// Whether the file at `path` holds views of this log in today's shape; the text says why not.
pub fn fits(path: &Path, log: &Reader<'_>) -> Result<(), String> {
    if !path.exists() {
        return Err("there are none".into());
    }
    let conn = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY, SMALL_CACHE).map_err(describe)?;
    fits_log(&conn, log)
}

/// Whether the views behind `conn` are of this log in today's shape; the text says why not.
pub fn fits_log(conn: &Connection, log: &Reader<'_>) -> Result<(), String> {
    if !is_of_today(conn).map_err(|error| error.to_string())? {
        return Err("they have another shape".into());
    }
    let (position, hash) = checkpoint(conn).map_err(describe)?.ok_or("they were never finished")?;
    match log.at(position, |row| leaf_hash(row.leaf)).map_err(|error| error.to_string())? {
        Some(found) if found == hash => Ok(()),
        Some(_) => Err("they are of another history".into()),
        None => Err(format!("they stand at {position}, beyond the head of the log")),
    }
}

fn describe(error: Error) -> String {
    match std::error::Error::source(&error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
