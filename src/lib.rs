//! jobledger: an append-only, event-sourced ledger of access-governance jobs.
//!
//! Layers, each using only those before it; the first nine know no I/O, no clock, no randomness and no async:
//! `chain` → [`memory`] → [`job`] → [`cache`] → `json` → [`mask`] → [`wire`] → [`tree`] → [`stream`] → `blocking` → [`sqlite`] → [`access`] →
//! [`webhooks`] → [`log`] → [`history`] → [`views`] → [`audit`] → [`ledger`] → [`cluster`] → [`model`] → [`drawn`] → [`evidence`] → [`tails`] →
//! [`workers`] → [`deliveries`] → [`http`] → [`kinds`] → `page` → [`server`] → [`client`] → [`cli`].
//!
//! The feature `client` alone builds [`client`], which uses none of the others but `chain`. All others need the feature `server`.

// `println!` and `eprintln!` panic if their output is full or closed. The macros of `cli::output` do not.
#![deny(clippy::print_stdout, clippy::print_stderr)]

#[cfg(feature = "server")]
pub mod access;
#[cfg(feature = "server")]
pub mod audit;
#[cfg(feature = "server")]
mod blocking;
#[cfg(feature = "server")]
pub mod cache;
mod chain;
#[cfg(feature = "server")]
pub mod cli;
#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "server")]
pub mod cluster;
#[cfg(feature = "server")]
pub mod deliveries;
#[cfg(feature = "server")]
pub mod drawn;
#[cfg(feature = "server")]
pub mod evidence;
#[cfg(feature = "server")]
pub mod history;
#[cfg(feature = "server")]
pub mod http;
#[cfg(feature = "server")]
pub mod job;
#[cfg(feature = "server")]
mod json;
#[cfg(feature = "server")]
pub mod kinds;
#[cfg(feature = "server")]
pub mod ledger;
#[cfg(feature = "server")]
pub mod log;
#[cfg(feature = "server")]
pub mod mask;
#[cfg(feature = "server")]
pub mod memory;
#[cfg(feature = "server")]
pub mod model;
#[cfg(feature = "server")]
mod page;
#[cfg(feature = "server")]
pub mod server;
#[cfg(feature = "server")]
pub mod sqlite;
#[cfg(feature = "server")]
pub mod stream;
#[cfg(feature = "server")]
pub mod tails;
#[cfg(feature = "server")]
pub mod tree;
#[cfg(feature = "server")]
pub mod views;
#[cfg(feature = "server")]
pub mod webhooks;
#[cfg(feature = "server")]
pub mod wire;
#[cfg(feature = "server")]
pub mod workers;

pub use chain::chain;
