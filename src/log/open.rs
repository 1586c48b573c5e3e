//! Opening `log.db`: the settings that durability rests on, set and read back.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::Error;
use crate::sqlite::{self, plan_once, set, sqlite_is_sound, use_wal};

/// The format of `log.db` that every log is brought to. The file has its format in `user_version`.
pub const FORMAT: i64 = 4;
/// The format of the log of a node in a cluster: [`FORMAT`] and the table of messages. The newest that this program knows.
pub const NODE_FORMAT: i64 = FORMATS.len() as i64;
/// The first format with a tree over the events.
pub const TREE_FORMAT: i64 = 2;
/// The first format in which data can be redacted.
const ERASABLE_FORMAT: i64 = 3;
/// The first format with the index of milestones and the table of newest events.
pub(super) const MILESTONES_FORMAT: i64 = 4;
/// "jobl": marks the file as a log (`application_id`).
const APPLICATION_ID: i64 = 0x6a6f_626c;
/// The SQL that upgrades each format to the next; the first upgrades an empty file. Released steps never change.
const FORMATS: [&[&str]; 5] = [
    &[include_str!("../../schema/log.sql")],
    &[NODES, CHECKPOINTS],
    &[include_str!("../../schema/log.3.redactions.sql")],
    &[include_str!("../../schema/log.4.jobs.sql")],
    &[STREAM],
];
const NODES: &str = include_str!("../../schema/log.2.nodes.sql");
const CHECKPOINTS: &str = include_str!("../../schema/log.2.checkpoints.sql");
/// The table of messages.
pub(super) const STREAM: &str = include_str!("../../schema/log.5.stream.sql");
/// The writer copies the WAL back when it has so many pages. Large commits are a fifth faster than with SQLite's default of 1,000.
const COPY_BACK_PAGES: i64 = 10_000;
/// How long the writer waits for a lock of another program.
const PATIENCE: Duration = Duration::from_secs(5);

/// The content of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileState {
    /// No bytes, or a database without tables.
    Empty,
    /// A log of this known format.
    Log(i64),
}

/// Whether the database is empty or a log.
///
/// # Errors
/// The database belongs to another program or to a newer jobledger. The caller must not change it.
pub fn file_state(conn: &Connection, path: &Path) -> Result<FileState, Error> {
    let failed = sqlite::Error::opening(path);
    let tables: i64 = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(&failed)?;
    let application: i64 = conn.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(&failed)?;
    let format: i64 = conn.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(&failed)?;
    match (tables, application, format) {
        (0, 0, 0) => Ok(FileState::Empty),
        (_, APPLICATION_ID, found) if found > NODE_FORMAT => {
            Err(Error::Newer { path: path.to_owned(), found, known: NODE_FORMAT })
        }
        (_, APPLICATION_ID, 1..=NODE_FORMAT) => Ok(FileState::Log(format)),
        _ => Err(Error::NotALog(path.to_owned())),
    }
}

/// Opens the file for writing; makes a missing file.
pub(super) fn open_writer(path: &Path, external_copy_back: bool) -> Result<(Connection, FileState), Error> {
    sqlite_is_sound()?;
    let failed = sqlite::Error::opening(path);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags).map_err(&failed)?;
    conn.busy_timeout(PATIENCE).map_err(&failed)?;
    // Before any setting, so that a file of another program does not change.
    let state = file_state(&conn, path)?;
    // Another program may look at a new file, for instance one that waits for its first event.
    use_wal(&conn, PATIENCE).map_err(&failed)?;
    set(&conn, "journal_mode", "WAL", "wal")?;
    set(&conn, "synchronous", "FULL", "2")?;
    set(&conn, "recursive_triggers", "ON", "1")?;
    run_triggers(&conn, false)?;
    // With this setting a redaction overwrites the redacted bytes. Appends delete nothing, so the setting costs them nothing.
    set(&conn, "secure_delete", "ON", "1")?;
    // `Writer` writes each row before the rows that name it; a check of each reference would cost a fifth of an append.
    set(&conn, "foreign_keys", "OFF", "0")?;
    let pages = if external_copy_back { 0 } else { COPY_BACK_PAGES };
    set(&conn, "wal_autocheckpoint", &pages.to_string(), &pages.to_string())?;
    // The last connection also copies the WAL back when it closes, and would hide pages from the external program.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, external_copy_back).map_err(&failed)?;
    // Small: after every commit that balanced a tree SQLite walks the whole cache (pcache1TruncateUnsafe), which at 128 MiB takes a
    // sixth of an append. A page that is not in the cache comes from the memory of the system.
    set(&conn, "cache_size", "-4096", "-4096")?;
    // Savepoints keep the pages that they may restore in memory: one request changes a few megabytes at the most, and a file for
    // each savepoint costs more than the rows.
    set(&conn, "temp_store", "MEMORY", "2")?;
    if let FileState::Log(..ERASABLE_FORMAT) = state {
        // Rows that were deleted without `secure_delete` still have their bytes in the pages.
        conn.execute_batch("VACUUM")
            .map_err(sqlite::Error::doing("write the log anew, without deleted bytes in its pages"))?;
    }
    plan_once(&conn).map_err(&failed)?;
    Ok((conn, state))
}

/// Makes the writing connection run the triggers of the file, or not. They hold every other program to the rules of the log. The
/// statements of [`super::Writer`] state the same rules, and so no trigger that was planted in the file runs in a commit.
pub(super) fn run_triggers(conn: &Connection, run: bool) -> Result<(), Error> {
    let doing = sqlite::Error::doing("set up the triggers of the connection");
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, run).map_err(doing)?;
    Ok(())
}

/// An empty log of this format in memory, with its tables and triggers.
pub fn empty_log(format: i64) -> Result<Connection, Error> {
    let doing = || sqlite::Error::doing("make an empty log");
    let conn = Connection::open_in_memory().map_err(doing())?;
    let steps = FORMATS.iter().take(usize::try_from(format).unwrap_or(0));
    for step in steps.flat_map(|steps| steps.iter()) {
        conn.execute_batch(step).map_err(doing())?;
    }
    Ok(conn)
}

/// Undoes an unfinished write of a process that died. The caller holds the lock of the folder.
pub fn recover_file(path: &Path) -> Result<(), Error> {
    let failed = sqlite::Error::opening(path);
    let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(&failed)?;
    // SQLite undoes the write at the first read.
    Ok(conn.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(())).map_err(&failed)?)
}

/// Brings the log to [`FORMAT`], inside the open transaction. A new log gets all its tables.
pub(super) fn upgrade(conn: &Connection) -> Result<(), Error> {
    let doing = || sqlite::Error::doing("bring the log to the newest format");
    let found: i64 = conn.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(doing())?;
    if found > 0 {
        tracing::info!(from = found, to = FORMAT, "upgrading the log, which reads all of it");
    }
    for sql in FORMATS.iter().take(FORMAT as usize).skip(found as usize).copied().flatten() {
        conn.execute_batch(sql).map_err(doing())?;
    }
    conn.pragma_update(None, "application_id", APPLICATION_ID).map_err(doing())?;
    Ok(conn.pragma_update(None, "user_version", FORMAT).map_err(doing())?)
}

/// Replaces the table of nodes by an empty one, inside the open transaction.
pub(super) fn without_nodes(conn: &Connection) -> Result<(), Error> {
    let doing = || sqlite::Error::doing("make the table of nodes anew");
    conn.execute_batch("DROP TABLE node").map_err(doing())?;
    Ok(conn.execute_batch(NODES).map_err(doing())?)
}
