//! A log's own checkpoints, in the order of the entries that they cover.

use rusqlite::{Connection, Rows};

use super::{Auditor, Class};
use crate::job::plural;

/// Checkpoints by size, from a table `checkpoint(number, size, note)`.
pub(super) struct Checkpoints<'s> {
    rows: Rows<'s>,
    next: Option<SizedNote>,
}

/// A signed note, and the number of entries in its row.
struct SizedNote {
    size: u64,
    note: String,
}

impl<'s> Checkpoints<'s> {
    /// The rows that [`Checkpoints::start`] reads.
    pub(super) const BY_SIZE: &'static str = "SELECT size, note FROM checkpoint ORDER BY size, number";

    pub(super) fn start(rows: Rows<'s>) -> Result<Checkpoints<'s>, rusqlite::Error> {
        let mut checkpoints = Checkpoints { rows, next: None };
        checkpoints.advance()?;
        Ok(checkpoints)
    }

    /// The next checkpoint of at most `size` entries, if there is one.
    pub(super) fn take(&mut self, size: u64) -> Result<Option<String>, rusqlite::Error> {
        let Some(SizedNote { note, .. }) = self.next.take_if(|next| next.size <= size) else { return Ok(None) };
        self.advance()?;
        Ok(Some(note))
    }

    /// After the last entry: gives the audit the checkpoints that cover more entries than the log has.
    pub(super) fn beyond(&mut self, auditor: &mut Auditor) -> Result<(), rusqlite::Error> {
        while let Some(SizedNote { size, note }) = self.next.take() {
            auditor.checkpoint_beyond(size, &note);
            self.advance()?;
        }
        Ok(())
    }

    fn advance(&mut self) -> Result<(), rusqlite::Error> {
        self.next = match self.rows.next()? {
            None => None,
            Some(row) => {
                let size = u64::try_from(row.get::<_, i64>(0)?).unwrap_or(0);
                // Bytes that are not text fail as a note.
                let note = String::from_utf8_lossy(row.get_ref(1)?.as_bytes().unwrap_or_default()).into_owned();
                Some(SizedNote { size, note })
            }
        };
        Ok(())
    }
}

/// Checks that checkpoints are numbered from 1 without gaps.
pub(super) fn numbered(conn: &Connection, auditor: &mut Auditor) -> Result<(), rusqlite::Error> {
    let sql = "SELECT count(*), ifnull(max(number), 0) FROM checkpoint";
    let (found, newest): (i64, i64) = conn.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if found != newest {
        let what = format!("expected the {} signed here, found {found}", plural(newest, "checkpoint", "checkpoints"));
        auditor.fault(Class::Content, None, what);
    }
    Ok(())
}
