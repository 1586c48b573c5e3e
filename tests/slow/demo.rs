//! `jobledger demo` ends cleanly at whichever step the signal finds it.

use crate::support::demo;

/// At the signal the players of each demo are in the middle of an append, or about to begin one.
#[test]
fn the_demo_ends_cleanly_at_every_step() {
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..50).for_each(|_| demo::play("INT")));
        }
    });
}
