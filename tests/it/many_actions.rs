//! The largest rule job that there may be, from its creation to its end.

use jobledger::access::Role;
use serde_json::{Value, json};

use crate::support::{Client, TestServer, event};

const MOST: usize = 10_000;

fn job(actions: usize) -> Value {
    let actions: Vec<_> = (0..actions).map(|n| json!({"id": format!("a{n}"), "type": "create", "rule": {}})).collect();
    event("job.created", "big", json!({"kind": "rule", "spec": {"actions": actions}}))
}

fn complete(worker: &Client, actions: std::ops::Range<usize>) {
    let result = |n| event("job.item_result", "big", json!({"item": format!("a{n}"), "status": "completed"}));
    worker.append(&actions.map(result).collect()).expect(201);
}

#[test]
fn a_job_of_ten_thousand_actions_completes_only_when_all_of_them_are() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&job(MOST + 1)).expect(422);
    worker.append(&job(MOST)).expect(201);
    worker.append(&event("job.started", "big", json!({}))).expect(201);
    let end = event("job.completed", "big", json!({}));
    for from in (0..MOST - 1000).step_by(1000) {
        complete(&worker, from..from + 1000);
    }
    complete(&worker, MOST - 1000..MOST - 1);
    worker.append(&end).expect(409);
    complete(&worker, MOST - 1..MOST);
    worker.append(&end).expect(201);
    let job = worker.get("/authorization/rules/jobs/big").expect(200).json();
    let actions = job["actions"].as_array().unwrap();
    assert_eq!((job["state"].as_str(), actions.len()), (Some("completed"), MOST));
    for (n, action) in actions.iter().enumerate() {
        assert_eq!((action["id"].as_str(), &action["state"]), (Some(&*format!("a{n}")), &json!("completed")));
    }
}
