//! The integration tests, all in one binary: one thing to link, one thing to run.

mod binary;
mod samples;
mod schema;
mod wire;
