//! One background job: `/api/v1/jobs/{id}`, its progress, and `DELETE`, compared with their document.

use jobledger::access::Role;
use serde_json::{Value, json};

use crate::support::{
    Client, HandClock, TestServer, at, compact, completed, event, nil, role_job, rule_job, started, task_job,
};

/// The start in the document's examples.
const START: &str = "2024-02-01T10:00:00Z";

/// A fresh ledger whose clock shows `now`, and an administrator of it.
fn ledger(now: &str) -> (TestServer, Client, HandClock) {
    let hands = HandClock::at(now);
    let server = TestServer::start_with(hands.clock());
    let admin = server.client(Role::Admin);
    (server, admin, hands)
}

fn task(job: &str, job_type: &str) -> Value {
    event("job.created", job, json!({"kind": "task", "spec": {"job_type": job_type}}))
}

fn progress(job: &str, data: Value) -> Value {
    event("job.progress", job, data)
}

#[test]
fn the_list_sample_of_the_document_is_answered() {
    let (_server, admin, _) = ledger("2024-02-01T11:00:00Z");
    let counts = json!({"records_created": 150, "records_updated": 45, "records_deleted": 10});
    let life = json!([
        task("job-122", "account_sync"),
        at("2024-02-01T09:59:00Z", task("job-123", "full_sync")),
        at(START, started("job-123")),
        at("2024-02-01T10:15:00Z", event("job.completed", "job-123", counts)),
    ]);
    admin.append(&life).expect(201);
    let answer = admin.get("/api/v1/jobs?first=1").expect(200);
    let cursor = answer.json()["pageInfo"]["endCursor"].as_str().unwrap().to_owned();
    let sample = r#"{
      "jobs": [
        {
          "id": "job-123",
          "job_type": "full_sync",
          "status": "completed",
          "progress": 100,
          "start_time": "2024-02-01T10:00:00Z",
          "end_time": "2024-02-01T10:15:00Z",
          "duration_ms": 900000,
          "records_created": 150,
          "records_updated": 45,
          "records_deleted": 10
        }
      ],
      "pageInfo": {
        "hasNextPage": true,
        "endCursor": "cursor-token"
      }
    }"#;
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.text().replace(&cursor, "cursor-token"), compact(sample));
    let details = r#"{
      "id": "job-123", "job_type": "full_sync", "status": "completed", "progress": 100,
      "start_time": "2024-02-01T10:00:00Z", "end_time": "2024-02-01T10:15:00Z", "duration_ms": 900000,
      "records_created": 150, "records_updated": 45, "records_deleted": 10,
      "current_step": null, "records_processed": 0, "total_records": null, "message": null,
      "created_at": "2024-02-01T09:59:00Z"
    }"#;
    assert_eq!(admin.get("/api/v1/jobs/job-123").expect(200).text(), compact(details));
}

#[test]
fn the_progress_sample_of_the_document_is_answered() {
    let (_server, admin, hands) = ledger("2024-02-01T10:00:45Z");
    let step = json!({"current_step": "Processing accounts", "records_processed": 650, "total_records": 1000});
    admin.append(&json!([task_job("job-123"), at(START, started("job-123")), progress("job-123", step)])).expect(201);
    let sample = r#"{
      "id": "job-123",
      "status": "running",
      "progress": 65,
      "current_step": "Processing accounts",
      "records_processed": 650,
      "total_records": 1000,
      "elapsed_ms": 45000
    }"#;
    let answer = admin.get("/api/v1/jobs/job-123/progress").expect(200);
    assert_eq!((answer.header("content-type"), answer.text()), ("application/json", compact(sample)));

    let elapsed = || admin.get("/api/v1/jobs/job-123/progress").expect(200).json()["elapsed_ms"].clone();
    hands.set("2024-02-01T10:00:50.500Z");
    assert_eq!(elapsed(), 50_500, "counts while it runs");
    admin.append(&at("2024-02-01T10:00:48Z", completed("job-123"))).expect(201);
    hands.set("2024-02-02T10:00:00Z");
    assert_eq!(elapsed(), 48_000, "frozen at the end");
}

#[test]
fn the_running_sample_of_the_document_is_answered() {
    let (_server, admin, _) = ledger("2024-02-01T10:00:45Z");
    let life = json!([
        task("job-123", "account_sync"),
        at(START, started("job-123")),
        progress("job-123", json!({"progress": 45})),
    ]);
    admin.append(&life).expect(201);
    let sample = r#"{
      "jobs": [
        {
          "id": "job-123",
          "job_type": "account_sync",
          "status": "running",
          "progress": 45,
          "start_time": "2024-02-01T10:00:00Z"
        }
      ]
    }"#;
    let answer = admin.get("/api/v1/jobs/running").expect(200);
    assert_eq!((answer.header("content-type"), answer.text()), ("application/json", compact(sample)));
}

#[test]
fn running_shows_every_running_background_job_and_no_other() {
    let (_server, admin, _) = ledger(START);
    let role = "0f8fad5b-d9cb-469f-a165-70867728950e";
    let many: Vec<Value> = (0..60).flat_map(|n| [task_job(&format!("j{n}")), started(&format!("j{n}"))]).collect();
    admin.append(&json!(many)).expect(201);
    admin
        .append(&json!([task_job("waits"), role_job(role), started(role), rule_job("r", &["a"]), started("r")]))
        .expect(201);
    admin.append(&completed("j7")).expect(201);
    let jobs = admin.get("/api/v1/jobs/running").expect(200).json()["jobs"].clone();
    let ids: Vec<&str> = jobs.as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap()).collect();
    let expected: Vec<String> = (0..60).rev().filter(|n| *n != 7).map(|n| format!("j{n}")).collect();
    assert_eq!(ids, expected, "newest first, without pages");
}

#[test]
fn a_job_with_the_id_running_does_not_hide_the_running_jobs() {
    let (_server, admin, _) = ledger(START);
    admin.append(&task_job("running")).expect(201);
    assert_eq!(admin.get("/api/v1/jobs/running").expect(200).text(), r#"{"jobs":[]}"#);
    assert_eq!(admin.get("/api/v1/jobs/running/progress").expect(200).json()["id"], "running");
    assert_eq!(admin.get("/ledger/jobs/running").expect(200).json()["id"], "running");
    admin.append(&started("running")).expect(201);
    assert_eq!(admin.get("/api/v1/jobs/running").expect(200).json()["jobs"][0]["id"], "running");
}

#[test]
fn a_member_without_a_value_yet_is_null_and_counters_are_0() {
    let (_server, admin, _) = ledger(START);
    admin.append(&task_job("a")).expect(201);
    let details = r#"{
      "id": "a", "job_type": "full_sync", "status": "pending", "progress": 0, "start_time": null, "end_time": null,
      "duration_ms": null, "records_created": 0, "records_updated": 0, "records_deleted": 0, "current_step": null,
      "records_processed": 0, "total_records": null, "message": null, "created_at": "2024-02-01T10:00:00Z"
    }"#;
    assert_eq!(admin.get("/api/v1/jobs/a").expect(200).text(), compact(details));
    let progress = r#"{"id":"a","status":"pending","progress":0,"current_step":null,"records_processed":0,"total_records":null,"elapsed_ms":null}"#;
    assert_eq!(admin.get("/api/v1/jobs/a/progress").expect(200).text(), progress);
}

#[test]
fn progress_is_the_producers_or_follows_from_the_counts() {
    let (_server, admin, _) = ledger(START);
    admin.append(&json!([task_job("a"), started("a")])).expect(201);
    for (data, shown) in [
        (json!({"records_processed": 5}), 0),
        (json!({"total_records": 9}), 55),
        (json!({"progress": 7}), 7),
        (json!({"message": "says nothing of how far"}), 7),
        (json!({"records_processed": 8}), 88),
        (json!({"records_processed": 9, "progress": 99}), 99),
    ] {
        admin.append(&progress("a", data)).expect(201);
        assert_eq!(admin.get("/api/v1/jobs/a").expect(200).json()["progress"], shown);
    }
    admin.append(&completed("a")).expect(201);
    assert_eq!(admin.get("/api/v1/jobs/a/progress").expect(200).json()["progress"], 100);
    admin.append(&json!([task_job("b"), started("b"), progress("b", json!({"progress": 30}))])).expect(201);
    admin.append(&event("job.failed", "b", json!({"message": "broke"}))).expect(201);
    let job = admin.get("/api/v1/jobs/b").expect(200).json();
    assert_eq!((&job["progress"], &job["message"], &job["status"]), (&json!(30), &json!("broke"), &json!("failed")));
}

#[test]
fn durations_never_go_below_0() {
    let (_server, admin, _) = ledger(START);
    admin.append(&json!([task_job("a"), started("a"), at("2024-02-01T09:59:59Z", completed("a"))])).expect(201);
    assert_eq!(admin.get("/api/v1/jobs/a").expect(200).json()["duration_ms"], 0);
    assert_eq!(admin.get("/api/v1/jobs/a/progress").expect(200).json()["elapsed_ms"], 0);
}

#[test]
fn cancelling_keeps_the_job_its_counters_and_the_actor() {
    let (server, admin, hands) = ledger(START);
    let ann = Client::new(&server.url, Some(&server.token("ann", Role::Admin, nil())));
    let counts = json!({"records_processed": 5, "total_records": 10, "records_created": 3});
    admin.append(&json!([task_job("a"), started("a"), progress("a", counts), task_job("waits")])).expect(201);
    hands.set("2024-02-01T10:00:09Z");
    let answer = ann.delete("/api/v1/jobs/a").expect(204);
    assert_eq!(
        (answer.text().as_str(), answer.header("content-type"), answer.header("ledger-position")),
        ("", "", "5")
    );
    let job = admin.get("/api/v1/jobs/a").expect(200).json();
    for (field, value) in [
        ("status", json!("cancelled")),
        ("end_time", json!("2024-02-01T10:00:09Z")),
        ("duration_ms", json!(9000)),
        ("progress", json!(50)),
        ("records_processed", json!(5)),
        ("records_created", json!(3)),
    ] {
        assert_eq!(job[field], value, "{field}");
    }
    let cancelled = json!({"by": "ann", "reason": null, "at": "2024-02-01T10:00:09Z"});
    assert_eq!(admin.get("/ledger/jobs/a").expect(200).json()["cancelled"], cancelled);
    assert_eq!(admin.get("/ledger/jobs?status=cancelled").expect(200).json()["jobs"][0]["cancelled"], cancelled);
    let recorded = admin.get("/ledger/events/5").expect(200).json();
    assert_eq!((&recorded["type"], &recorded["actor"]), (&json!("job.cancelled"), &json!("ann")));

    admin.delete("/api/v1/jobs/a").expect(204);
    assert_eq!(admin.head(), 5, "cancelled already: nothing to record");
    assert_eq!(admin.get("/ledger/jobs/a").expect(200).json()["cancelled"]["by"], "ann");

    ann.delete("/api/v1/jobs/waits").expect(204);
    let job = admin.get("/api/v1/jobs/waits").expect(200).json();
    assert_eq!(
        (&job["status"], &job["start_time"], &job["duration_ms"]),
        (&json!("cancelled"), &Value::Null, &Value::Null)
    );
}

#[test]
fn a_job_that_has_ended_or_is_unknown_is_not_cancelled() {
    let (_server, admin, _) = ledger(START);
    let role = "0f8fad5b-d9cb-469f-a165-70867728950e";
    admin.append(&json!([task_job("done"), started("done"), completed("done"), task_job("broken")])).expect(201);
    admin
        .append(&json!([event("job.failed", "broken", json!({"message": "m"})), role_job(role), rule_job("r", &["a"])]))
        .expect(201);
    for (job, state) in [("done", "completed"), ("broken", "failed")] {
        let error = admin.delete(&format!("/api/v1/jobs/{job}")).expect(400).json()["error"].clone();
        assert_eq!(error["code"], "VALIDATION_ERROR");
        assert!(error["message"].as_str().unwrap().contains(state), "{error}");
    }
    for job in ["nowhere", "r", role, "no%2Fid"] {
        admin.delete(&format!("/api/v1/jobs/{job}")).expect(404);
    }
    assert_eq!(admin.head(), 7);
}

#[test]
fn cancelling_takes_no_parameters() {
    let (_server, admin, _) = ledger(START);
    admin.append(&task_job("a")).expect(201);
    for parameter in ["as_of", "min_position", "reason"] {
        let error = admin.delete(&format!("/api/v1/jobs/a?{parameter}=1")).expect(400).json();
        assert!(error["error"]["message"].as_str().unwrap().contains(parameter), "{error}");
    }
    assert_eq!(admin.head(), 1);
}
