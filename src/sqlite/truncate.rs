//! Taking out of the files what is in the log no more.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::{Error, set};

/// How long readers are waited for while nobody can commit.
const PATIENCE: Duration = Duration::from_millis(50);

/// Copies the whole WAL into the file and cuts it to nothing, so that older versions of a page are nowhere any more. `false`
/// while somebody reads what is in it: try again a little later.
pub fn truncate_wal(path: &Path) -> Result<bool, Error> {
    let cannot = |cause| Error::Open { path: path.to_owned(), cause };
    let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(cannot)?;
    conn.busy_timeout(PATIENCE).map_err(cannot)?;
    set(&conn, "synchronous", "FULL", "2")?;
    let checkpoint = |sql| {
        let busy = conn.query_row(sql, [], |row| row.get::<_, bool>(0));
        busy.map_err(Error::doing("copy the WAL into the log"))
    };
    // First without keeping anybody from committing: what is left then takes no time.
    checkpoint("PRAGMA wal_checkpoint(PASSIVE)")?;
    Ok(!checkpoint("PRAGMA wal_checkpoint(TRUNCATE)")?)
}
