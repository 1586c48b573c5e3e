//! The integration tests, all in one binary: one thing to link, one thing to run.

mod append;
mod binary;
mod cli_config;
mod cli_help;
mod cli_serve;
mod cli_token;
mod given;
mod laws;
mod leaves;
mod lifecycle;
mod samples;
mod schema;
mod support;
mod tails;
mod wire;
