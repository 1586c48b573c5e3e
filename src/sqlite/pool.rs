//! Read-only connections to one database. The pool opens a connection when every other is in use, and keeps it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use parking_lot::Mutex;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::{Error, Statement};

/// Flags of every connection that only reads.
pub const READ_ONLY: OpenFlags = OpenFlags::SQLITE_OPEN_READ_ONLY.union(OpenFlags::SQLITE_OPEN_NO_MUTEX);

/// The page cache of a connection for one command or for one short read, 8 MiB.
pub(crate) const COMMAND_CACHE: usize = 8 << 20;

/// Most idle connections that a pool keeps. More may be in use at once.
const IDLE: usize = 16;

/// Connections that only read. A caller takes one for a short read. No caller holds one while it writes to a socket, because a
/// read that stays open keeps SQLite from reusing the WAL.
#[derive(Debug)]
pub struct Pool {
    path: PathBuf,
    /// Most bytes of the page cache of one connection.
    cache: usize,
    idle: Mutex<Vec<Connection>>,
}

impl Pool {
    /// A pool without connections yet. The page caches of its idle connections together take at most `bytes`.
    pub fn new(path: &Path, bytes: usize) -> Pool {
        Pool { path: path.to_owned(), cache: bytes / IDLE, idle: Mutex::new(Vec::new()) }
    }

    /// Runs `read` with a connection.
    ///
    /// # Errors
    /// A new connection cannot be opened.
    pub fn with<T>(&self, read: impl FnOnce(&Connection) -> T) -> Result<T, Error> {
        let idle = self.idle.lock().pop();
        let conn = match idle {
            Some(conn) => conn,
            None => open_reader(&self.path, self.cache)?,
        };
        let answer = read(&conn);
        let mut idle = self.idle.lock();
        if idle.len() < IDLE {
            idle.push(conn);
        }
        Ok(answer)
    }

    /// Closes every idle connection.
    pub fn close(&self) {
        self.idle.lock().clear();
    }
}

/// Runs the reads of `read` on one state of the database.
///
/// # Errors
/// SQLite cannot begin or end the transaction.
pub fn snapshot<T>(conn: &Connection, read: impl FnOnce() -> T) -> Result<T, Error> {
    // Cached, because planning `BEGIN` anew costs as much as a small read.
    Statement::new(conn, "begin a read", "BEGIN")?.execute([])?;
    let answer = read();
    Statement::new(conn, "end a read", "COMMIT")?.execute([])?;
    Ok(answer)
}

/// Opens `path` for reading only, with a page cache of at most `cache` bytes.
pub(crate) fn open_reader(path: &Path, cache: usize) -> Result<Connection, Error> {
    let failed = Error::opening(path);
    let conn = Connection::open_with_flags(path, READ_ONLY).map_err(&failed)?;
    conn.busy_timeout(Duration::from_secs(5)).map_err(&failed)?;
    // No memory map: if another program cuts the file short, a mapped read kills the process, and a plain read gives an error.
    limit_cache(&conn, cache).map_err(&failed)?;
    plan_once(&conn).map_err(&failed)?;
    distrust(&conn).map_err(&failed)?;
    Ok(conn)
}

/// Bounds the page cache of a connection.
pub(crate) fn limit_cache(conn: &Connection, bytes: usize) -> Result<(), rusqlite::Error> {
    // SQLite takes a negative number as KiB, and a positive number as pages.
    conn.pragma_update(None, "cache_size", -i64::try_from(bytes >> 10).unwrap_or(i64::MAX))
}

/// Trusts nothing in the file's schema, because the file may come from a stranger: a view under the name of a table is an error,
/// and no function runs because a schema calls it.
pub(super) fn distrust(conn: &Connection) -> Result<(), rusqlite::Error> {
    let off = [
        DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW,
        DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER,
        DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA,
    ];
    off.into_iter().try_for_each(|config| conn.set_db_config(config, false).map(|_| ()))?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true).map(|_| ())
}

/// Makes the connection keep up to 64 statements, and plan each of them once.
///
/// By default SQLite plans a statement again when the caller binds a parameter that the planner looked at, such as the parameter
/// of a `LIMIT`. Planning costs more than a short read. One plan also stays the same
/// while the log grows.
pub(crate) fn plan_once(conn: &Connection) -> Result<(), rusqlite::Error> {
    conn.set_prepared_statement_cache_capacity(64);
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(|_| ())
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::*;

    #[test]
    fn a_statement_is_planned_once_for_all_bound_values() {
        let conn = Connection::open_in_memory().unwrap();
        plan_once(&conn).unwrap();
        conn.execute_batch("CREATE TABLE t (a)").unwrap();
        let mut statement = conn.prepare("SELECT a FROM t ORDER BY a LIMIT ?1").unwrap();
        for limit in 1..5 {
            let rows = statement.query_map([limit], |row| row.get::<_, i64>(0)).unwrap();
            assert_eq!(rows.count(), 0);
        }
        assert_eq!(statement.get_status(StatementStatus::RePrepare), 0);
    }
}
