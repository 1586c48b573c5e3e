//! Read-only connections to one database file, opened when needed and kept.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::Error;

/// Flags of every connection that only reads.
pub const READ_ONLY: OpenFlags = OpenFlags::SQLITE_OPEN_READ_ONLY.union(OpenFlags::SQLITE_OPEN_NO_MUTEX);

/// Most idle connections kept; more may be in use at once.
const KEPT: usize = 16;

/// Whether reads go through a mapping of the file into memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Map {
    /// They do, which saves a call and a copy a page.
    Mapped,
    /// They do not: a file that somebody may cut is an error to read, where a mapping of it would end the process.
    Unmapped,
}

/// Connections that only read. One is taken for one short read and given back; none is held while a socket is written to,
/// because a reader that stays open stops the WAL from being reused.
#[derive(Debug)]
pub struct Pool {
    path: PathBuf,
    map: Map,
    idle: Mutex<Vec<Connection>>,
}

impl Pool {
    /// A pool of connections to `path`; opens none yet.
    pub fn new(path: &Path, map: Map) -> Pool {
        Pool { path: path.to_owned(), map, idle: Mutex::new(Vec::new()) }
    }

    /// Runs `read` with a connection.
    pub fn with<T, E: From<Error>>(&self, read: impl FnOnce(&Connection) -> Result<T, E>) -> Result<T, E> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let conn = match idle {
            Some(conn) => conn,
            None => open_reader(&self.path, self.map)?,
        };
        let answer = read(&conn);
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < KEPT {
            idle.push(conn);
        }
        answer
    }

    /// Closes every idle connection.
    pub fn close(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Opens `path` for reading only.
pub(super) fn open_reader(path: &Path, map: Map) -> Result<Connection, Error> {
    let open = |cause| Error::Open { path: path.to_owned(), cause };
    let conn = Connection::open_with_flags(path, READ_ONLY).map_err(open)?;
    conn.busy_timeout(Duration::from_secs(5)).map_err(open)?;
    let mapped = if map == Map::Mapped { 1_i64 << 30 } else { 0 };
    conn.pragma_update(None, "mmap_size", mapped).map_err(open)?;
    conn.pragma_update(None, "cache_size", -8192).map_err(open)?;
    conn.set_prepared_statement_cache_capacity(64);
    Ok(conn)
}
