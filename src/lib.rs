//! jobledger: an append-only, event-sourced ledger of access-governance jobs.
//!
//! Layers, each using only those before it; the first two know no I/O, no clock, no randomness and no async:
//! [`job`] → [`wire`] → [`log`] → [`views`] → [`ledger`] → [`access`] → [`http`] → [`kinds`] → [`server`] → [`cli`].

pub mod access;
pub mod cli;
pub mod http;
pub mod job;
pub mod kinds;
pub mod ledger;
pub mod log;
pub mod server;
pub mod views;
pub mod wire;
