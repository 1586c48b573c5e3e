//! New views from nothing, in a file of their own beside the old ones.

use std::path::Path;

use rusqlite::Connection;

use super::{Error, Projector, open};
use crate::job::Position;
use crate::log::Reader;
use crate::memory::Budget;

/// Events taken at a time.
const STEP: u64 = 20_000;

/// Makes views of everything in the log up to its head of this moment in the new file `path`, telling `progress` the
/// position reached after each batch. The file is complete and on disk when this returns; a leftover of an earlier,
/// interrupted rebuild is removed first.
pub fn rebuild(log: &Reader<'_>, path: &Path, budget: &Budget, progress: impl FnMut(Position)) -> Result<(), Error> {
    rebuild_to(log, Position::MAX, path, budget, progress)
}

/// The same of what is in the log up to `upto`.
pub fn rebuild_to(
    log: &Reader<'_>,
    upto: Position,
    path: &Path,
    budget: &Budget,
    mut progress: impl FnMut(Position),
) -> Result<(), Error> {
    discard(path)?;
    // What is erased from here on may have been read before.
    let mut projector = Projector::create(path, log.head()?, budget)?;
    let step = |projector: &Projector| STEP.min(upto.get().saturating_add(1).saturating_sub(projector.next().get()));
    while projector.advance(log, step(&projector), |_| {})? {
        progress(projector.position().unwrap_or_default());
    }
    projector.finish(path)
}

/// Makes views in the new file `path` that have the rows of `views` and nothing else. The file is on disk when this returns.
pub fn copy(views: &Connection, path: &Path) -> Result<(), Error> {
    discard(path)?;
    open::copy(views, path)
}

/// Gives complete new views the place of the old ones, which nobody has open.
pub fn put_in_place(new: &Path, path: &Path) -> Result<(), Error> {
    let failed = |cause| Error::Damaged(format!("cannot replace the old views: {cause}"));
    // Nothing is removed for a file that is not there.
    new.metadata().map_err(failed)?;
    remove_database(path).and_then(|()| std::fs::rename(new, path)).map_err(failed)
}

/// Removes views that are not in use, such as what an interrupted rebuild left.
pub fn discard(path: &Path) -> Result<(), Error> {
    remove_database(path).map_err(|cause| Error::Damaged(format!("cannot remove `{}`: {cause}", path.display())))
}

/// Removes a database file with what SQLite keeps beside it.
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
