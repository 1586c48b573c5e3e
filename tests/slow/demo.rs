//! `jobledger demo` ends cleanly at every step at which a signal arrives.

use crate::support::demo;

/// When the signal arrives, the threads of the demo are in the middle of an append, or about to begin one.
#[test]
fn the_demo_ends_cleanly_at_every_step() {
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..50).for_each(|_| demo::play("INT")));
        }
    });
}
