//! Read-only connections to one database file, opened when needed and kept.

use std::path::{Path, PathBuf};
use std::time::Duration;

use parking_lot::Mutex;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::Error;

/// Flags of every connection that only reads.
pub const READ_ONLY: OpenFlags = OpenFlags::SQLITE_OPEN_READ_ONLY.union(OpenFlags::SQLITE_OPEN_NO_MUTEX);

/// Most idle connections kept; more may be in use at once.
const KEPT: usize = 16;

/// Connections that only read. One is taken for one short read and given back; none is held while a socket is written to,
/// because a reader that stays open stops the WAL from being reused.
#[derive(Debug)]
pub struct Pool {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl Pool {
    /// A pool of connections to `path`; opens none yet.
    pub fn new(path: &Path) -> Pool {
        Pool { path: path.to_owned(), idle: Mutex::new(Vec::new()) }
    }

    /// Runs `read` with a connection.
    pub fn with<T, E: From<Error>>(&self, read: impl FnOnce(&Connection) -> Result<T, E>) -> Result<T, E> {
        let idle = self.idle.lock().pop();
        let conn = match idle {
            Some(conn) => conn,
            None => open_reader(&self.path)?,
        };
        let answer = read(&conn);
        let mut idle = self.idle.lock();
        if idle.len() < KEPT {
            idle.push(conn);
        }
        answer
    }

    /// Runs several reads on one snapshot of the database.
    pub fn snapshot<T, E: From<Error>>(conn: &Connection, read: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        // Cached, because planning `BEGIN` anew costs as much as a small read.
        let run = |sql| conn.prepare_cached(sql).and_then(|mut statement| statement.execute([]));
        run("BEGIN").map_err(Error::doing("begin a read"))?;
        let answer = read();
        run("COMMIT").map_err(Error::doing("end a read"))?;
        answer
    }

    /// Closes every idle connection.
    pub fn close(&self) {
        self.idle.lock().clear();
    }
}

/// Opens `path` for reading only.
pub(crate) fn open_reader(path: &Path) -> Result<Connection, Error> {
    let open = |cause| Error::Open { path: path.to_owned(), cause };
    let conn = Connection::open_with_flags(path, READ_ONLY).map_err(open)?;
    conn.busy_timeout(Duration::from_secs(5)).map_err(open)?;
    // No memory map: a file that is cut short under it would end the process instead of giving an error.
    conn.pragma_update(None, "cache_size", -8192).map_err(open)?;
    plan_once(&conn).map_err(open)?;
    distrust(&conn).map_err(open)?;
    Ok(conn)
}

/// The file may come from anybody: a view under the name of a table is an error, and no function runs because a schema says so.
pub(super) fn distrust(conn: &Connection) -> Result<(), rusqlite::Error> {
    let off = [
        DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW,
        DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER,
        DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA,
    ];
    off.into_iter().try_for_each(|config| conn.set_db_config(config, false).map(|_| ()))?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true).map(|_| ())
}

/// Keeps statements, and plans each of them once. Left to itself SQLite plans again whenever a parameter that the planner has
/// looked at (that of a `LIMIT`) is bound, which costs more than a short read itself; and a plan that cannot change is the
/// same at any size of the log.
pub(crate) fn plan_once(conn: &Connection) -> Result<(), rusqlite::Error> {
    conn.set_prepared_statement_cache_capacity(64);
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(|_| ())
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::*;

    #[test]
    fn a_statement_is_planned_once_whatever_is_bound() {
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
