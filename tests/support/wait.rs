//! Waiting for what another thread or process does.

use std::time::{Duration, Instant};

use super::client::Client;

/// Longest wait for something that is bound to happen.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// The pause between two looks, which leaves the core to the thread that is waited for.
const PAUSE: Duration = Duration::from_millis(1);

/// Looks again and again until `is_so`, and fails the test with `what` after [`PATIENCE`].
#[track_caller]
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "waited {PATIENCE:?}: {what}");
        std::thread::sleep(PAUSE);
    }
}

/// Tries again and again until `attempt` answers a value, and fails the test with `what` after [`PATIENCE`].
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
