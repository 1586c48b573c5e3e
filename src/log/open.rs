//! Opening `log.db`: the settings that durability rests on, set and read back.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::Error;
use crate::sqlite::{plan_once, set, sqlite_is_sound};

/// The newest format of `log.db` known here, kept in `user_version`.
pub const FORMAT: i64 = FORMATS.len() as i64;
/// The first format with a tree over the events.
pub const TREE_FORMAT: i64 = 2;
/// The first format from which data can be erased.
const ERASABLE_FORMAT: i64 = 3;
/// "jobl": marks the file as a log (`application_id`).
const APPLICATION_ID: i64 = 0x6a6f_626c;
/// What brings a log from each format to the next, from none to 1 first. Released steps are never edited.
const FORMATS: [&[&str]; 3] = [
    &[include_str!("../../schema/log.sql")],
    &[NODES, CHECKPOINTS],
    &[include_str!("../../schema/log.3.redactions.sql")],
];
const NODES: &str = include_str!("../../schema/log.2.nodes.sql");
const CHECKPOINTS: &str = include_str!("../../schema/log.2.checkpoints.sql");
/// WAL pages after which the writer copies them into the file: at 10,000 large commits are a fifth faster than at 1,000.
const CHECKPOINT_PAGES: i64 = 10_000;

/// What a path holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileState {
    /// Nothing, or a database in which nothing was made yet.
    Empty,
    /// A log of this known format.
    Log(i64),
}

/// Whether `conn` is empty, a log, or something that must not be touched.
pub fn file_state(conn: &Connection, path: &Path) -> Result<FileState, Error> {
    let open = |cause| Error::Open { path: path.to_owned(), cause };
    let tables: i64 = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(open)?;
    let application: i64 = conn.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(open)?;
    let format: i64 = conn.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(open)?;
    match (tables, application, format) {
        (0, 0, 0) => Ok(FileState::Empty),
        (_, APPLICATION_ID, found) if found > FORMAT => {
            Err(Error::Newer { path: path.to_owned(), found, known: FORMAT })
        }
        (_, APPLICATION_ID, 1..=FORMAT) => Ok(FileState::Log(format)),
        _ => Err(Error::NotALog(path.to_owned())),
    }
}

/// Opens the file for writing; makes it where there is none.
pub(super) fn open_writer(path: &Path, external_checkpoint: bool) -> Result<(Connection, FileState), Error> {
    sqlite_is_sound()?;
    let open = |cause| Error::Open { path: path.to_owned(), cause };
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags).map_err(open)?;
    conn.busy_timeout(Duration::from_secs(5)).map_err(open)?;
    // Before anything is set: a file that is not ours is not touched.
    let state = file_state(&conn, path)?;
    set(&conn, "journal_mode", "WAL", "wal")?;
    set(&conn, "synchronous", "FULL", "2")?;
    set(&conn, "recursive_triggers", "ON", "1")?;
    // What is erased is overwritten. Appends delete nothing, so they pay nothing for it.
    set(&conn, "secure_delete", "ON", "1")?;
    // Constraints between rows are kept by the trigger; checking each reference again would cost a fifth of an append.
    set(&conn, "foreign_keys", "OFF", "0")?;
    let pages = if external_checkpoint { 0 } else { CHECKPOINT_PAGES };
    set(&conn, "wal_autocheckpoint", &pages.to_string(), &pages.to_string())?;
    // Closing the last connection would copy the WAL too, behind the back of whoever follows it from outside.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, external_checkpoint).map_err(open)?;
    // Small: after every commit that balanced a tree SQLite looks through all of it (pcache1TruncateUnsafe), which at 128 MiB
    // took a sixth of an append; and a page that is not in it comes from the memory of the system.
    set(&conn, "cache_size", "-4096", "-4096")?;
    // What a savepoint needs to come back stays in memory: the most that one request touches is a few megabytes, and a file
    // made and removed for each costs more than the rows.
    set(&conn, "temp_store", "MEMORY", "2")?;
    if let FileState::Log(..ERASABLE_FORMAT) = state {
        // What was taken out of pages before `secure_delete` was on is still in them.
        conn.execute_batch("VACUUM").map_err(Error::doing("write the log anew, without what is left in its pages"))?;
    }
    plan_once(&conn).map_err(open)?;
    Ok((conn, state))
}

/// A log of this format in memory, without an event: what its tables and triggers look like.
pub fn empty_log(format: i64) -> Result<Connection, Error> {
    let doing = || Error::doing("make an empty log");
    let conn = Connection::open_in_memory().map_err(doing())?;
    let steps = FORMATS.iter().take(usize::try_from(format).unwrap_or(0));
    for step in steps.flat_map(|steps| steps.iter()) {
        conn.execute_batch(step).map_err(doing())?;
    }
    Ok(conn)
}

/// Takes back what a process that died had half written. The caller has the folder.
pub fn recover_file(path: &Path) -> Result<(), Error> {
    let open = |cause| Error::Open { path: path.to_owned(), cause };
    let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(open)?;
    // The first read does it.
    conn.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(())).map_err(open)
}

/// Brings the log to the newest format, inside the open transaction: for a new one that makes its tables.
pub(super) fn upgrade(conn: &Connection) -> Result<(), Error> {
    let doing = || Error::doing("bring the log to the newest format");
    let found: i64 = conn.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(doing())?;
    for sql in FORMATS.iter().skip(found as usize).copied().flatten() {
        conn.execute_batch(sql).map_err(doing())?;
    }
    conn.pragma_update(None, "application_id", APPLICATION_ID).map_err(doing())?;
    conn.pragma_update(None, "user_version", FORMAT).map_err(doing())
}

/// Makes the table of nodes anew, empty, inside the open transaction.
pub(super) fn without_nodes(conn: &Connection) -> Result<(), Error> {
    let doing = || Error::doing("make the table of nodes anew");
    conn.execute_batch("DROP TABLE node").map_err(doing())?;
    conn.execute_batch(NODES).map_err(doing())
}
