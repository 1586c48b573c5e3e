//! Reading a database on read-only media or in the folder of another user. SQLite needs the file `-shm` beside a WAL, and cannot
//! make that file there.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::{Error, ErrorKind, READ_ONLY, pool};

/// The bytes of a path that a URI must escape (RFC 3986, section 2.3).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Opens a database for reading, beside a server or without one, and reads it once.
///
/// # Errors
/// SQLite cannot read the file, or another process may write to it while this one reads without locks.
pub fn open_to_read(path: &Path) -> Result<Connection, Error> {
    let error = match pool::open_reader(path, pool::COMMAND_CACHE).and_then(|conn| read(conn, path)) {
        Err(error) if is_unwritable(&error) && path.exists() => error,
        opened => return opened,
    };
    // A process died in the middle of a write, and only a connection that writes can undo that write.
    if error.kind() == ErrorKind::NeedsRecovery {
        return Err(unwritable(path, error));
    }
    open_alone(path).map_err(|cause| unwritable(path, cause.unwrap_or(error)))
}

/// Whether SQLite failed because it could not write a file that it needs for reading.
fn is_unwritable(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Unwritable | ErrorKind::NeedsRecovery)
}

fn unwritable(path: &Path, cause: Error) -> Error {
    let name = path.file_name().unwrap_or_default().display();
    cause.within(format!(
        "read `{}` where SQLite may not write beside it; run the command as the user that the ledger belongs to, or copy \
         `{name}` and, if it is there, `{name}-wal` to a folder of your own and read the copy",
        path.display()
    ))
}

/// Opens a database without locks. Fails with `None` if another process has the database open: the read could then mix two states.
fn open_alone(path: &Path) -> Result<Connection, Option<Error>> {
    // Each process that has the database open makes this file.
    if beside(path, "-shm").exists() {
        return Err(None);
    }
    let has_wal = beside(path, "-wal").metadata().is_ok_and(|wal| wal.len() > 0);
    let opened = if has_wal { with_wal(path) } else { without_wal(path) };
    opened.map_err(Error::opening(path)).and_then(|conn| read(conn, path)).map_err(Some)
}

/// Opens the file as immutable: SQLite then looks for no WAL.
fn without_wal(path: &Path) -> Result<Connection, rusqlite::Error> {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let uri = format!("file:{}?immutable=1", percent_encode(path.as_os_str().as_bytes(), ESCAPED));
    set_up(Connection::open_with_flags(uri, READ_ONLY | OpenFlags::SQLITE_OPEN_URI)?)
}

/// Opens the file and its WAL. In exclusive mode SQLite keeps the WAL's index in memory, and without locks it writes nothing
/// (<https://sqlite.org/wal.html#noshm>, <https://sqlite.org/vfs.html#standard_unix_vfses>).
fn with_wal(path: &Path) -> Result<Connection, rusqlite::Error> {
    let conn = Connection::open_with_flags_and_vfs(path, READ_ONLY, c"unix-none")?;
    conn.execute_batch("PRAGMA locking_mode = EXCLUSIVE")?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    set_up(conn)
}

fn set_up(conn: Connection) -> Result<Connection, rusqlite::Error> {
    pool::plan_once(&conn)?;
    pool::distrust(&conn)?;
    Ok(conn)
}

/// Reads once, because SQLite opens the files only at the first read.
fn read(conn: Connection, path: &Path) -> Result<Connection, Error> {
    let read = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()));
    read.map_err(Error::opening(path))?;
    Ok(conn)
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}
