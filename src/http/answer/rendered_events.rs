//! Events as pages show them, kept in memory by the sheet: a stretch of the log that is all recorded stays as it is.
//!
//! Erasing an event's data is the one thing that changes it: no sheet outlives an erasure.

use std::sync::Arc;

use crate::cache::RedactableCache;
use crate::http::answer::Error;
use crate::job::{OrgId, Position};
use crate::log::{Page, Reader, enough};
use crate::memory::Budget;
use crate::wire::{self, Leaf};

/// Events on a sheet: a page of 50 takes two or three.
const SHEET: u64 = 32;
/// A sheet of more bytes is not made.
const LARGE: usize = 256 << 10;

/// Sheets by number, the longest unused dropped first.
#[derive(Debug)]
pub struct Sheets(RedactableCache<u64, Arc<Sheet>>);

#[derive(Debug)]
struct Sheet {
    /// The position of its first event.
    first: u64,
    /// The events one behind the other.
    text: Vec<u8>,
    /// Of each event the organisation, and where its text ends.
    ends: Vec<(Option<OrgId>, usize)>,
}

impl Sheets {
    /// No sheets yet.
    pub fn new(budget: Budget) -> Sheets {
        Sheets(RedactableCache::new(budget))
    }

    /// Gives `each` the events of `org` (`None`: of all) after `after`, `limit` at the most. Looks at about `scan` events and
    /// at none behind a sheet that is too large. `erased` is the newest erasure, asked for before the log is read, and `head` the
    /// newest event: whatever is recorded after it is of another page, be it on a sheet already.
    pub fn page(
        &self,
        log: &Reader<'_>,
        (erased, head): (Position, Position),
        scan: u64,
        (after, limit): (Position, u64),
        org: Option<OrgId>,
        mut each: impl FnMut(&[u8]),
    ) -> Result<Page, Error> {
        let (mut shown, mut scanned) = (0, after);
        let last = head.get().min(after.get().saturating_add(scan));
        for number in after.next().get() / SHEET..=last / SHEET {
            let Some(sheet) = self.sheet(log, erased, number, head)? else { break };
            for (position, of, text) in sheet.events(scanned).take_while(|(position, ..)| *position <= head) {
                scanned = position;
                if org.is_none() || of == org {
                    shown += 1;
                    each(text);
                    if shown == limit {
                        return Ok(Page { scanned, head });
                    }
                }
            }
        }
        Ok(Page { scanned, head })
    }

    /// The sheet with what is recorded of it, kept once that is all.
    fn sheet(
        &self,
        log: &Reader<'_>,
        erased: Position,
        number: u64,
        head: Position,
    ) -> Result<Option<Arc<Sheet>>, Error> {
        if let Some(sheet) = self.0.get(erased, &number) {
            return Ok(Some(sheet));
        }
        let first = number * SHEET;
        let recorded = SHEET.min(head.next().get() - first);
        let Some(sheet) = Sheet::render(log, Position::new(first), recorded)?.map(Arc::new) else { return Ok(None) };
        if sheet.ends.len() as u64 == SHEET {
            let weight = sheet.text.capacity() + sheet.ends.len() * size_of::<(Option<OrgId>, usize)>();
            self.0.insert(erased, number, sheet.clone(), weight);
        }
        Ok(Some(sheet))
    }
}

impl Sheet {
    fn render(log: &Reader<'_>, first: Position, count: u64) -> Result<Option<Sheet>, Error> {
        let mut sheet = Sheet { first: first.get(), text: Vec::new(), ends: Vec::new() };
        log.scan(first, count, |row| {
            let leaf = Leaf::parse(row.leaf).map_err(|error| Error::internal(&error))?;
            wire::write_cloudevent(&mut sheet.text, row.leaf, row.data);
            sheet.ends.push((leaf.org().map_err(|error| Error::internal(&error))?, sheet.text.len()));
            Ok::<_, Error>(enough(sheet.text.len(), LARGE))
        })?;
        sheet.text.shrink_to_fit();
        Ok((sheet.text.len() < LARGE).then_some(sheet))
    }

    /// The events after `after`: position, organisation, text.
    fn events(&self, after: Position) -> impl Iterator<Item = (Position, Option<OrgId>, &[u8])> {
        let skipped = after.next().get().saturating_sub(self.first) as usize;
        (skipped..self.ends.len()).map(move |place| {
            let start = if place == 0 { 0 } else { self.ends[place - 1].1 };
            let (org, end) = self.ends[place];
            (Position::new(self.first + place as u64), org, &self.text[start..end])
        })
    }
}
