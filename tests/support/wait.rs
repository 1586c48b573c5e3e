//! Waits for the work of another thread or process.

use std::time::{Duration, Instant};

/// Longest wait for an event that must happen.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// The pause between two looks. It leaves the processor to the thread that the test waits for.
const PAUSE: Duration = Duration::from_millis(1);

/// Calls `is_so` again and again until it returns true. Fails with the text `what` after [`PATIENCE`].
#[track_caller]
pub fn until(what: &str, is_so: impl FnMut() -> bool) {
    until_paced(what, PAUSE, is_so);
}

/// Like [`until`], with another pause between two calls, for a call that costs more than a look at memory.
#[track_caller]
pub fn until_paced(what: &str, pause: Duration, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "waited {PATIENCE:?}: {what}");
        std::thread::sleep(pause);
    }
}

/// Calls `attempt` again and again until it returns a value. Fails with the text `what` after [`PATIENCE`].
#[track_caller]
pub fn until_some<T>(what: &str, attempt: impl FnMut() -> Option<T>) -> T {
    until_some_paced(what, PAUSE, attempt)
}

/// Like [`until_some`], with another pause between two calls.
#[track_caller]
pub fn until_some_paced<T>(what: &str, pause: Duration, mut attempt: impl FnMut() -> Option<T>) -> T {
    let mut found = None;
    until_paced(what, pause, || {
        found = attempt();
        found.is_some()
    });
    found.unwrap()
}
