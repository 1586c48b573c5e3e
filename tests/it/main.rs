//! The integration tests, all in one binary: one thing to link, one thing to run.

mod append;
mod bad_clients;
mod binary;
mod damage;
mod given;
mod laws;
mod leaves;
mod ledger_jobs;
mod ledger_reads;
mod lifecycle;
mod log_triggers;
mod rebuilds;
mod samples;
mod schema;
mod support;
mod tails;
mod tails_end;
mod tails_filters;
mod tails_live;
mod time_travel;
mod unknown_events;
mod wire;
