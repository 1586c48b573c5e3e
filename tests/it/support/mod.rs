//! What the tests share: a real server on a free port over a temporary folder, and clients for it.

pub mod answers;
mod client;
mod clock;
mod events;
pub mod histories;
pub mod raw;
pub mod rows;
mod server;
mod streams;

pub use client::{Answer, Client, Frame, Stream};
pub use clock::HandClock;
pub use events::{created, event, nil};
pub use server::TestServer;
pub use streams::position;

/// A test that needs something this machine does not have says so loudly and stops; CI refuses the word.
#[allow(dead_code, reason = "not every test needs something")]
pub fn skipped(needs: &str) {
    eprintln!("skipped: needs {needs}");
}
