//! The slow tests: rounds of kills, hundreds of starts, logs of hundreds of thousands of events, verifiers and clients of
//! other projects. A test belongs here if it takes longer than five seconds alone, or needs a tool that developers rarely have.
//!
//! `cargo test` runs them; `cargo test --test it` does not.

mod browser;
mod cluster;
mod demo;
mod evidence;
mod foreign;
mod generated;
mod kills;
mod kinds;
mod nginx;
mod python;
mod streams;
// `tests/it` compiles the same files without this exception, so the compiler still finds helpers that no test uses.
#[allow(dead_code, unused_imports, reason = "the slow tests use a part of the shared helpers")]
#[path = "../support/mod.rs"]
mod support;
