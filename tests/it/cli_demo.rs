//! `jobledger demo`: shows a ledger, and leaves nothing behind when a signal ends it.

use crate::support::demo;

#[test]
fn each_signal_of_a_terminal_ends_the_demo() {
    for signal in ["INT", "HUP", "TERM"] {
        demo::play(signal);
    }
}
