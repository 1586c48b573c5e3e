//! The integration tests, all in one binary: one thing to link, one thing to run.

mod append;
mod binary;
mod given;
mod laws;
mod leaves;
mod lifecycle;
mod min_position;
mod openapi;
mod operation;
mod parameters;
mod samples;
mod schema;
mod support;
mod tails;
mod wire;
