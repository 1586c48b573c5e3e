//! The audit of an export: every line, from the first event on. An export has no nodes, and at most one checkpoint, in its last
//! line.

use std::io::BufRead;

use super::{AuditError, Auditor, Class, NotAnExport};
use crate::job::Position;
use crate::tree::Checkpoint;
use crate::wire::{Entry, ExportedLine, Leaf, Line, Lines};

/// Takes the lines of an export into the audit. `progress` gets the bytes of each line.
///
/// # Errors
/// A file that is no export of a whole log, or that ends inside a line, is an error, and not a fault: it shows a wrong file, and no
/// changed log.
pub fn audit_export(
    lines: impl BufRead,
    auditor: &mut Auditor,
    mut progress: impl FnMut(u64),
) -> Result<(), AuditError> {
    let mut lines = Lines::new(lines);
    let mut checkpoint = None;
    while let Some(line) = lines.next_line()? {
        progress(line.taken());
        let unreadable = |why| AuditError::NotAnExport { line: line.number, why };
        if checkpoint.is_some() {
            let what = format!("line {} comes after the checkpoint, which is last", line.number);
            auditor.fault(Class::Content, None, what);
            auditor.unchecked("everything after the checkpoint");
            break;
        }
        match parsed(&line) {
            Ok(ExportedLine::Entry(entry)) => {
                if line.number == 1 {
                    is_the_first_event(&entry).map_err(unreadable)?;
                }
                auditor.entry(&entry.leaf, entry.content(), |_, _| {});
            }
            Ok(ExportedLine::Checkpoint(note)) => {
                Checkpoint::claimed(&note).map_err(|error| unreadable(error.into()))?;
                checkpoint = Some(note);
            }
            Err(why) if is_another_file(&line) => return Err(unreadable(why)),
            Err(why) => {
                // Stops, because every later entry would have another position and so be a fault too.
                auditor.fault(Class::Content, Some(Position::new(auditor.size())), why.to_string());
                auditor.unchecked("everything after the first line that is no export line");
                return Ok(());
            }
        }
    }
    if auditor.size() == 0 {
        return Err(AuditError::NotAnExport { line: 1, why: NotAnExport::Empty });
    }
    if let Some(note) = checkpoint {
        auditor.export_checkpoint(&note);
    }
    Ok(())
}

fn parsed(line: &Line<'_>) -> Result<ExportedLine, NotAnExport> {
    Ok(ExportedLine::parse(std::str::from_utf8(line.bytes)?)?)
}

/// Whether an unreadable line shows a wrong or partial file, and not a changed export.
fn is_another_file(line: &Line<'_>) -> bool {
    line.number == 1 || line.bytes.trim_ascii().is_empty() || !line.ended && !line.bytes.ends_with(b"}")
}

/// Checks that the export begins with the first event. An export of one job, or of later events, cannot be verified as a log.
fn is_the_first_event(entry: &Entry) -> Result<(), NotAnExport> {
    let position = Leaf::parse_strict(&entry.leaf).ok().and_then(|leaf| leaf.position().ok());
    match position.filter(|position| *position > Position::GENESIS) {
        Some(position) => Err(NotAnExport::Part(position)),
        None => Ok(()),
    }
}
