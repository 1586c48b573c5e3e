//! Copying the WAL back into its database. SQLite calls this a checkpoint.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::{Error, Statement, set};

/// What a failed copy was doing.
const COPY: &str = "copy the WAL back into the database";
/// How long the copy waits for readers. No connection can commit meanwhile.
const PATIENCE: Duration = Duration::from_millis(50);

/// The frames of a WAL. A frame is one page of one commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frames {
    /// Frames in the WAL.
    pub in_wal: u64,
    /// Frames whose pages are copied back. When all frames are, the next commit begins the WAL anew.
    pub copied: u64,
}

impl Frames {
    /// The frames that are left to copy.
    pub fn left(&self) -> u64 {
        self.in_wal.saturating_sub(self.copied)
    }

    /// Reads the numbers through `conn`, and copies nothing.
    ///
    /// # Errors
    /// SQLite cannot read the WAL.
    pub fn count(conn: &Connection) -> Result<Frames, Error> {
        Frames::of(conn, "count the frames of the WAL", "PRAGMA wal_checkpoint(NOOP)")
    }

    /// Copies the frames that no reader needs, and syncs the database. Other connections can commit meanwhile. Copies nothing while
    /// another connection copies.
    ///
    /// # Errors
    /// SQLite cannot copy.
    pub fn copy(conn: &Connection) -> Result<Frames, Error> {
        Frames::of(conn, COPY, "PRAGMA wal_checkpoint(PASSIVE)")
    }

    fn of(conn: &Connection, doing: &'static str, sql: &str) -> Result<Frames, Error> {
        // SQLite returns -1 for a database without a WAL.
        let frames = |row: &rusqlite::Row<'_>, at| row.get::<_, i64>(at).map(|frames| frames.max(0).unsigned_abs());
        Statement::new(conn, doing, sql)?.row([], |row| Ok(Frames { in_wal: frames(row, 1)?, copied: frames(row, 2)? }))
    }
}

/// Copies the whole WAL back into the database and empties it, so that no file holds an older version of a page.
///
/// Returns `false` if a connection still reads from the WAL: the caller tries again a little later.
///
/// # Errors
/// The database cannot be opened, or SQLite cannot copy.
pub fn copy_back(path: &Path) -> Result<bool, Error> {
    let conn = open_to_copy(path)?;
    // While `Frames::copy` copies, other connections can commit. TRUNCATE, which blocks commits, then has little left to copy.
    Frames::copy(&conn)?;
    let busy = Statement::new(&conn, COPY, "PRAGMA wal_checkpoint(TRUNCATE)")?.value::<bool>([])?;
    Ok(!busy)
}

/// Opens a connection for [`Frames::copy`].
///
/// # Errors
/// The database cannot be opened.
pub fn open_to_copy(path: &Path) -> Result<Connection, Error> {
    let failed = Error::opening(path);
    let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(&failed)?;
    conn.busy_timeout(PATIENCE).map_err(&failed)?;
    set(&conn, "synchronous", "FULL", "2")?;
    Ok(conn)
}
