//! An audit of an export: every line of it, from the first event on. An export has no nodes and no checkpoints of its own.

use std::io::BufRead;

use super::{AuditError, Auditor, Class};
use crate::job::Position;
use crate::wire::ExportLine;

/// Takes the lines of an export into the audit; tells `progress` how many bytes were read.
pub fn audit_export(
    mut lines: impl BufRead,
    auditor: &mut Auditor,
    mut progress: impl FnMut(u64),
) -> Result<(), AuditError> {
    let mut line = String::new();
    loop {
        line.clear();
        let read = lines.read_line(&mut line)?;
        if read == 0 {
            return Ok(());
        }
        progress(read as u64);
        match ExportLine::parse(line.trim_end_matches(['\n', '\r'])) {
            Ok(entry) => {
                let content = entry.content.as_ref().map(|(salt, data)| (salt.as_slice(), data.as_slice()));
                auditor.entry(&entry.leaf, content, |_, _| {});
            }
            Err(error) => {
                // What comes after it would all be out of place.
                auditor.fault(Class::Content, Some(Position::new(auditor.size())), error.to_string());
                auditor.leaves_out("everything after the first line that is no export line");
                return Ok(());
            }
        }
    }
}
