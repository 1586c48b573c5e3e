//! What the tests share: a real server on a free port over a temporary folder, and clients for it.

mod bodies;
mod client;
mod clock;
mod events;
mod jobs;
mod server;

pub use bodies::{compact, problem};
pub use client::{Answer, Client, Frame, Stream};
pub use clock::Hands;
pub use events::{created, event, nil};
pub use jobs::{ROLE_JOB, at, completed, named, noted, result, role_job, rule_job, started, with};
pub use server::TestServer;

/// A test that needs something this machine does not have says so loudly and stops; CI refuses the word.
#[allow(dead_code, reason = "not every test needs something")]
pub fn skipped(needs: &str) {
    eprintln!("skipped: needs {needs}");
}
