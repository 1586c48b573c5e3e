//! The integration tests, all in one binary: one thing to link, one thing to run.

mod append;
mod binary;
mod fixtures;
mod given;
mod laws;
mod leaves;
mod lifecycle;
mod many_actions;
mod samples;
mod schema;
mod support;
mod tails;
mod wire;
