//! Makes new views from the log alone, in a file beside the old views.

use std::path::Path;

use rusqlite::Connection;

use super::{Error, Projector, open};
use crate::job::Position;
use crate::log::Reader;
use crate::memory::Budget;

/// Most events of one transaction.
const STEP: u64 = 20_000;

/// Makes views of the log in the new file `path`, with the events that arrive meanwhile, and syncs the file. First removes a file that
/// an interrupted rebuild left there. Gives `progress` the position after each batch.
///
/// # Errors
///
/// The log cannot be read, or the file cannot be written.
pub fn rebuild(log: &Reader<'_>, path: &Path, budget: &Budget, progress: impl FnMut(Position)) -> Result<(), Error> {
    rebuild_to(log, Position::MAX, path, budget, progress)
}

/// As [`rebuild`], but only with the events up to `upto`.
///
/// # Errors
///
/// As [`rebuild`].
pub fn rebuild_to(
    log: &Reader<'_>,
    upto: Position,
    path: &Path,
    budget: &Budget,
    mut progress: impl FnMut(Position),
) -> Result<(), Error> {
    discard(path)?;
    // Reads the head before any event: a redaction after that head may name data that this rebuild has read by then.
    let mut projector = Projector::create(path, log.head()?, budget)?;
    let step = |projector: &Projector| STEP.min(upto.get().saturating_add(1).saturating_sub(projector.next().get()));
    while projector.project_log(log, step(&projector), |_| {})? {
        progress(projector.position().unwrap_or_default());
    }
    projector.finish(path)
}

/// Copies only the rows of `views` into the new file `path`, and syncs the file.
///
/// # Errors
///
/// The views cannot be read, or the file cannot be written.
pub fn copy(views: &Connection, path: &Path) -> Result<(), Error> {
    discard(path)?;
    open::copy(views, path)
}

/// Puts complete new views in the place of the old ones. No connection may have the old ones open.
///
/// # Errors
///
/// A file cannot be removed or renamed.
pub fn put_in_place(new: &Path, path: &Path) -> Result<(), Error> {
    let failed = || Error::io("put new views in the place of", path);
    // Checks first that the new file is there, so that a failure keeps the old file.
    new.metadata().map_err(failed())?;
    remove_database(path).and_then(|()| std::fs::rename(new, path)).map_err(failed())
}

/// Removes views that are not in use, such as a file that an interrupted rebuild left.
///
/// # Errors
///
/// A file cannot be removed.
pub fn discard(path: &Path) -> Result<(), Error> {
    remove_database(path).map_err(Error::io("remove", path))
}

/// Removes a database file, with its WAL, index and journal.
fn remove_database(path: &Path) -> std::io::Result<()> {
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        match std::fs::remove_file(&name) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}
