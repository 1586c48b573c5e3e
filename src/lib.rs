//! jobledger: an append-only, event-sourced ledger of access-governance jobs.
//!
//! Layers, each using only those before it; the first three know no I/O, no clock, no randomness and no async:
//! [`job`] → [`wire`] → [`tree`] → [`log`] → [`views`] → [`audit`] → [`ledger`] → [`access`] → [`http`] → [`kinds`] → [`server`] → [`cli`].

// Both panic where their output is full or gone; `cli::output` has what does not.
#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod access;
pub mod audit;
pub mod cli;
pub mod http;
pub mod job;
pub mod kinds;
pub mod ledger;
pub mod log;
pub mod server;
pub mod tree;
pub mod views;
pub mod wire;
