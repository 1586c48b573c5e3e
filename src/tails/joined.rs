//! Joined stretches: frames of the ring that many watchers with the same cursor and filter are about to send.
//!
//! The publisher wakes all watchers of a busy log at once, and most of them ask for the same stretch. The first of them joins the
//! frames; the others share its buffer. Without this, 1,000 watchers copy the same frames 1,000 times.

use std::collections::HashMap;

use parking_lot::Mutex;

use super::frame::Stretch;
use crate::job::Position;
use crate::log::Filter;

/// Most stretches that are kept, 1 MiB of usual frames. A stretch that finds no room is joined for its watcher alone.
const STRETCHES: usize = 16;

/// The joined stretches of the ring as it is now.
#[derive(Debug, Default)]
pub(super) struct Joined(Mutex<Generation>);

/// Stretches that end with the same ring.
#[derive(Debug, Default)]
struct Generation {
    /// The newest position in the ring.
    end: Position,
    stretches: HashMap<(Position, Filter), Stretch>,
}

impl Joined {
    /// The stretch after `cursor` of the ring that ends at `end`. `join` makes it, unless another watcher has made it already.
    pub(super) fn get_or(
        &self,
        end: Position,
        cursor: Position,
        filter: &Filter,
        join: impl FnOnce() -> Stretch,
    ) -> Stretch {
        let mut now = self.0.lock();
        if now.end != end {
            *now = Generation { end, stretches: HashMap::new() };
        }
        let key = (cursor, filter.clone());
        if let Some(stretch) = now.stretches.get(&key) {
            return stretch.clone();
        }
        if now.stretches.len() >= STRETCHES {
            drop(now);
            return join();
        }
        // Joined under the lock: the other watchers of the same stretch wait for it instead of joining it too.
        let stretch = join();
        now.stretches.insert(key, stretch.clone());
        stretch
    }

    /// Drops all stretches, because a redaction erases data that they may show.
    pub(super) fn clear(&self) {
        self.0.lock().stretches.clear();
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn stretch(text: &'static str) -> Stretch {
        Stretch { bytes: Bytes::from_static(text.as_bytes()), cursor: Position::new(9), ended: None, more: false }
    }

    fn after(cursor: u64, end: u64, joined: &Joined, text: &'static str) -> Bytes {
        joined.get_or(Position::new(end), Position::new(cursor), &Filter::default(), || stretch(text)).bytes
    }

    #[test]
    fn a_stretch_is_shared_until_the_ring_grows_or_a_redaction() {
        let joined = Joined::default();
        assert_eq!(after(3, 9, &joined, "first"), "first");
        assert_eq!(after(3, 9, &joined, "second"), "first");
        assert_eq!(after(4, 9, &joined, "other cursor"), "other cursor");
        assert_eq!(after(3, 10, &joined, "grown"), "grown");
        joined.clear();
        assert_eq!(after(3, 10, &joined, "redacted"), "redacted");
    }

    #[test]
    fn a_stretch_that_finds_no_room_is_joined_for_its_watcher() {
        let joined = Joined::default();
        (0..STRETCHES as u64).for_each(|cursor| assert_eq!(after(cursor, 99, &joined, "kept"), "kept"));
        assert_eq!(after(50, 99, &joined, "first"), "first");
        assert_eq!(after(50, 99, &joined, "second"), "second");
        assert_eq!(after(0, 99, &joined, "again"), "kept");
    }
}
