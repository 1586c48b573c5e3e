//! An audit of an export: every line of it, from the first event on. An export has no nodes, and no checkpoint but the one
//! that its last line may hold.

use std::io::BufRead;

use super::{AuditError, Auditor, Class};
use crate::job::Position;
use crate::tree::Checkpoint;
use crate::wire::{Entry, ExportedLine, Leaf, Line, Lines};

/// Takes the lines of an export into the audit; tells `progress` how many bytes were read. A file that is no export of a whole
/// log, or ends within a line, is an error and no fault: it is not evidence of a change.
pub fn audit_export(
    lines: impl BufRead,
    auditor: &mut Auditor,
    mut progress: impl FnMut(u64),
) -> Result<(), AuditError> {
    let mut lines = Lines::new(lines);
    let mut checkpoint = None;
    while let Some(line) = lines.next_line()? {
        progress(line.taken());
        let unreadable = |why: String| AuditError::NotAnExport { line: line.number, why };
        if checkpoint.is_some() {
            auditor.fault(
                Class::Content,
                None,
                format!("line {} comes after the checkpoint, which is last", line.number),
            );
            auditor.leaves_out("everything after the checkpoint");
            break;
        }
        match line
            .text()
            .map_err(|error| error.to_string())
            .and_then(|text| ExportedLine::parse(text).map_err(|error| error.to_string()))
        {
            Ok(ExportedLine::Entry(entry)) => {
                if line.number == 1 {
                    begins_with_the_first_event(&entry).map_err(unreadable)?;
                }
                let content = entry.content.as_ref().map(|(salt, data)| (salt.as_slice(), data.as_slice()));
                auditor.entry(&entry.leaf, content, |_, _| {});
            }
            Ok(ExportedLine::Checkpoint(note)) => {
                Checkpoint::claimed(&note).map_err(|error| unreadable(error.to_string()))?;
                checkpoint = Some(note);
            }
            Err(why) if is_no_evidence(&line) => return Err(unreadable(why)),
            Err(why) => {
                // What comes after it would all be out of place.
                auditor.fault(Class::Content, Some(Position::new(auditor.size())), why);
                auditor.leaves_out("everything after the first line that is no export line");
                return Ok(());
            }
        }
    }
    if auditor.size() == 0 {
        let why = "expected the event that made the log, found none".to_owned();
        return Err(AuditError::NotAnExport { line: 1, why });
    }
    if let Some(note) = checkpoint {
        auditor.last_line(&note);
    }
    Ok(())
}

/// Whether a line that cannot be read shows that the file is another one, or only a part of one, and not that it was changed.
fn is_no_evidence(line: &Line<'_>) -> bool {
    line.number == 1 || line.bytes.trim_ascii().is_empty() || !line.ended && !line.bytes.ends_with(b"}")
}

/// An export of one job, or of what came after a position, cannot be verified as a log.
fn begins_with_the_first_event(entry: &Entry) -> Result<(), String> {
    let position = Leaf::parse_strict(&entry.leaf).ok().and_then(|leaf| leaf.position().ok());
    match position.filter(|position| *position > Position::GENESIS) {
        Some(position) => Err(format!(
            "expected the event at position 0, found that at {position}; give an export that was made without --after and \
             --job"
        )),
        None => Ok(()),
    }
}
