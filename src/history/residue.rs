//! The residue of redacted data. The fold reads the residue instead of the data, so counts and states stay as they were.
//!
//! The redaction of an event holds its residue, and comes after the event: this file looks it up, in a log and in an export.

use std::collections::HashMap;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use super::Error;
use crate::job::{Event, EventType, JobKey, Position};
use crate::log::{self, Reader};
use crate::wire::{self, Entry, Leaf, LineError, Lines, StoredRedaction, Unreadable};

/// The residue of the redacted event at `position` of the log; `None` if no redaction names the event.
pub(super) fn residue_in_log(log: &Reader<'_>, position: Position) -> Result<Option<Vec<u8>>, Error> {
    // The `+` takes away the column's affinity, which the index does not have.
    let sql = "SELECT redaction.version, redaction.data FROM event AS redacted JOIN event AS redaction \
               ON redaction.job = redacted.job AND redaction.type = 'job.redacted' \
               AND json_extract(CAST(redaction.data AS TEXT), '$.position') = +redacted.position \
               WHERE redacted.position = ?1 AND redaction.position > redacted.position";
    let mut statement = log.prepare("find the redaction of an event", sql)?;
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get::<_, Vec<u8>>(1)?));
    let found = statement.row_if_any([position], read).map_err(log::Error::from)?;
    let Some((version, data)) = found else { return Ok(None) };
    let stored = StoredRedaction::read(version, &data);
    Ok(Some(stored.map_err(|cause| Unreadable { position, cause: cause.into() })?.residue))
}

/// The newest redaction of all jobs; the genesis event if the log has no redaction.
///
/// # Errors
///
/// The log cannot be read.
pub fn newest_redaction(log: &Reader<'_>) -> Result<Position, log::Error> {
    // Without the `+` SQLite reads back from the log's end to the newest redaction: the whole log, if it has no redaction.
    let sql = "SELECT ifnull(max(+position), 0) FROM event WHERE type = 'job.redacted'";
    Ok(log.prepare("find the newest redaction", sql)?.value([])?)
}

/// Whether `data` is a residue of an event of this type and version: making the residue of `data` gives `data` again.
pub fn is_residue(event_type: &str, version: u32, data: &[u8]) -> bool {
    wire::residue(event_type, version, data).is_ok_and(|residue| residue == data)
}

/// The residues in an export. The first look-up reads all redactions of the export, because a redaction comes after the event that
/// it names.
#[derive(Debug)]
pub struct ExportResidues {
    file: PathBuf,
    /// By the redacted event.
    residues: Option<HashMap<Position, Residue>>,
}

#[derive(Debug)]
struct Residue {
    /// The position of the redaction.
    redaction: Position,
    /// The redaction's job.
    job: JobKey,
    data: Vec<u8>,
}

impl ExportResidues {
    /// The residues in the export `file`. Does not open the file yet.
    pub fn of(file: &Path) -> ExportResidues {
        ExportResidues { file: file.to_owned(), residues: None }
    }

    /// The residue of the redacted event at `position`; `None` if no later redaction of the same job names the event, or if the
    /// redaction holds no valid residue.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn find(&mut self, position: Position, leaf: &Leaf<'_>) -> Result<Option<&[u8]>, LineError> {
        let residues = match &mut self.residues {
            Some(residues) => residues,
            none => none.insert(read_residues(&self.file)?),
        };
        Ok(residues.get(&position).filter(|residue| residue.is_of(position, leaf)).map(|residue| &*residue.data))
    }
}

impl Residue {
    fn is_of(&self, position: Position, leaf: &Leaf<'_>) -> bool {
        let same_job = leaf.org().is_ok_and(|org| org == Some(self.job.org))
            && leaf.subject.as_deref() == Some(self.job.id.as_str());
        same_job
            && self.redaction > position
            && leaf.version().is_ok_and(|version| is_residue(&leaf.event_type, version, &self.data))
    }
}

/// Reads the redactions among the lines. Skips damaged lines, which the caller reports.
fn read_residues(file: &Path) -> Result<HashMap<Position, Residue>, LineError> {
    let mut lines = Lines::new(BufReader::new(File::open(file)?));
    let mut residues = HashMap::new();
    while let Some(line) = lines.next_line()? {
        // Most lines are no redactions, and a search for the type is cheaper than JSON parsing.
        if let Ok(line) = line.text()
            && line.contains(EventType::Redacted.as_str())
            && let Some((redacted, residue)) = read_redaction(line)
        {
            residues.insert(redacted, residue);
        }
    }
    Ok(residues)
}

/// The event that a line redacts, and its residue; `None` if the line is no redaction.
fn read_redaction(line: &str) -> Option<(Position, Residue)> {
    let line = Entry::parse(line).ok()?;
    let leaf = Leaf::parse(&line.leaf).ok()?;
    let (_, data) = line.content?;
    if !leaf.is(EventType::Redacted) {
        return None;
    }
    let fact = wire::fact(leaf.position().ok()?, &line.leaf, Some(&data)).ok()??;
    let Event::Redacted(redacted) = fact.event else { return None };
    let data = StoredRedaction::read(leaf.version().ok()?, &data).ok()?.residue;
    Some((redacted.position, Residue { redaction: fact.position, job: fact.key, data }))
}
