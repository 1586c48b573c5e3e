//! What the tests share: a real server on a free port over a temporary folder, and clients for it.

pub mod anchors;
pub mod answers;
mod as_node;
pub mod audit;
mod bodies;
pub mod bundles;
pub mod certificates;
pub mod cli;
mod client;
mod clock;
pub mod demo;
mod events;
pub mod exports;
mod gate;
pub mod hostile;
pub mod http2;
pub mod insider;
mod jobs;
pub mod line;
pub mod nats_server;
pub mod nodes;
pub mod place;
pub mod published;
pub mod raw;
pub mod receiver;
mod recording;
pub mod redactions;
pub mod rows;
pub mod secrets;
mod server;
pub mod shell;
mod stage;
pub mod stalls;
mod streams;
pub mod terminal;
pub mod wait;
pub mod watching;

pub use bodies::{compact, problem};
pub use client::{Answer, Client, Frame, Stream, until_metric};
pub use clock::HandClock;
pub use events::{event, nil};
pub use gate::Gate;
pub use jobs::{
    ROLE_JOB, at, completed, named, noted, output, processed, reports, result, role_document, role_job, rule_document,
    rule_job, started, task_job, with,
};
pub use recording::{Answered, Recording};
pub use server::TestServer;
pub use stage::Stage;
pub use streams::position;

/// Says on stderr that a test stops early because this machine lacks what the test needs. CI fails if the word `skipped` appears.
pub fn skipped(needs: &str) {
    use std::io::Write;
    // Not `eprintln!`, because the test harness hides its output if the test passes.
    writeln!(std::io::stderr().lock(), "skipped: needs {needs}").unwrap();
}
