//! The integration tests, all in one binary: one thing to link, one thing to run.

mod api_errors;
mod append;
mod append_refusals;
mod atomic;
mod auth;
mod binary;
mod dbrole;
mod given;
mod guards;
mod idempotency;
mod laws;
mod leaves;
mod lifecycle;
mod organisations;
mod reads;
mod rule;
mod samples;
mod schema;
mod sessions;
mod support;
mod tails;
mod task;
mod task_list;
mod tokens;
mod unread;
mod wire;
