//! Import restores an export exactly: positions, recorded times, actors, salts. The copy has no key, so it is read-only until
//! `recover` continues it under a name of its own.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use super::check::{Checked, Checker, LineFault};
use super::entry::{InsertError, KnownJobs, insert_entry};
use crate::job::Position;
use crate::ledger::folder::{Folder, FolderError};
use crate::ledger::keys::key_file;
use crate::ledger::keys::open_existing;
use crate::ledger::{OpenError, identity};
use crate::log::{self, Reader, Writer};
use crate::sqlite::ErrorKind;
use crate::tree::{Frontier, Size};
use crate::wire::{ExportedLine, Leaf, LineError, Lines};

/// Why a file was not imported. The folder's log is unchanged then.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The log in the folder.
    #[error(transparent)]
    Log(#[from] log::Error),
    /// The ledger in the folder.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The file.
    #[error("cannot read `{}`", .path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// The cause.
        #[source]
        cause: std::io::Error,
    },
    /// A line is refused.
    #[error("line {line}: {why}; nothing was imported")]
    Line {
        /// Which line, from 1.
        line: u64,
        /// Why.
        why: LineFault,
    },
    /// A line is longer than any line of an export.
    #[error("{0}; nothing was imported")]
    Long(LineError),
    /// The file is empty.
    #[error("the file is empty; expected the lines of `jobledger export`")]
    Empty,
    /// The folder has a ledger that takes writes.
    #[error("`{}` is a ledger that takes writes; an import goes into an empty folder, or continues a copy that was imported before", .0.display())]
    Live(PathBuf),
}

/// The outcome of an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Imported {
    /// Events that are new in the folder.
    pub events: u64,
    /// The newest position now.
    pub head: Position,
}

/// Imports `file` into `folder`. Reads the file twice: first to check every line, then to write all of them in one transaction.
/// Tells `progress` the bytes of each line that it reads; together they are at most twice the file's size.
///
/// # Errors
///
/// A line is wrong, the folder cannot take it, or a file cannot be read or written.
pub fn import(folder: &Folder, file: &Path, mut progress: impl FnMut(u64)) -> Result<Imported, ImportError> {
    // The folder is made only for a good file.
    let early = folder.path().exists().then(|| folder.lock()).transpose()?;
    let new = check(folder, file, &mut progress)?;
    let _lock = match early {
        Some(lock) => lock,
        None => {
            folder.create()?;
            folder.lock()?
        }
    };
    let path = folder.log();
    if new.events > 0 && new.whole {
        Writer::open(&path, false, |writer, _| {
            insert(writer, file, new.first, &mut progress)?;
            grow(writer, &Frontier::EMPTY)
        })?;
    } else if new.events > 0 {
        let mut writer = open_existing(folder)?;
        let edge = writer.reader().edge(Size::up_to(writer.reader().head()?.get()))?;
        writer.begin()?;
        insert(&mut writer, file, new.first, &mut progress)?;
        grow(&writer, &edge)?;
        writer.commit()?;
    }
    let conn = Reader::open(&path)?;
    Ok(Imported { events: new.events, head: Reader::new(&conn).head()? })
}

struct New {
    /// Whether the folder has no events yet.
    whole: bool,
    /// Where the new events start.
    first: Position,
    events: u64,
}

fn check(folder: &Folder, file: &Path, progress: &mut impl FnMut(u64)) -> Result<New, ImportError> {
    let base = if folder.log().exists() { existing(folder)? } else { None };
    let mut checker = Checker::new(base.as_ref().map(Reader::new), file)?;
    let (mut first, mut events) = (Position::GENESIS, 0);
    lines(file, progress, |number, text| {
        let checked = checker.line(text).map_err(|why| ImportError::Line { line: number, why })?;
        if let Checked::New(line) = checked {
            if events == 0 {
                first = Leaf::parse(&line.leaf).and_then(|leaf| leaf.position()).unwrap_or_default();
            }
            events += 1;
        }
        Ok(())
    })?;
    if checker.anything() { Ok(New { whole: base.is_none(), first, events }) } else { Err(ImportError::Empty) }
}

/// The log that the import continues; `None` if it has no events.
fn existing(folder: &Folder) -> Result<Option<rusqlite::Connection>, ImportError> {
    let conn = match Reader::open(&folder.log()) {
        Err(log::Error::Missing(_)) => return Ok(None),
        // An import that was killed in its first moments.
        Err(error) if error.is(ErrorKind::NeedsRecovery) => {
            log::recover_file(&folder.log())?;
            match Reader::open(&folder.log()) {
                Err(log::Error::Missing(_)) => return Ok(None),
                opened => opened?,
            }
        }
        opened => opened?,
    };
    let identity = identity(&Reader::new(&conn))?;
    match key_file::signing(folder, &identity) {
        Err(_) => Ok(Some(conn)),
        Ok(_) => Err(ImportError::Live(folder.path().to_owned())),
    }
}

/// Grows the tree over the imported events. A copy has no key, so the tree stays unsigned.
fn grow(writer: &Writer, edge: &Frontier) -> Result<(), ImportError> {
    writer.grow(edge, |_, _| Ok::<(), ImportError>(())).map(|_| ())
}

fn insert(
    writer: &mut Writer,
    file: &Path,
    first: Position,
    progress: &mut impl FnMut(u64),
) -> Result<(), ImportError> {
    let mut known = KnownJobs::default();
    lines(file, progress, |number, text| {
        // The file was checked; one that changed in between fails here, and the transaction with it.
        let wrong = |why| ImportError::Line { line: number, why };
        let ExportedLine::Entry(line) = ExportedLine::parse(text).map_err(|error| wrong(error.into()))? else {
            return Ok(());
        };
        let leaf = Leaf::parse_strict(&line.leaf).map_err(|error| wrong(error.into()))?;
        if leaf.position().is_ok_and(|position| position < first) {
            return Ok(());
        }
        let content = line.content.as_ref().map(|(salt, data)| (data.as_slice(), salt));
        insert_entry(writer, &mut known, &leaf, (&line.leaf, content)).map_err(|error| match error {
            InsertError::Log(error) => ImportError::Log(error),
            InsertError::Entry(why) => wrong(why),
        })
    })
}

/// Gives `each` every line with its number, from 1, and `progress` the bytes of each line.
fn lines(
    path: &Path,
    progress: &mut impl FnMut(u64),
    mut each: impl FnMut(u64, &str) -> Result<(), ImportError>,
) -> Result<(), ImportError> {
    let failed = |cause| ImportError::Read { path: path.to_owned(), cause };
    let mut lines = Lines::new(BufReader::with_capacity(1 << 20, File::open(path).map_err(failed)?));
    let next = |error| match error {
        LineError::Read(cause) => failed(cause),
        error @ LineError::Long(_) => ImportError::Long(error),
    };
    while let Some(line) = lines.next_line().map_err(next)? {
        progress(line.taken());
        let text = line.text().map_err(|why| ImportError::Line { line: line.number, why: why.into() });
        each(line.number, text?)?;
    }
    Ok(())
}
