//! Retries: a job that repeats another one, asked for by a caller or by the job itself.

use jobledger::access::Role;
use serde_json::{Value, json};
use ureq::http::Method;

use crate::claims::{a_claim, claim};
use crate::support::wait::until_some;
use crate::support::{Answer, Client, TestServer, completed, event, rule_job, started, task_job};

fn retry(client: &Client, job: &str) -> Answer {
    client.send(Method::POST, &format!("/ledger/jobs/{job}/retry"), &[], b"")
}

fn failed(job: &str) -> Value {
    event("job.failed", job, json!({"message": "no"}))
}

/// `job.created` of a job that asks for retries.
fn retried(job: &str, max: u32, backoff_sec: u32) -> Value {
    let spec = json!({"job_type": "nightly", "parameters": {"b": 1, "a": [1.0]}});
    let retry = json!({"max": max, "backoff_sec": backoff_sec});
    let labels = json!({"team": "a"});
    event(
        "job.created",
        job,
        json!({"kind": "generic", "spec": spec, "created_by": "ann", "labels": labels, "retry": retry}),
    )
}

fn job(client: &Client, id: &str) -> Value {
    client.get(&format!("/ledger/jobs/{id}")).expect(200).json()
}

/// The id of the job that repeats `id`.
fn next_of(client: &Client, id: &str) -> String {
    until_some("the retry", || job(client, id)["retried_as"].as_str().map(str::to_owned))
}

#[test]
fn a_failed_or_cancelled_job_is_repeated_once_with_its_spec() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    let cancel = event("job.cancelled", "rules", json!({"reason": "wrong window"}));
    worker.append(&json!([rule_job("rules", &["one", "two"]), started("rules"), cancel])).expect(201);
    let answer = retry(&worker, "rules").expect(201);
    let new = answer.json()["job"].clone();
    let id = new["id"].as_str().unwrap();
    assert_eq!(answer.header("location"), format!("/ledger/jobs/{id}"));
    assert_eq!(new, job(&worker, id));
    let old = job(&worker, "rules");
    assert_eq!((&new["spec"], &new["kind"], &new["status"]), (&old["spec"], &old["kind"], &json!("pending")));
    assert_eq!((&new["retry_of"], &new["labels"]), (&json!("rules"), &json!({"retry_of": "rules"})));
    assert_eq!((&old["retried_as"], &old["status"]), (&json!(id), &json!("cancelled")));
    // Both events are one append, by the caller.
    let events = worker.get("/ledger/events?after=3").expect(200).json();
    let types: Vec<&Value> = events["events"].as_array().unwrap().iter().map(|event| &event["type"]).collect();
    assert_eq!(types, ["job.created", "job.retried"]);
    assert_eq!(events["events"][1]["actor"], "worker");
    let problem = retry(&worker, "rules").expect(409).json();
    assert!(problem["detail"].as_str().unwrap().contains(id), "{problem}");
    // The documented APIs show the new job like any other.
    worker.get(&format!("/authorization/rules/jobs/{id}")).expect(200);
}

#[test]
fn other_jobs_are_not_repeated() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&json!([task_job("a"), task_job("b"), started("b"), completed("b")])).expect(201);
    for id in ["a", "b"] {
        let problem = retry(&worker, id).expect(409).json();
        assert_eq!(problem["code"], "lifecycle", "{problem}");
    }
    assert_eq!(worker.head(), 4, "a refused retry records nothing");
    retry(&worker, "nothing").expect(404);
    retry(&worker, "a%20b").expect(404);
    retry(&server.client(Role::Viewer), "a").expect(403);
    retry(&server.anonymous(), "a").expect(401);
    worker.append(&failed("a")).expect(201);
    let admin = server.client(Role::Admin);
    admin.append(&event("job.redacted", "a", json!({"position": 1, "reason": "asked for"}))).expect(201);
    let problem = retry(&worker, "a").expect(409).json();
    assert_eq!(problem["code"], "not-repeatable");
}

#[test]
fn the_ledger_repeats_a_failed_job_as_often_as_it_asks() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&json!([retried("first", 2, 0), failed("first")])).expect(201);
    let second = next_of(&worker, "first");
    let shown = job(&worker, &second);
    assert_eq!((&shown["retry"], &shown["retry_of"]), (&json!({"max": 1, "backoff_sec": 0}), &json!("first")));
    assert_eq!((&shown["created_by"], &shown["labels"]["team"]), (&json!("ann"), &json!("a")));
    assert_eq!(shown["spec"].to_string(), job(&worker, "first")["spec"].to_string());
    worker.append(&failed(&second)).expect(201);
    let third = next_of(&worker, &second);
    assert!(job(&worker, &third).get("retry").is_none(), "the last retry");
    worker.append(&failed(&third)).expect(201);
    // A job that fails later is repeated, so the third had its chance.
    worker.append(&json!([retried("other", 1, 0), failed("other")])).expect(201);
    next_of(&worker, "other");
    assert!(job(&worker, &third).get("retried_as").is_none());
}

#[test]
fn a_retry_waits_and_each_wait_doubles() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&json!([retried("a", 3, 1000), failed("a")])).expect(201);
    let shown = job(&worker, &next_of(&worker, "a"));
    let [created, held] = ["created_at", "not_before"]
        .map(|member| chrono::DateTime::parse_from_rfc3339(shown[member].as_str().unwrap()).unwrap());
    let pause = (held - created).num_milliseconds();
    assert!((999_000..=1_000_000).contains(&pause), "{pause}");
    assert_eq!(shown["retry"], json!({"max": 2, "backoff_sec": 2000}));
    let mut wanted = a_claim();
    wanted["kind"] = json!("generic");
    claim(&worker, &wanted).expect(204);
}

#[test]
fn a_lost_worker_s_job_is_repeated_and_a_cancelled_job_is_not() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    let lease = event("job.started", "lost", json!({"worker": "w", "lease_sec": 1}));
    let cancel = event("job.cancelled", "cancelled", json!({}));
    worker.append(&json!([retried("cancelled", 1, 0), cancel, retried("lost", 1, 0), lease])).expect(201);
    next_of(&worker, "lost");
    assert!(job(&worker, "cancelled").get("retried_as").is_none());
}

#[test]
fn a_start_repeats_what_failed_before_it() {
    // A ledger without its tasks: the failure is in the log, and the retry is not.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger");
    let server = TestServer::on(&path, jobledger::ledger::system_clock());
    let worker = server.client(Role::Worker);
    worker.append(&json!([retried("a", 1, 0)])).expect(201);
    drop(server);
    let lines = format!("{}\n", failed("a"));
    crate::support::cli::cli(["append", "--data"]).arg(&path).arg("-").run_with(lines).expect(0);
    let server = TestServer::on(&path, jobledger::ledger::system_clock());
    next_of(&server.client_named(Role::Worker, "later"), "a");
}

#[test]
fn wrong_retries_are_refused_with_the_member() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    let spec = json!({"job_type": "full_sync"});
    for (member, value, pointer) in [
        ("retry", json!({"max": 0, "backoff_sec": 1}), "/data/retry/max"),
        ("retry", json!({"max": 101, "backoff_sec": 1}), "/data/retry/max"),
        ("retry", json!({"max": 1, "backoff_sec": 86401}), "/data/retry/backoff_sec"),
        ("retry", json!({"max": 1}), "/data/retry"),
        ("retry", json!(3), "/data/retry"),
        ("not_before", json!("tomorrow"), "/data/not_before"),
        ("not_before", json!(5), "/data/not_before"),
    ] {
        let mut data = json!({"kind": "task", "spec": spec});
        data[member] = value.clone();
        let problem = worker.append(&event("job.created", "a", data)).expect(422).json();
        assert_eq!(problem["pointer"], pointer, "{member} {value}");
    }
}
