//! Copying the WAL back into its database. SQLite calls this a checkpoint.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::{Error, Statement, set};

/// How long the copy waits for readers. No connection can commit meanwhile.
const PATIENCE: Duration = Duration::from_millis(50);

/// Copies the whole WAL back into the database and empties it, so that no file holds an older version of a page.
///
/// `false` while a connection reads from the WAL: try again a little later.
///
/// # Errors
/// The database cannot be opened, or SQLite cannot copy.
pub fn copy_back(path: &Path) -> Result<bool, Error> {
    let failed = Error::opening(path);
    let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(&failed)?;
    conn.busy_timeout(PATIENCE).map_err(&failed)?;
    set(&conn, "synchronous", "FULL", "2")?;
    let run = |sql| Statement::new(&conn, "copy the WAL back into the database", sql)?.value::<bool>([]);
    // PASSIVE keeps no connection from committing, and leaves little for TRUNCATE to copy.
    run("PRAGMA wal_checkpoint(PASSIVE)")?;
    let busy = run("PRAGMA wal_checkpoint(TRUNCATE)")?;
    Ok(!busy)
}
