//! The slow tests: rounds of kills, hundreds of starts, logs of hundreds of thousands of events, verifiers and clients that
//! are not ours. A test belongs here if it takes longer than five seconds alone, or needs a tool that developers rarely have.
//!
//! `cargo test` runs them; `cargo test --test it` does not.

mod demo;
mod evidence;
mod foreign;
mod generated;
mod kills;
#[path = "../support/mod.rs"]
mod support;
