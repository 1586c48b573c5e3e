//! The documented job APIs, one folder each: the read model, the routes, the error body.
//!
//! A new one is a folder and two lines here; its spec is in `job/spec.rs`, because the fold has to know it.

mod dbrole;
mod rule;
mod task;

use crate::http::Api;

/// Every documented API.
pub fn apis() -> Vec<Api> {
    vec![dbrole::api(), task::api(), rule::api()]
}
