//! Duplicates: the ledger repeats its first answer for the life of the log.

use jobledger::access::Role;
use serde_json::{Value, json};

use crate::support::{Client, TestServer, completed, event, named, noted, problem, started, task_job, with};

/// Appends a known event. Checks that the answer says so, and returns the event's position.
#[track_caller]
fn known(client: &Client, event: &Value) -> u64 {
    let answer = client.append(event).expect(200).json();
    assert_eq!(answer["events"][0]["duplicate"], true);
    answer["events"][0]["position"].as_u64().unwrap()
}

#[test]
fn a_duplicate_in_the_same_batch_has_the_position_of_the_first() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    let (make, start) = (task_job("a"), started("a"));
    let answer = worker.append(&json!([make, make, start, start, make])).expect(201).json();
    let events = answer["events"].as_array().unwrap();
    let places: Vec<_> = events.iter().map(|e| (e["position"].as_u64().unwrap(), e["duplicate"] == true)).collect();
    assert_eq!(places, [(1, false), (1, true), (2, false), (2, true), (1, true)]);
    assert_eq!((answer["position"].as_u64(), worker.head()), (Some(2), 2));
}

#[test]
fn an_event_is_a_duplicate_after_many_others_and_after_a_restart() {
    let mut server = TestServer::start();
    let worker = server.client(Role::Worker);
    let first = task_job("a");
    worker.append(&first).expect(201);
    for n in 0..5 {
        let many: Vec<Value> = (0..1000).map(|m| noted("a", &format!("{n}/{m}"))).collect();
        worker.append(&json!(many)).expect(201);
    }
    assert_eq!(known(&worker, &first), 1);
    server.restart();
    let worker = worker.at(&server.url);
    assert_eq!(known(&worker, &first), 1);
    assert_eq!(worker.head(), 5001);
}

#[test]
fn a_name_is_source_and_id_together() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    let event = named("1", task_job("a"));
    worker.append(&event).expect(201);
    worker.append(&with(with(event, "source", json!("/tests/other")), "subject", json!("b"))).expect(201);
    let body = problem(worker.append(&named("1", task_job("c"))), 409, "id-reused");
    assert!(body["detail"].as_str().unwrap().contains("position 1"), "{body}");
}

#[test]
fn other_content_under_the_same_name_is_refused() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    let sent = with(named("n", noted("a", "one")), "time", json!("2025-02-28T12:34:56Z"));
    let make = with(task_job("a"), "time", json!("2025-02-28T12:00:00Z"));
    worker.append(&json!([make, task_job("b"), sent])).expect(201);
    for (attribute, value) in [
        ("subject", json!("b")),
        ("time", json!("2025-02-28T12:34:56.001Z")),
        ("data", json!({"text": "two"})),
        ("type", json!("job.cancelled")),
    ] {
        let mut other = with(sent.clone(), attribute, value);
        if attribute == "type" {
            other = with(other, "data", Value::Null);
        }
        problem(worker.append(&other), 409, "id-reused");
        let body = problem(worker.append(&json!([noted("a", "new"), other])), 409, "id-reused");
        assert_eq!(body["index"], 1);
    }
    assert_eq!(worker.head(), 3);
    assert_eq!(known(&worker, &sent), 3);
}

#[test]
fn a_duplicate_matches_with_defaults_left_out_and_in_another_spelling() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    let make = r#"{"specversion":"1.0","id":"1","source":"w","type":"job.created","subject":"67D7D053-3CAF-430E-97BA-6D4933D3FD5B",
        "time":"2025-02-28T12:34:56Z","data":{"kind":"dbrole","spec":{"db_arn":"a","db_engine":"b","db_name":"é"},"labels":{"y":"1","x":"2"}}}"#;
    worker.post("application/json", make.as_bytes()).expect(201);
    for same in [
        // Other order of attributes and members, other white space, escapes, offset, case of the UUID, nulls.
        r#"{ "data" : { "labels": {"x":"2", "y":"1"}, "created_by": null, "spec": {"db_tags":null, "db_name":"\u00e9","db_engine":"b","db_arn":"a"},
             "kind" : "dbrole" }, "time":"2025-02-28T14:34:56.000+02:00", "subject":"67d7d053-3caf-430e-97ba-6d4933d3fd5b",
             "type":"job.created","source":"w","id":"1","specversion":"1.0","datacontenttype":"application/json" }"#,
        // Subject and time left out: the values that the ledger filled in match.
        r#"{"specversion":"1.0","id":"1","source":"w","type":"job.created",
            "data":{"kind":"dbrole","spec":{"db_arn":"a","db_engine":"b","db_name":"é"},"labels":{"y":"1","x":"2"}}}"#,
    ] {
        let answer = worker.post("application/json", same.as_bytes()).expect(200).json();
        assert_eq!((&answer["events"][0]["duplicate"], &answer["position"]), (&json!(true), &json!(1)));
    }
    let start = started("67d7d053-3caf-430e-97ba-6d4933d3fd5b");
    worker.append(&start).expect(201);
    assert_eq!(known(&worker, &with(start.clone(), "data", Value::Null)), 2);
    let data = json!({"message": null, "total_records": null});
    assert_eq!(known(&worker, &with(start, "data", data)), 2);
}

#[test]
fn a_retry_matches_the_action_ids_that_the_ledger_made() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    let spec = json!({"actions": [{"type": "create", "rule": {}}, {"type": "create", "rule": {}}]});
    let make = event("job.created", "r", json!({"kind": "rule", "spec": spec}));
    worker.append(&make).expect(201);
    assert_eq!(known(&worker, &make), 1);
    let job = worker.get("/authorization/rules/jobs/r").expect(200).json();
    let ids: Vec<_> = (0..2).map(|n| job["actions"][n]["id"].as_str().unwrap()).collect();
    assert!(ids[0] != ids[1] && ids.iter().all(|id| uuid::Uuid::try_parse(id).is_ok()), "{ids:?}");
}

#[test]
fn a_duplicate_is_answered_before_the_lifecycle_is_asked() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    let (make, start) = (task_job("a"), started("a"));
    worker.append(&json!([make, start, completed("a")])).expect(201);
    assert_eq!(known(&worker, &start), 2, "though a completed job cannot be started");
    assert_eq!(known(&worker, &make), 1, "though there is such a job");
    assert_eq!(worker.append(&json!([make, start, noted("a", "n")])).expect(201).json()["position"], 4);
}

#[test]
fn a_duplicate_is_answered_before_guards_are_checked() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    let (make, start) = (task_job("a"), started("a"));
    worker.append_with(&make, &[("if-none-match", "*")]).expect(201);
    worker.append_with(&start, &[("if-match", "\"1\"")]).expect(201);
    for (event, guard, position) in [(&make, ("if-none-match", "*"), 1), (&start, ("if-match", "\"1\""), 2)] {
        let answer = worker.append_with(event, &[guard]).expect(200).json();
        assert_eq!((&answer["position"], &answer["events"][0]["duplicate"]), (&json!(position), &json!(true)));
    }
}

#[test]
fn cancelling_again_is_answered_with_the_first_cancellation() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    let cancel = |reason: &str| event("job.cancelled", "a", json!({"reason": reason}));
    worker.append(&json!([task_job("a"), started("a"), cancel("first")])).expect(201);
    worker.append(&noted("a", "later")).expect(201);
    assert_eq!(known(&worker, &cancel("second")), 3);
    let batch = worker.append(&json!([cancel("third"), noted("a", "more"), cancel("fourth")])).expect(201).json();
    let places: Vec<_> = batch["events"].as_array().unwrap().iter().map(|e| e["position"].as_u64().unwrap()).collect();
    assert_eq!((places, batch["position"].as_u64(), worker.head()), (vec![3, 5, 3], Some(5), 5));
    let job = worker.get("/ledger/jobs/a").expect(200).json();
    assert_eq!(job["cancelled"]["reason"], "first");
    problem(worker.append(&event("job.failed", "a", json!({"message": "m"}))), 409, "lifecycle");
    // The refusal of a taken source and id comes first, although this cancellation would change nothing.
    worker.append(&named("n", noted("a", "text"))).expect(201);
    problem(worker.append(&named("n", cancel("fifth"))), 409, "id-reused");
    problem(worker.append(&named("n", started("unknown"))), 409, "id-reused");
}

#[test]
fn two_organisations_may_use_the_same_names() {
    let server = TestServer::start();
    let org = "37eebc20-d8df-416b-8ac2-01b6eb456318".parse().unwrap();
    let (ours, theirs) = (server.client(Role::Worker), server.token("theirs", Role::Worker, org));
    let theirs = Client::new(&server.url, Some(&theirs));
    ours.append(&named("1", task_job("a"))).expect(201);
    theirs.append(&named("1", task_job("b"))).expect(201);
    assert_eq!(known(&ours, &named("1", task_job("a"))), 1);
    assert_eq!(known(&theirs, &named("1", task_job("b"))), 2);
}
