//! Late reads: stretches of frames that watchers behind the ring read from the log.
//!
//! After a restart all watchers come back at once, many to the same position with the same filter. The cache answers all but
//! the first of them. A stretch with more events behind it never changes, except by the redaction of one of its events.

use super::TailError;
use super::frame::{Frame, Stretch};
use super::ring::TAKE;
use crate::cache::RedactableCache;
use crate::job::Position;
use crate::ledger::Ledger;
use crate::log::{Filter, enough};
use crate::memory::Budget;

/// Most events that one late read takes from the log.
const STEP: u64 = 256;

/// A cache of stretches; it evicts the least recently used first.
#[derive(Debug)]
pub(super) struct LateReads(RedactableCache<(Position, Filter), Stretch>);

impl LateReads {
    /// An empty cache.
    pub(super) fn new(budget: Budget) -> LateReads {
        LateReads(RedactableCache::new(budget))
    }

    /// Reads the stretch after `cursor` from the log. Waits for SQLite, so it runs off the async threads.
    ///
    /// # Errors
    /// The log cannot be read.
    pub(super) fn read(&self, ledger: &Ledger, cursor: Position, filter: &Filter) -> Result<Stretch, TailError> {
        // Taken before the read: a redaction during the read makes the stretch useless for the cache.
        let redacted = ledger.newest_redaction();
        let read = filter.with_ends();
        let from = ledger.quiet_after(cursor, &read);
        let (mut frames, mut size) = (Vec::new(), 0);
        let page = ledger.log(|log| {
            log.page(from, STEP, &read, |row| {
                let frame = Frame::new(row)?;
                size += frame.bytes.len();
                frames.push(frame);
                Ok::<_, TailError>(enough(size, TAKE))
            })
        })?;
        let stretch = Stretch::of(frames.iter(), filter, page.scanned, TAKE);
        let stretch = Stretch { more: stretch.more || page.scanned < page.head, ..stretch };
        self.put(redacted, cursor, filter, &stretch);
        Ok(stretch)
    }

    /// The cached stretch after `cursor`. `redacted` is the position of the newest redaction.
    pub(super) fn get(&self, redacted: Position, cursor: Position, filter: &Filter) -> Option<Stretch> {
        self.0.get(redacted, &(cursor, filter.clone()))
    }

    fn put(&self, redacted: Position, cursor: Position, filter: &Filter, stretch: &Stretch) {
        // Later events belong to a stretch without more behind it.
        if stretch.more {
            let weight = stretch.bytes.len() + size_of::<(Position, Filter, Stretch)>();
            self.0.insert(redacted, (cursor, filter.clone()), stretch.clone(), weight);
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn stretch(more: bool) -> Stretch {
        Stretch { bytes: Bytes::from_static(b"frames"), cursor: Position::new(9), ended: None, more }
    }

    #[test]
    fn a_whole_stretch_is_cached_until_a_redaction() {
        let (late, filter, at) = (LateReads::new(Budget::new(16 << 20)), Filter::default(), Position::new(3));
        let (none, first) = (Position::GENESIS, Position::new(20));
        late.put(none, at, &filter, &stretch(false));
        assert!(late.get(none, at, &filter).is_none(), "later events belong to the stretch");
        late.put(none, at, &filter, &stretch(true));
        assert!(late.get(none, at, &filter).is_some());
        assert!(late.get(none, at.next(), &filter).is_none());
        assert!(late.get(first, at, &filter).is_none());
        late.put(none, at, &filter, &stretch(true));
        assert!(late.get(first, at, &filter).is_none(), "the stretch was read before the redaction");
    }
}
