//! The documented job APIs, one folder each: the read model, the routes, the error body.
//!
//! A new API is a folder and three lines in this file.
//!
//! Not here: the specs (`job::spec`), because the fold reads them; generic jobs, because only the ledger's own API shows them.

mod dbrole;
mod rule;
mod task;

use crate::http::Api;
use crate::job::{Job, Kind};
use crate::model::JobModel;

/// Every documented API.
pub fn apis() -> Vec<Api> {
    vec![dbrole::api(), task::api(), rule::api()]
}

/// The read model of a job's documented API as JSON. A generic job has the model of the ledger's own API, with the beginning of
/// its hook's output.
pub fn read_model(job: &Job) -> Vec<u8> {
    let model = match job.kind {
        Kind::DbRole => serde_json::to_vec(&dbrole::DbRoleJob::of(job)),
        Kind::Task => serde_json::to_vec(&task::TaskJob::of(job)),
        Kind::Rule => serde_json::to_vec(&rule::RuleJob::of(job)),
        Kind::Generic => {
            let output = job.hook.as_ref().map(|hook| hook.head.clone()).unwrap_or_default();
            serde_json::to_vec(&JobModel::shown(job, output))
        }
    };
    model.expect("read models are JSON")
}
