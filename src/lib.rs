//! jobledger: an append-only, event-sourced ledger of access-governance jobs.
//!
//! Layers, each using only those before it; the first eight know no I/O, no clock, no randomness and no async:
//! `chain` → [`memory`] → [`job`] → [`cache`] → `json` → [`mask`] → [`wire`] → [`tree`] → `blocking` → [`sqlite`] → [`access`] →
//! [`log`] → [`history`] → [`views`] → [`audit`] → [`ledger`] → [`model`] → [`evidence`] → [`tails`] →
//! [`workers`] → [`webhooks`] → [`http`] → [`kinds`] → `page` → [`server`] → [`cli`].

// `println!` and `eprintln!` panic if their output is full or closed. The macros of `cli::output` do not.
#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod access;
pub mod audit;
mod blocking;
pub mod cache;
mod chain;
pub mod cli;
pub mod evidence;
pub mod history;
pub mod http;
pub mod job;
mod json;
pub mod kinds;
pub mod ledger;
pub mod log;
pub mod mask;
pub mod memory;
pub mod model;
mod page;
pub mod server;
pub mod sqlite;
pub mod tails;
pub mod tree;
pub mod views;
pub mod webhooks;
pub mod wire;
pub mod workers;

pub use chain::chain;
