//! `POST /ledger/events`.

use jobledger::access::Role;
use serde_json::json;

use crate::support::{TestServer, created, event};

#[test]
fn a_job_is_recorded_and_shown_to_the_next_read() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    let answer = worker.append(&json!([created("job-1"), event("job.started", "job-1", json!({}))])).expect(201);
    assert_eq!(answer.json()["position"], 2);
    assert_eq!(answer.header("ledger-position"), "2");
    let job = worker.get("/ledger/jobs/job-1").expect(200).json();
    assert_eq!((job["status"].as_str(), job["position"].as_u64()), (Some("running"), Some(2)));
}
