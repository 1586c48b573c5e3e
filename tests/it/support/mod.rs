//! What the tests share: a real server on a free port over a temporary folder, and clients for it.

pub mod cli;
mod client;
mod events;
mod server;

pub use client::{Answer, Client, Frame, Stream};
pub use events::{created, event, nil};
pub use server::TestServer;

/// A test that needs something this machine does not have says so loudly and stops; CI refuses the word.
#[allow(dead_code, reason = "not every test needs something")]
pub fn skipped(needs: &str) {
    eprintln!("skipped: needs {needs}");
}
