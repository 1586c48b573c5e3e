//! Waits for the work of another thread or process.

use std::time::{Duration, Instant};

use super::client::Client;

/// Longest wait for an event that must happen.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// The pause between two looks. It leaves the processor to the thread that the test waits for.
const PAUSE: Duration = Duration::from_millis(1);

/// Calls `is_so` again and again until it returns true. Fails with the text `what` after [`PATIENCE`].
#[track_caller]
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "waited {PATIENCE:?}: {what}");
        std::thread::sleep(PAUSE);
    }
}

/// Calls `attempt` again and again until it returns a value. Fails with the text `what` after [`PATIENCE`].
#[track_caller]
pub fn until_some<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let mut found = None;
    until(what, || {
        found = attempt();
        found.is_some()
    });
    found.unwrap()
}

/// Waits until `/metrics` has this line.
#[track_caller]
pub fn until_metric(client: &Client, line: &str) {
    until(line, || client.get("/metrics").text().lines().any(|found| found == line));
}
