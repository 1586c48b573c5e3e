//! Makes new views from the log alone, in a file beside the old views.

use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::{panic, thread};

use rusqlite::Connection;

use super::batch::Batch;
use super::room::{Held, Room};
use super::stretch::{Rows, Stretch};
use super::{Error, Projector, open};
use crate::job::Position;
use crate::log::Reader;
use crate::memory::Budget;

/// Most events of one transaction.
const STEP: u64 = 20_000;
/// Most bytes that are read ahead of the writer, 8 MiB: about what the reader reads while the writer commits [`STEP`] events.
const AHEAD: usize = 8 << 20;

/// What one thread hands to the next: a part of the log, or why the log cannot be read.
struct Handed<'r, T> {
    part: Result<T, Error>,
    /// Frees the room when the part is folded.
    held: Held<'r>,
}

/// Makes views of the log in the new file `path`, with the events that arrive meanwhile, and syncs the file. First removes a file that
/// an interrupted rebuild left there. Gives `progress` the position after each batch.
///
/// # Errors
///
/// The log cannot be read, the file cannot be written, or the operating system refuses a thread.
pub fn rebuild(
    log: &Reader<'_>,
    path: &Path,
    budget: &Budget,
    progress: impl FnMut(Position) + Send,
) -> Result<(), Error> {
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
    progress: impl FnMut(Position) + Send,
) -> Result<(), Error> {
    replayed(log, upto, path, budget, progress)?.finish(path)
}

/// As [`rebuild_to`], but makes the rows alone, to compare them: the file has no indexes and no mark of views, and is not synced.
///
/// # Errors
///
/// As [`rebuild`].
pub fn replay_to(
    log: &Reader<'_>,
    upto: Position,
    path: &Path,
    budget: &Budget,
    progress: impl FnMut(Position) + Send,
) -> Result<(), Error> {
    replayed(log, upto, path, budget, progress).map(drop)
}

/// New views at `path` with the events up to `upto`, which are not finished.
fn replayed(
    log: &Reader<'_>,
    upto: Position,
    path: &Path,
    budget: &Budget,
    progress: impl FnMut(Position) + Send,
) -> Result<Projector, Error> {
    discard(path)?;
    // Reads the head before any event: a redaction after that head may name data that this rebuild has read by then.
    let projector = Projector::create(path, log.head()?, budget)?;
    project(log, upto, projector, progress)
}

/// Projects the events up to `upto` into new views. This thread reads the log, a second thread parses the events, and a third folds and
/// writes. The last two take about as long as each other, and twice as long as the first.
fn project(
    log: &Reader<'_>,
    upto: Position,
    projector: Projector,
    progress: impl FnMut(Position) + Send,
) -> Result<Projector, Error> {
    let room = Room::new(AHEAD);
    thread::scope(|scope| {
        // The channels end with this closure, so a thread that waits for one ends if the system refuses the next thread.
        let (rows, read_rows) = channel();
        let (stretches, parsed) = channel();
        let named = |name: &str| thread::Builder::new().name(name.into());
        named("rebuild-parser").spawn_scoped(scope, move || parse(&read_rows, &stretches)).map_err(Error::Thread)?;
        let writer = named("rebuild-writer")
            .spawn_scoped(scope, move || write(projector, &parsed, progress))
            .map_err(Error::Thread)?;
        read(log, upto, &room, &rows);
        drop(rows);
        writer.join().unwrap_or_else(|panicked| panic::resume_unwind(panicked))
    })
}

/// Hands the rows of the log up to `upto` on, and an error of the log as the last. Ends early if the parser has ended.
fn read<'r>(log: &Reader<'_>, upto: Position, room: &'r Room, parser: &Sender<Handed<'r, Rows>>) {
    let mut next = Some(Position::GENESIS);
    while let Some(from) = next {
        let part = Rows::read(log, from, upto.get().saturating_add(1).saturating_sub(from.get()));
        next = part.as_ref().ok().and_then(Rows::end).map(Position::next);
        let is_end = next.is_none() && part.is_ok();
        let held = room.hold(part.as_ref().map_or(0, Rows::weight));
        if is_end || parser.send(Handed { part, held }).is_err() {
            return;
        }
    }
}

/// Parses the rows that another thread read. Ends early if the writer has ended.
fn parse<'r>(rows: &Receiver<Handed<'r, Rows>>, writer: &Sender<Handed<'r, Stretch>>) {
    for Handed { part, held } in rows {
        if writer.send(Handed { part: part.and_then(Rows::parse), held }).is_err() {
            return;
        }
    }
}

/// Folds and writes the stretches that another thread parsed.
fn write(
    mut projector: Projector,
    stretches: &Receiver<Handed<'_, Stretch>>,
    mut progress: impl FnMut(Position),
) -> Result<Projector, Error> {
    let mut batch = Batch::default();
    for Handed { part, held: _held } in stretches {
        projector.take(None, &mut batch, part?)?;
        if batch.count >= STEP || projector.is_full(&batch) {
            projector.commit(None, std::mem::take(&mut batch), |_| {})?;
            progress(projector.position().unwrap_or_default());
        }
    }
    if projector.commit(None, batch, |_| {})? {
        progress(projector.position().unwrap_or_default());
    }
    Ok(projector)
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
