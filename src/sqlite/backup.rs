//! A consistent copy of a database while a server writes to it.

use std::path::Path;

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use super::Error;

/// Pages copied between two reports of progress: 4 MiB.
const STEP: i32 = 1024;

/// Copies the database behind `source` to the new file `dest`. `progress` gets the count of copied pages, and of all pages.
///
/// One read transaction covers the whole copy, so the copy shows one moment. Without the transaction SQLite would begin again at
/// each commit, and never end on a busy ledger.
///
/// # Errors
/// `source` cannot be read, or `dest` cannot be written.
pub fn copy_database(source: &Connection, dest: &Path, mut progress: impl FnMut(u64, u64)) -> Result<(), Error> {
    let doing = || Error::doing("copy the database");
    let mut copy = Connection::open(dest).map_err(Error::opening(dest))?;
    let snapshot = source.unchecked_transaction().map_err(doing())?;
    // SQLite begins a transaction at its first read.
    snapshot.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(())).map_err(doing())?;
    {
        let backup = Backup::new(source, &mut copy).map_err(doing())?;
        loop {
            let result = backup.step(STEP).map_err(doing())?;
            let state = backup.progress();
            progress((state.pagecount - state.remaining) as u64, state.pagecount as u64);
            if result == StepResult::Done {
                break;
            }
        }
    }
    drop(snapshot);
    copy.close().map_err(|(_, cause)| Error::opening(dest)(cause))
}
