//! A bound on the bytes that one thread has read and another has not written yet.

use parking_lot::{Condvar, Mutex};

/// Room for a number of bytes.
#[derive(Debug)]
pub(super) struct Room {
    limit: usize,
    held: Mutex<usize>,
    freed: Condvar,
}

/// Bytes in a room. Dropping the value frees them.
#[derive(Debug)]
pub(super) struct Held<'r> {
    room: &'r Room,
    bytes: usize,
}

impl Room {
    /// Room for `limit` bytes.
    pub(super) fn new(limit: usize) -> Room {
        Room { limit, held: Mutex::new(0), freed: Condvar::new() }
    }

    /// Waits until there is room for `bytes`, or until the room is empty: so more bytes than the limit find room too, alone.
    pub(super) fn hold(&self, bytes: usize) -> Held<'_> {
        let mut held = self.held.lock();
        self.freed.wait_while(&mut held, |held| *held > 0 && held.saturating_add(bytes) > self.limit);
        *held += bytes;
        Held { room: self, bytes }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        *self.room.held.lock() -= self.bytes;
        self.room.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;

    #[test]
    fn a_room_is_never_overfull_and_takes_what_is_larger_than_it_alone() {
        let room = Room::new(10);
        let (sent, held) = sync_channel(10);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for bytes in [4, 6, 1, 30, 2].repeat(200) {
                    let taken = room.hold(bytes);
                    let all = *room.held.lock();
                    assert!(all <= 10 || all == bytes, "{all}");
                    sent.send(taken).unwrap();
                }
                drop(sent);
            });
            assert_eq!(held.iter().count(), 1000);
        });
        assert_eq!(*room.held.lock(), 0);
    }
}
