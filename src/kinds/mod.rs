//! The documented job APIs, one folder each: the read model, the routes, the error body.
//!
//! A new one is a folder and three lines here; its spec is in `job/spec.rs`, because the fold has to know it. Generic jobs have
//! no folder: the ledger's own API shows them, and no document asks for another one.

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

/// The read model of a job's documented API, as JSON; of a generic job the ledger's own, with the beginning of the hook's output.
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
