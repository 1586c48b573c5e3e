//! A log's own checkpoints, taken by how many entries they cover.

use rusqlite::{Connection, Rows};

use super::{Auditor, Class};
use crate::job::plural;

/// Checkpoints by size, from a table `checkpoint(number, size, note)`.
pub(super) struct Checkpoints<'s> {
    rows: Rows<'s>,
    next: Option<(u64, String)>,
}

impl<'s> Checkpoints<'s> {
    /// What [`Checkpoints::start`] wants the rows of.
    pub(super) const BY_SIZE: &'static str = "SELECT size, note FROM checkpoint ORDER BY size, number";

    pub(super) fn start(rows: Rows<'s>) -> Result<Checkpoints<'s>, rusqlite::Error> {
        let mut checkpoints = Checkpoints { rows, next: None };
        checkpoints.advance()?;
        Ok(checkpoints)
    }

    /// Gives the audit those that cover exactly the entries it has by now.
    pub(super) fn take(&mut self, auditor: &mut Auditor) -> Result<(), rusqlite::Error> {
        let size = auditor.size();
        while let Some((_, note)) = self.next.take_if(|(next, _)| *next <= size) {
            auditor.checkpoint(&note);
            self.advance()?;
        }
        Ok(())
    }

    /// Gives the audit, which has all entries, those of more entries than there are.
    pub(super) fn beyond(&mut self, auditor: &mut Auditor) -> Result<(), rusqlite::Error> {
        while let Some((size, note)) = self.next.take() {
            auditor.beyond(size, &note);
            self.advance()?;
        }
        Ok(())
    }

    fn advance(&mut self) -> Result<(), rusqlite::Error> {
        self.next = match self.rows.next()? {
            None => None,
            Some(row) => {
                let size = u64::try_from(row.get::<_, i64>(0)?).unwrap_or(0);
                // What is no text is no note, and fails as one.
                let note = String::from_utf8_lossy(row.get_ref(1)?.as_bytes().unwrap_or_default()).into_owned();
                Some((size, note))
            }
        };
        Ok(())
    }
}

/// Checkpoints are numbered from 1 without gaps.
pub(super) fn numbered(conn: &Connection, auditor: &mut Auditor) -> Result<(), rusqlite::Error> {
    let sql = "SELECT count(*), ifnull(max(number), 0) FROM checkpoint";
    let (found, newest): (i64, i64) = conn.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if found != newest {
        let what = format!("expected the {} signed here, found {found}", plural(newest, "checkpoint", "checkpoints"));
        auditor.fault(Class::Content, None, what);
    }
    Ok(())
}
