//! Reading a database where nothing can be written: on read-only media, or in the folder of another user. SQLite shares a WAL
//! through a file beside it, and that is not possible there.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, ffi};

use super::{Error, READ_ONLY, pool};

/// Opens a database that may be written to by others or by nobody, and reads it once: what SQLite needs to read it is there
/// then.
pub fn open_to_read(path: &Path) -> Result<Connection, Error> {
    let error = match pool::open_reader(path).and_then(|conn| read(conn, path)) {
        Err(error) if is_unwritable(&error) && path.exists() => error,
        opened => return opened,
    };
    let unwritable = |cause: Error| Error::Unwritable { path: path.to_owned(), cause: cause.into() };
    // What a process that died had half written can be taken back only by one that writes.
    if error.wants_recovery() {
        return Err(unwritable(error));
    }
    open_alone(path).map_err(|cause| unwritable(cause.unwrap_or(error)))
}

/// Whether SQLite could not write what it needs for reading.
fn is_unwritable(error: &Error) -> bool {
    let codes = [ffi::SQLITE_CANTOPEN, ffi::SQLITE_READONLY, ffi::SQLITE_PERM];
    error.sqlite_code().is_some_and(|code| codes.contains(&(code & 0xff)))
}

/// Opens a database that no other process writes to. `None` where one may: what is read could then be half of one state and
/// half of another.
fn open_alone(path: &Path) -> Result<Connection, Option<Error>> {
    // A process that has the database open has made this file.
    if beside(path, "-shm").exists() {
        return Err(None);
    }
    let has_wal = beside(path, "-wal").metadata().is_ok_and(|wal| wal.len() > 0);
    let opened = if has_wal { with_wal(path) } else { without_wal(path) };
    opened.map_err(|cause| Error::Open { path: path.to_owned(), cause }).and_then(|conn| read(conn, path)).map_err(Some)
}

/// SQLite takes an immutable file as it is, and looks for no WAL.
fn without_wal(path: &Path) -> Result<Connection, rusqlite::Error> {
    let uri = format!("file:{}?immutable=1", escaped(&std::path::absolute(path).unwrap_or_else(|_| path.to_owned())));
    set_up(Connection::open_with_flags(uri, READ_ONLY | OpenFlags::SQLITE_OPEN_URI)?)
}

/// In exclusive mode SQLite keeps the index of the WAL in its own memory, and without locks it needs to write nothing
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

/// SQLite opens the files with the first read.
fn read(conn: Connection, path: &Path) -> Result<Connection, Error> {
    let read = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()));
    read.map_err(|cause| Error::Open { path: path.to_owned(), cause })?;
    Ok(conn)
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// A path in an URI.
fn escaped(path: &Path) -> String {
    let mut text = String::new();
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' => text.push(char::from(*byte)),
            byte => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}
