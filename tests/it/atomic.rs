//! All or nothing: a refused batch leaves no trace, in the log or in memory.

use jobledger::access::Role;
use serde_json::{Value, json};

use crate::support::{Client, TestServer, completed, event, noted, problem, result, rule_job, started, task_job, with};

/// The whole log and all jobs, as the ledger shows them.
fn all(client: &Client) -> [String; 2] {
    ["/ledger/events?limit=1000", "/ledger/jobs?first=1000"].map(|path| client.get(path).expect(200).text())
}

#[test]
fn a_refused_batch_leaves_no_trace_across_jobs() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&json!([task_job("a"), task_job("b"), started("b")])).expect(201);
    let before = all(&worker);
    let good = vec![started("a"), noted("b", "n"), completed("b"), task_job("c"), started("c")];
    let mut batch = good.clone();
    batch.push(started("c"));
    let body = problem(worker.append(&json!(batch)), 409, "lifecycle");
    assert_eq!(body["index"], 5);
    assert_eq!(all(&worker), before);
    assert_eq!(worker.get("/ledger/jobs/c").status, 404);
    assert_eq!(worker.append(&json!(good)).expect(201).json()["position"], 8, "the same events are new, and gapless");
    for (job, status) in [("a", "running"), ("b", "completed"), ("c", "running")] {
        assert_eq!(worker.get(&format!("/ledger/jobs/{job}")).expect(200).json()["status"], status);
    }
}

/// Each pair: events that the ledger refuses as a batch, because an illegal event follows them; and a later event, whose answer shows
/// whether the ledger still remembers the refused ones.
#[test]
fn a_refused_batch_changes_no_state() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    let illegal = started("nowhere");
    worker.append(&json!([rule_job("r", &["x", "y"]), started("r"), result("r", "x", "completed")])).expect(201);
    let progress = |data: Value| event("job.progress", "t", data);
    worker.append(&json!([task_job("t"), started("t"), progress(json!({"records_processed": 5}))])).expect(201);
    let hook_end = event("job.hook_output", "t", json!({"exit_code": 0, "execution_time_sec": 1}));

    problem(worker.append(&json!([result("r", "y", "completed"), illegal])), 404, "no-such-job");
    problem(worker.append(&completed("r")), 409, "lifecycle");
    problem(worker.append(&json!([progress(json!({"total_records": 5})), illegal])), 404, "no-such-job");
    worker.append(&progress(json!({"records_processed": 6}))).expect(201);
    problem(worker.append(&json!([hook_end, illegal])), 404, "no-such-job");
    worker.append(&event("job.hook_output", "t", json!({"output": "still open"}))).expect(201);
    problem(worker.append(&json!([completed("t"), illegal])), 404, "no-such-job");
    worker.append(&progress(json!({"progress": 7}))).expect(201);
    problem(worker.append(&json!([task_job("new"), started("new"), illegal])), 404, "no-such-job");
    problem(worker.append(&started("new")), 404, "no-such-job");
    worker.append(&json!([task_job("new"), started("new")])).expect(201);

    let chain = worker.get("/ledger/jobs/t/events").expect(200).json()["events"].as_array().unwrap().len();
    assert_eq!(chain, 6);
}

#[test]
fn a_batch_sees_its_own_events() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    let life = json!([task_job("a"), started("a"), completed("a")]);
    worker.append(&life).expect(201);
    let body = problem(worker.append(&json!([task_job("b"), completed("b")])), 409, "lifecycle");
    assert_eq!(body["index"], 1);
    assert!(body["detail"].as_str().unwrap().contains("pending"), "{body}");
}

#[test]
fn a_refused_batch_of_jobs_without_ids_leaves_no_trace() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    let nameless = with(task_job(""), "subject", Value::Null);
    problem(worker.append(&json!([nameless, started("nowhere")])), 404, "no-such-job");
    assert_eq!(worker.head(), 0);
    let answer = worker.append(&nameless).expect(201).json();
    let job = answer["events"][0]["subject"].as_str().unwrap();
    worker.append(&started(job)).expect(201);
}

#[test]
fn a_refused_batch_leaves_no_trace_after_a_restart() {
    let mut server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&task_job("a")).expect(201);
    problem(worker.append(&json!([started("a"), task_job("b"), task_job("b")])), 409, "lifecycle");
    let before = all(&worker);
    server.restart();
    let worker = worker.at(&server.url);
    assert_eq!(all(&worker), before);
    assert_eq!(worker.append(&json!([started("a"), task_job("b")])).expect(201).json()["position"], 3);
}
