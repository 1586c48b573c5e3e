//! Stretches of frames that late watchers read from the log, kept in memory for the next watcher who comes to the same place
//! with the same filter: after a restart of the server all watchers come back at once.
//!
//! A stretch with more behind it stays as it is, until an event in it is redacted.

use parking_lot::{Mutex, MutexGuard};

use super::frame::Taken;
use crate::job::Position;
use crate::log::Filter;
use crate::views::Cache;

/// Most bytes kept, 16 MiB.
const KEPT: usize = 16 << 20;

/// The stretches, the longest unused dropped first.
#[derive(Debug)]
pub(super) struct Late(Mutex<Kept>);

#[derive(Debug)]
struct Kept {
    /// The newest redaction that every stretch here comes after.
    redacted: Position,
    stretches: Cache<(Position, Filter), Taken>,
}

impl Default for Late {
    fn default() -> Late {
        Late(Mutex::new(Kept { redacted: Position::GENESIS, stretches: Cache::new(KEPT) }))
    }
}

impl Late {
    /// The stretch after `cursor`, if it is kept. `redacted` is the newest redaction.
    pub(super) fn get(&self, redacted: Position, cursor: Position, filter: &Filter) -> Option<Taken> {
        self.kept(redacted).stretches.get(&(cursor, filter.clone())).cloned()
    }

    /// Keeps the stretch after `cursor` if there is more behind it. `redacted` is the newest redaction from before the log was
    /// read.
    pub(super) fn keep(&self, redacted: Position, cursor: Position, filter: Filter, taken: &Taken) {
        let mut kept = self.kept(redacted);
        // A stretch from before a redaction may show redacted text.
        if taken.more && kept.redacted == redacted {
            let weight = taken.bytes.len() + size_of::<(Position, Filter, Taken)>();
            kept.stretches.insert((cursor, filter), taken.clone(), weight);
        }
    }

    /// The stretches, without those from before the redaction at `redacted`.
    fn kept(&self, redacted: Position) -> MutexGuard<'_, Kept> {
        let mut kept = self.0.lock();
        if kept.redacted < redacted {
            kept.redacted = redacted;
            kept.stretches.clear();
        }
        kept
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn taken(more: bool) -> Taken {
        Taken { bytes: Bytes::from_static(b"frames"), cursor: Position::new(9), ended: None, more }
    }

    #[test]
    fn a_whole_stretch_is_kept_until_a_redaction() {
        let (late, filter, at) = (Late::default(), Filter::default(), Position::new(3));
        let (none, first) = (Position::GENESIS, Position::new(20));
        late.keep(none, at, filter.clone(), &taken(false));
        assert!(late.get(none, at, &filter).is_none(), "more may be recorded behind it");
        late.keep(none, at, filter.clone(), &taken(true));
        assert!(late.get(none, at, &filter).is_some());
        assert!(late.get(none, at.next(), &filter).is_none());
        assert!(late.get(first, at, &filter).is_none());
        late.keep(none, at, filter.clone(), &taken(true));
        assert!(late.get(first, at, &filter).is_none(), "read before the redaction");
    }
}
