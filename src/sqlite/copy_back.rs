//! Copying the WAL back into its database. SQLite calls this a checkpoint.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::{Error, Statement, set};

/// How long the copy waits for readers. No connection can commit meanwhile.
const PATIENCE: Duration = Duration::from_millis(50);

/// Copies the whole WAL back into the database and empties it, so that no file holds an older version of a page.
///
/// Returns `false` if a connection still reads from the WAL: the caller tries again a little later.
///
/// # Errors
/// The database cannot be opened, or SQLite cannot copy.
pub fn copy_back(path: &Path) -> Result<bool, Error> {
    let failed = Error::opening(path);
    let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(&failed)?;
    conn.busy_timeout(PATIENCE).map_err(&failed)?;
    set(&conn, "synchronous", "FULL", "2")?;
    let run = |sql| Statement::new(&conn, "copy the WAL back into the database", sql)?.value::<bool>([]);
    // PASSIVE first: while it copies, other connections can commit. TRUNCATE, which blocks commits, then has little left to copy.
    run("PRAGMA wal_checkpoint(PASSIVE)")?;
    let busy = run("PRAGMA wal_checkpoint(TRUNCATE)")?;
    Ok(!busy)
}
