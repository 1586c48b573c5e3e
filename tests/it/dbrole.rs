//! `GET /dbroles/jobs/{id}`, compared with its document.

use jobledger::access::Role;
use serde_json::{Value, json};

use crate::support::{Client, ROLE_JOB, TestServer, at, compact, completed, event, result, role_job, started};

/// The moment in the document's examples.
const NOON: &str = "2025-02-28T12:34:56Z";

fn path(job: &str) -> String {
    format!("/dbroles/jobs/{job}")
}

/// Appends events that all happened at `time`.
#[track_caller]
fn report(worker: &Client, time: &str, events: impl IntoIterator<Item = Value>) {
    let events: Vec<Value> = events.into_iter().map(|event| at(time, event)).collect();
    worker.append(&json!(events)).expect(201);
}

fn credentials(job: &str, role: &str, provider: &str) -> Value {
    let info = json!({"secrets_manager_provider": provider, "secret_id": "dbsecrets/data/pgprod",
        "secret_keys": ["HOST", "PORT", "USER", "PASSWORD", "DB"]});
    let data = json!({"item": role, "status": "completed", "detail": {"credentials_info": info}});
    event("job.item_result", job, data)
}

fn hook(job: &str, data: Value) -> Value {
    event("job.hook_output", job, data)
}

/// A server with the job of the document's example, and a worker of the example's organisation.
fn documented() -> (TestServer, Client) {
    let server = TestServer::start();
    let org = "37eebc20-d8df-416b-8ac2-01b6eb456318".parse().unwrap();
    let worker = Client::new(&server.url, Some(&server.token("worker", Role::Worker, org)));
    let spec = json!({
        "account_arn": "arn:aws:iam:123456789012",
        "db_arn": "arn:aws:rds:us-west-2:123456789012:db:my-instance",
        "db_engine": "postgres",
        "db_name": "customers",
        "db_tags": [{"key": "squad", "value": "banking"}],
    });
    let make = event("job.created", &ROLE_JOB.to_uppercase(), json!({"kind": "dbrole", "spec": spec}));
    report(&worker, NOON, [make]);
    (server, worker)
}

#[test]
fn the_sample_of_the_document_is_answered_field_by_field() {
    let (_server, worker) = documented();
    let role = credentials(ROLE_JOB, "hoop_ro", "database");
    let end = hook(ROLE_JOB, json!({"output": "output", "exit_code": 0, "execution_time_sec": 5}));
    report(&worker, NOON, [started(ROLE_JOB), role, end]);
    let sample = r#"{
      "org_id": "37eebc20-d8df-416b-8ac2-01b6eb456318",
      "id": "67d7d053-3caf-430e-97ba-6d4933d3fd5b",
      "created_at": "2025-02-28T12:34:56Z",
      "completed_at": null,
      "spec": {"account_arn": "arn:aws:iam:123456789012",
               "db_arn": "arn:aws:rds:us-west-2:123456789012:db:my-instance",
               "db_name": "customers", "db_engine": "postgres",
               "db_tags": [{"key": "squad", "value": "banking"}]},
      "status": {"phase": "running", "message": "", "result": [
         {"user_role": "hoop_ro", "status": "completed", "message": "",
          "credentials_info": {"secrets_manager_provider": "database", "secret_id": "", "secret_keys": []},
          "completed_at": "2025-02-28T12:34:56Z"}]},
      "hook_status": {"exit_code": 0, "output": "output", "execution_time_sec": 5}
    }"#;
    let answer = worker.get(&path(ROLE_JOB)).expect(200);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.text(), compact(sample));
    assert_eq!(worker.get(&path(&ROLE_JOB.to_uppercase())).expect(200).text(), compact(sample));
}

#[test]
fn the_other_examples_of_the_document_are_answered() {
    let (_server, worker) = documented();
    let busy = "process already being executed, resource_id=arn:aws:rds:us-west-2:123456789012:db:my-postgres-db";
    let failed = event("job.item_result", ROLE_JOB, json!({"item": "hoop_ro", "status": "failed", "message": busy}));
    report(&worker, NOON, [started(ROLE_JOB), failed, credentials(ROLE_JOB, "hoop_rw", "vault")]);
    let message = "All user roles have been successfully provisioned";
    report(&worker, "2025-02-28T13:45:12Z", [event("job.completed", ROLE_JOB, json!({"message": message}))]);
    let job = worker.get(&path(ROLE_JOB)).expect(200).json();
    assert_eq!(job["completed_at"], "2025-02-28T13:45:12Z");
    assert_eq!((&job["status"]["message"], &job["status"]["phase"]), (&json!(message), &json!("completed")));
    assert_eq!(
        job["status"]["result"],
        json!([
            {"user_role": "hoop_ro", "status": "failed", "message": busy, "credentials_info": null, "completed_at": NOON},
            {"user_role": "hoop_rw", "status": "completed", "message": "", "completed_at": NOON, "credentials_info": {
                "secrets_manager_provider": "vault", "secret_id": "dbsecrets/data/pgprod",
                "secret_keys": ["HOST", "PORT", "USER", "PASSWORD", "DB"]}},
        ])
    );
}

#[test]
fn a_member_without_a_value_yet_is_null_or_empty() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    report(&worker, "2025-02-28T12:34:56.120Z", [role_job(ROLE_JOB)]);
    let pending = r#"{
      "org_id": "00000000-0000-0000-0000-000000000000",
      "id": "67d7d053-3caf-430e-97ba-6d4933d3fd5b",
      "created_at": "2025-02-28T12:34:56.120Z",
      "completed_at": null,
      "spec": {"account_arn": "", "db_arn": "arn:db", "db_name": "", "db_engine": "postgres", "db_tags": []},
      "status": null,
      "hook_status": null
    }"#;
    assert_eq!(worker.get(&path(ROLE_JOB)).expect(200).text(), compact(pending));
    report(&worker, NOON, [started(ROLE_JOB), hook(ROLE_JOB, json!({"output": "working"}))]);
    let job = worker.get(&path(ROLE_JOB)).expect(200).json();
    assert_eq!(job["status"], json!({"phase": "running", "message": "", "result": []}));
    assert_eq!(job["hook_status"], Value::Null, "the hook has not ended");
    report(&worker, NOON, [result(ROLE_JOB, "hoop_ro", "running")]);
    assert_eq!(
        worker.get(&path(ROLE_JOB)).expect(200).json()["status"]["result"],
        json!([{"user_role": "hoop_ro", "status": "running", "message": "", "credentials_info": null, "completed_at": null}])
    );
}

#[test]
fn roles_stay_in_the_order_in_which_each_was_first_reported() {
    let (_server, worker) = documented();
    let roles = ["hoop_rw", "hoop_ddl", "hoop_ro"];
    report(&worker, NOON, [started(ROLE_JOB)]);
    report(&worker, NOON, roles.map(|role| result(ROLE_JOB, role, "running")));
    report(&worker, "2025-02-28T12:35:00Z", ["hoop_ro", "hoop_rw"].map(|role| credentials(ROLE_JOB, role, "vault")));
    let shown = worker.get(&path(ROLE_JOB)).expect(200).json()["status"]["result"].clone();
    assert_eq!([0, 1, 2].map(|n| shown[n]["user_role"].clone()), roles.map(Value::from));
    let ended = "2025-02-28T12:35:00Z";
    assert_eq!([0, 1, 2].map(|n| shown[n]["completed_at"].clone()), [json!(ended), Value::Null, json!(ended)]);
}

#[test]
fn a_vault_job_fails_with_every_role_completed() {
    let (_server, worker) = documented();
    let roles = ["hoop_ro", "hoop_rw", "hoop_ddl"];
    report(&worker, NOON, [started(ROLE_JOB)]);
    report(&worker, NOON, roles.map(|role| credentials(ROLE_JOB, role, "database")));
    let message = "One or more user roles could not be saved to the Vault key-value store";
    report(&worker, "2025-02-28T12:40:00Z", [event("job.failed", ROLE_JOB, json!({"message": message}))]);
    let job = worker.get(&path(ROLE_JOB)).expect(200).json();
    assert_eq!((&job["status"]["phase"], &job["status"]["message"]), (&json!("failed"), &json!(message)));
    assert_eq!(job["completed_at"], "2025-02-28T12:40:00Z", "set on failure too");
    assert!((0..3).all(|n| job["status"]["result"][n]["status"] == "completed"), "{job}");
}

#[test]
fn a_hook_that_fails_does_not_fail_the_job() {
    let (_server, worker) = documented();
    let chunk = |stream, output| hook(ROLE_JOB, json!({"stream": stream, "output": output}));
    report(&worker, NOON, [started(ROLE_JOB), chunk("stdout", "one\n"), chunk("stderr", "two\n")]);
    report(&worker, NOON, [hook(ROLE_JOB, json!({"exit_code": -7, "execution_time_sec": 0})), completed(ROLE_JOB)]);
    let job = worker.get(&path(ROLE_JOB)).expect(200);
    assert!(job.text().ends_with(r#","hook_status":{"exit_code":-7,"output":"one\ntwo\n","execution_time_sec":0}}"#));
    assert_eq!(job.json()["status"]["phase"], "completed");
}

#[test]
fn long_hook_output_is_cut_between_characters_and_says_how_much_is_missing() {
    let (_server, worker) = documented();
    // The é lies on bytes 4096 and 4097; what comes after it must not slip into its place.
    let chunks = ["x".repeat(4095), "é".into(), "y".into(), "€".into()];
    report(&worker, NOON, [started(ROLE_JOB)]);
    report(&worker, NOON, chunks.iter().map(|chunk| hook(ROLE_JOB, json!({"output": chunk}))));
    report(&worker, NOON, [hook(ROLE_JOB, json!({"exit_code": 0, "execution_time_sec": 1}))]);
    let shown = worker.get(&path(ROLE_JOB)).expect(200).json()["hook_status"]["output"].clone();
    assert_eq!(shown, format!("{} [truncated 6 byte(s)]", chunks[0]));
    let whole = chunks.concat();
    assert_eq!(worker.get(&format!("/ledger/jobs/{ROLE_JOB}/output")).expect(200).text(), whole);
    assert_eq!(worker.get(&format!("/ledger/jobs/{ROLE_JOB}")).expect(200).json()["hook"]["output"], whole);
}

#[test]
fn hook_output_that_just_fits_is_not_cut() {
    let (_server, worker) = documented();
    let output = format!("{}é", "x".repeat(4094));
    let end = hook(ROLE_JOB, json!({"output": output, "exit_code": 1, "execution_time_sec": 1}));
    report(&worker, NOON, [started(ROLE_JOB), end]);
    assert_eq!(worker.get(&path(ROLE_JOB)).expect(200).json()["hook_status"]["output"], output);
}

#[test]
fn a_cancelled_job_shows_failed_and_names_the_actor() {
    let (server, worker) = documented();
    let other = "0f8fad5b-d9cb-469f-a165-70867728950e";
    report(&worker, NOON, [role_job(other), started(ROLE_JOB)]);
    let org = "37eebc20-d8df-416b-8ac2-01b6eb456318".parse().unwrap();
    let admin = Client::new(&server.url, Some(&server.token("ann", Role::Admin, org)));
    report(&admin, NOON, [event("job.cancelled", ROLE_JOB, json!({"reason": "wrong database"}))]);
    report(&admin, NOON, [event("job.cancelled", other, json!({}))]);
    let job = worker.get(&path(ROLE_JOB)).expect(200).json();
    let failed = |message| json!({"phase": "failed", "message": message, "result": []});
    assert_eq!((&job["status"], &job["completed_at"]), (&failed("cancelled by ann: wrong database"), &json!(NOON)));
    assert_eq!(worker.get(&path(other)).expect(200).json()["status"], failed("cancelled by ann"));
}

#[test]
fn a_job_that_failed_before_it_was_started_has_a_status() {
    let (_server, worker) = documented();
    let message = "timeout (10m0s) waiting for a response from agent";
    report(&worker, NOON, [event("job.failed", ROLE_JOB, json!({"message": message}))]);
    let status = worker.get(&path(ROLE_JOB)).expect(200).json()["status"].clone();
    assert_eq!(status, json!({"phase": "failed", "message": message, "result": []}));
}
