//! A cache of events as pages show them. It holds sheets of 32 events: a sheet whose events are all recorded never changes, but
//! for redactions. A redaction clears the cache.

use std::sync::Arc;

use super::Error;
use crate::cache::RedactableCache;
use crate::job::{OrgId, Position};
use crate::log::{Page, Reader, enough};
use crate::memory::Budget;
use crate::wire::{self, Leaf};

/// Events on a sheet. A page of 50 needs two or three sheets.
const SHEET: u64 = 32;
/// A sheet of this many bytes, 256 KiB, is not rendered.
const LARGE: usize = 256 << 10;

/// The newest redaction and the head of the log, asked for before a page is read.
#[derive(Debug, Clone, Copy)]
pub struct LogState {
    /// The newest redaction.
    pub redacted: Position,
    /// The newest event. The page shows none that is recorded later.
    pub head: Position,
}

/// Which events a page shows.
#[derive(Debug, Clone, Copy)]
pub struct PageQuery {
    /// Events after this position.
    pub after: Position,
    /// At most this many.
    pub limit: u64,
    /// Of this organisation; `None` for all.
    pub org: Option<OrgId>,
    /// About how many events are looked at, at most.
    pub scan: u64,
}

/// Sheets by number. The least recently used is evicted first.
#[derive(Debug)]
pub struct RenderedEvents(RedactableCache<u64, Arc<Sheet>>);

#[derive(Debug)]
struct Sheet {
    /// The position of its first event.
    first: u64,
    /// The events, one behind the other.
    text: Vec<u8>,
    events: Vec<SheetEvent>,
}

/// Where an event of a sheet ends, and to which organisation it belongs.
#[derive(Debug)]
struct SheetEvent {
    org: Option<OrgId>,
    end: usize,
}

impl RenderedEvents {
    /// An empty cache.
    pub fn new(budget: Budget) -> RenderedEvents {
        RenderedEvents(RedactableCache::new(budget))
    }

    /// Gives `each` the text of every event of `query`, in order. Stops before a sheet that is too large to render; the page's
    /// `scanned` tells how far it went.
    pub fn page(
        &self,
        log: &Reader<'_>,
        state: LogState,
        query: PageQuery,
        mut each: impl FnMut(&[u8]),
    ) -> Result<Page, Error> {
        let (head, PageQuery { after, limit, org, scan }) = (state.head, query);
        let (mut shown, mut scanned) = (0, after);
        let last = head.get().min(after.get().saturating_add(scan));
        for number in after.next().get() / SHEET..=last / SHEET {
            let Some(sheet) = self.sheet(log, state, number)? else { break };
            for (position, of, text) in sheet.after(scanned).take_while(|(position, ..)| *position <= head) {
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

    /// The sheet with its events up to the head; `None` if it is too large. The cache keeps it once all its events are recorded.
    fn sheet(&self, log: &Reader<'_>, state: LogState, number: u64) -> Result<Option<Arc<Sheet>>, Error> {
        if let Some(sheet) = self.0.get(state.redacted, &number) {
            return Ok(Some(sheet));
        }
        let first = number * SHEET;
        let recorded = SHEET.min(state.head.next().get() - first);
        let Some(sheet) = Sheet::render(log, Position::new(first), recorded)?.map(Arc::new) else { return Ok(None) };
        if sheet.events.len() as u64 == SHEET {
            let weight = sheet.text.capacity() + sheet.events.len() * size_of::<SheetEvent>();
            self.0.insert(state.redacted, number, sheet.clone(), weight);
        }
        Ok(Some(sheet))
    }
}

impl Sheet {
    /// Renders `count` events from `first` on; `None` if they are too large.
    fn render(log: &Reader<'_>, first: Position, count: u64) -> Result<Option<Sheet>, Error> {
        let mut sheet = Sheet { first: first.get(), text: Vec::new(), events: Vec::new() };
        log.scan(first, count, |row| {
            let leaf = Leaf::parse(row.leaf).map_err(|error| Error::internal(&error))?;
            wire::write_cloudevent(&mut sheet.text, row.leaf, row.data);
            let org = leaf.org().map_err(|error| Error::internal(&error))?;
            sheet.events.push(SheetEvent { org, end: sheet.text.len() });
            Ok::<_, Error>(enough(sheet.text.len(), LARGE))
        })?;
        sheet.text.shrink_to_fit();
        Ok((sheet.text.len() < LARGE).then_some(sheet))
    }

    /// The events after `after`: position, organisation, text.
    fn after(&self, after: Position) -> impl Iterator<Item = (Position, Option<OrgId>, &[u8])> {
        let skipped = after.next().get().saturating_sub(self.first) as usize;
        (skipped..self.events.len()).map(move |place| {
            let start = if place == 0 { 0 } else { self.events[place - 1].end };
            let SheetEvent { org, end } = &self.events[place];
            (Position::new(self.first + place as u64), *org, &self.text[start..*end])
        })
    }
}
