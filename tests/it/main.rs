//! The integration tests, all in one binary: one thing to link, one thing to run.

mod append;
mod append_refusals;
mod atomic;
mod binary;
mod crash;
mod dbrole;
mod fault;
mod given;
mod guards;
mod idempotency;
mod laws;
mod leaves;
mod lifecycle;
mod rule;
mod samples;
mod schema;
mod support;
mod tails;
mod tails_end;
mod tails_filters;
mod tails_live;
mod task;
mod task_list;
mod wire;
