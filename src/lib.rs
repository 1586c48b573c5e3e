//! jobledger: an append-only, event-sourced ledger of access-governance jobs.
//!
//! Layers, each using only those before it; the first two know no I/O, no clock, no randomness and no async:
//! [`job`] → [`wire`] → `log` → `views` → `ledger` → `access` → `http` → `kinds` → `cli`.

pub mod access;
pub mod job;
pub mod ledger;
pub mod log;
pub mod views;
pub mod wire;
