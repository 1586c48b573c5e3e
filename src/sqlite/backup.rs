//! A consistent copy of a database while it is written to.

use std::path::Path;

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use super::Error;

/// Pages copied between two reports of progress: 4 MiB.
const STEP: i32 = 1024;

/// Copies the database behind `source` to the new file `dest`, telling `progress` (pages done, pages in all).
///
/// One read transaction covers the whole copy. Without it SQLite would start again whenever the writer commits, and a
/// busy ledger would never be copied; with it the copy is the log as of one moment and takes time by its size alone.
pub fn copy_database(source: &Connection, dest: &Path, mut progress: impl FnMut(u64, u64)) -> Result<(), Error> {
    let doing = || Error::doing("copy the database");
    let mut copy = Connection::open(dest).map_err(|cause| Error::Open { path: dest.to_owned(), cause })?;
    let snapshot = source.unchecked_transaction().map_err(doing())?;
    // A transaction begins with its first read.
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
    copy.close().map_err(|(_, cause)| Error::Open { path: dest.to_owned(), cause })
}
