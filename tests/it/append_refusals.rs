//! The refusals of `POST /ledger/events`: status, code and pointer of each.

use jobledger::access::Role;
use serde_json::{Value, json};
use ureq::http::Method;

use crate::support::{Client, TestServer, completed, event, named, noted, problem, rule_job, started, task_job, with};

/// A worker of a fresh ledger in which `ended` is a job that is completed, events 1 to 3.
fn ledger() -> (TestServer, Client) {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&json!([named("e-1", task_job("ended")), started("ended"), completed("ended")])).expect(201);
    (server, worker)
}

/// Every refusal that a single event can meet, with the pointer of the field at fault.
fn refused() -> Vec<(Value, u16, &'static str, Option<&'static str>)> {
    let progress = |data| event("job.progress", "ended", data);
    let text = "x".repeat(16 * 1024 + 1);
    vec![
        (json!(1), 400, "not-a-cloudevent", None),
        (json!({}), 400, "not-a-cloudevent", Some("/specversion")),
        (with(task_job("a"), "specversion", json!("0.3")), 400, "not-a-cloudevent", Some("/specversion")),
        (with(task_job("a"), "id", Value::Null), 400, "not-a-cloudevent", Some("/id")),
        (with(task_job("a"), "id", json!("")), 400, "not-a-cloudevent", Some("/id")),
        (with(task_job("a"), "source", Value::Null), 400, "not-a-cloudevent", Some("/source")),
        (with(task_job("a"), "type", Value::Null), 400, "not-a-cloudevent", Some("/type")),
        (with(task_job("a"), "type", json!(5)), 400, "not-a-cloudevent", Some("/type")),
        (with(task_job("a"), "datacontenttype", json!("text/xml")), 400, "not-a-cloudevent", Some("/datacontenttype")),
        (with(task_job("a"), "data_base64", json!("e30=")), 400, "not-a-cloudevent", Some("/data_base64")),
        (with(task_job("a"), "dataschema", json!("x")), 400, "not-a-cloudevent", Some("/dataschema")),
        (with(task_job("a"), "position", json!("1")), 400, "not-a-cloudevent", Some("/position")),
        (with(task_job("a"), "recordedtime", json!("x")), 400, "not-a-cloudevent", Some("/recordedtime")),
        (with(task_job("a"), "actor", json!("me")), 400, "not-a-cloudevent", Some("/actor")),
        (with(task_job("a"), "orgid", json!("x")), 400, "not-a-cloudevent", Some("/orgid")),
        (with(task_job("a"), "jobkind", json!("task")), 400, "not-a-cloudevent", Some("/jobkind")),
        (started("unknown"), 404, "no-such-job", None),
        (started("ended"), 409, "lifecycle", None),
        (task_job("ended"), 409, "lifecycle", None),
        (named("e-1", task_job("other")), 409, "id-reused", None),
        (with(task_job("a"), "type", json!("job.unheard")), 422, "invalid", Some("/type")),
        (with(task_job("a"), "subject", json!("a/b")), 422, "invalid", Some("/subject")),
        (with(task_job("a"), "subject", json!("")), 422, "invalid", Some("/subject")),
        (with(started("a"), "subject", Value::Null), 422, "invalid", Some("/subject")),
        (
            event("job.created", "a", json!({"kind": "dbrole", "spec": {"db_arn": "a", "db_engine": "b"}})),
            422,
            "invalid",
            Some("/subject"),
        ),
        (event("job.created", "a", json!({"kind": "cron", "spec": {}})), 422, "invalid", Some("/data/kind")),
        (
            event("job.created", "a", json!({"kind": "task", "spec": {"job_type": "x"}})),
            422,
            "invalid",
            Some("/data/spec/job_type"),
        ),
        (with(task_job("a"), "time", json!("yesterday")), 422, "invalid", Some("/time")),
        (with(task_job("a"), "time", json!("2199-01-01T00:00:00Z")), 422, "invalid", Some("/time")),
        (with(noted("ended", "n"), "time", json!("2001-01-01T00:00:00Z")), 422, "invalid", Some("/time")),
        (noted("ended", &text), 422, "invalid", Some("/data/text")),
        (progress(json!({})), 422, "invalid", Some("/data")),
        (progress(json!({"progress": 101})), 422, "invalid", Some("/data/progress")),
        (progress(json!({"progress": 1.5})), 422, "invalid", Some("/data/progress")),
        (progress(json!({"records_processed": -1})), 422, "invalid", Some("/data/records_processed")),
        (
            progress(json!({"records_created": 9_007_199_254_740_993_u64})),
            422,
            "invalid",
            Some("/data/records_created"),
        ),
    ]
}

#[test]
fn each_refusal_of_one_event_says_what_is_wrong_and_where() {
    let (_server, worker) = ledger();
    for (event, status, code, pointer) in refused() {
        let body = problem(worker.append(&event), status, code);
        assert_eq!((body.get("pointer").and_then(Value::as_str), body.get("index")), (pointer, None), "{event}");
    }
    assert_eq!(worker.head(), 3, "nothing was recorded");
}

#[test]
fn each_refusal_in_a_batch_names_the_event() {
    let (_server, worker) = ledger();
    for (n, (event, status, code, pointer)) in refused().into_iter().enumerate() {
        let batch = json!([task_job(&format!("x-{n}")), noted("ended", "n"), event]);
        let body = problem(worker.append(&batch), status, code);
        assert_eq!((body.get("pointer").and_then(Value::as_str), &body["index"]), (pointer, &json!(2)), "{batch}");
    }
    assert_eq!(worker.head(), 3, "nothing was recorded");
}

#[test]
fn the_members_of_a_problem_have_a_fixed_order() {
    let (_server, worker) = ledger();
    let answer = worker.append(&json!([noted("ended", "n"), started("ended")])).expect(409);
    let ended_at = worker.get("/ledger/jobs/ended").expect(200).json()["ended_at"].clone();
    let before = r#"{"type":"urn:jobledger:problem:lifecycle","title":"Conflict","status":409,"detail":"`job.started` is not possible: the job is completed","code":"lifecycle","index":1,"state":"completed","position":3,"ended_at":"#;
    assert_eq!(answer.line(), format!("{before}{ended_at}}}"));
}

#[test]
fn a_refusal_for_the_jobs_state_shows_that_state() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    let told = |events: Value| {
        let body = problem(worker.append(&events), 409, "lifecycle");
        json!([body.get("state"), body.get("position"), body.get("ended_at")])
    };
    worker.append(&json!([task_job("a"), task_job("r")])).expect(201);
    assert_eq!(told(completed("a")), json!(["pending", 1, null]));
    assert_eq!(told(task_job("a")), json!(["pending", 1, null]));
    worker.append(&started("a")).expect(201);
    assert_eq!(told(started("a")), json!(["running", 3, null]));
    worker.append(&event("job.cancelled", "a", json!({}))).expect(201);
    let ended_at = worker.get("/ledger/jobs/a").expect(200).json()["ended_at"].clone();
    assert!(ended_at.is_string());
    assert_eq!(told(event("job.progress", "a", json!({"progress": 1}))), json!(["cancelled", 4, ended_at]));
    worker.append(&noted("a", "later")).expect(201);
    assert_eq!(told(completed("a")), json!(["cancelled", 5, ended_at]), "the position is that of the newest event");
    // A refusal because of a part of the job shows the job's state too.
    worker.append(&json!([rule_job("rule", &["x"]), started("rule")])).expect(201);
    assert_eq!(told(completed("rule")), json!(["running", 7, null]));
    // The shown state does not count events of the refused request, because the log has none of them.
    assert_eq!(told(json!([started("r"), completed("r"), noted("a", "n"), started("r")])), json!(["pending", 2, null]));
    let batch = json!([started("r"), noted("a", "n"), started("r")]);
    let body = problem(worker.append(&batch), 409, "lifecycle");
    let detail = "`job.started` is not possible: the job is running, by an earlier event of this request";
    assert_eq!((&body["index"], &body["detail"]), (&json!(2), &json!(detail)));
    let body = problem(worker.append(&json!([task_job("new"), completed("new")])), 409, "lifecycle");
    assert_eq!((body.get("state"), body.get("position"), body.get("ended_at")), (None, None, None), "no such job");
    assert_eq!(worker.head(), 7);
}

#[test]
fn bodies_that_are_no_events_are_refused() {
    let (_server, worker) = ledger();
    for (content_type, body) in [
        ("application/json", &b""[..]),
        ("application/json", b"{"),
        ("application/json", b"nothing"),
        ("application/json", b"[]"),
        ("application/json", b"[{}"),
        ("application/json", b"{} {}"),
        ("application/json", b"\xff\xfe{}"),
        ("application/json", b"[\"\xc3\x28\"]"),
        ("application/cloudevents+json", b"[]"),
        ("application/cloudevents-batch+json", b"{}"),
        ("application/cloudevents-batch+json", b"[]"),
        ("application/cloudevents+json", br#"{"id":"1","id":"2"}"#),
    ] {
        let body = problem(worker.post(content_type, body), 400, "not-a-cloudevent");
        assert_eq!(body.get("index"), None, "{body}");
    }
    let many: Vec<Value> = (0..1001).map(|n| noted("ended", &n.to_string())).collect();
    problem(worker.append(&json!(many)), 400, "not-a-cloudevent");
    assert_eq!(worker.append(&json!(many[..1000])).expect(201).json()["position"], 1003);
}

#[test]
fn other_content_types_are_refused() {
    let (_server, worker) = ledger();
    let body = task_job("a").to_string();
    for content_type in ["text/plain", "application/xml", "application/cloudevents", "application/jsonx"] {
        problem(worker.post(content_type, body.as_bytes()), 415, "unsupported-media-type");
    }
    problem(worker.send(Method::POST, "/ledger/events", &[], body.as_bytes()), 415, "unsupported-media-type");
    let binary = [("content-type", "text/plain"), ("ce-specversion", "1.0")];
    problem(worker.send(Method::POST, "/ledger/events", &binary, b"{}"), 415, "unsupported-media-type");
}

#[test]
fn an_append_with_query_parameters_is_refused() {
    let (_server, worker) = ledger();
    let body = task_job("a").to_string();
    let json = [("content-type", "application/json")];
    problem(worker.send(Method::POST, "/ledger/events?dry=1", &json, body.as_bytes()), 400, "bad-parameter");
}

#[test]
fn a_body_that_is_too_large_gets_its_answer() {
    let (_server, worker) = ledger();
    let body = vec![b' '; 17 << 20];
    problem(worker.post("application/json", &body), 413, "too-large");
    worker.append(&noted("ended", "the connection and the ledger live")).expect(201);
}

#[test]
fn a_body_of_the_largest_size_is_accepted() {
    let (_server, worker) = ledger();
    let mut body = noted("ended", "n").to_string().into_bytes();
    body.resize(16 << 20, b' ');
    worker.post("application/json", &body).expect(201);
    body.push(b' ');
    problem(worker.post("application/json", &body), 413, "too-large");
}

#[test]
fn the_refusal_of_large_data_names_the_event() {
    let (_server, worker) = ledger();
    let large = noted("ended", &"x".repeat(8 << 20));
    let body = problem(worker.append(&large), 413, "too-large");
    assert_eq!((&body["pointer"], body.get("index")), (&json!("/data"), None));
    let body = problem(worker.append(&json!([noted("ended", "n"), large])), 413, "too-large");
    assert_eq!((&body["pointer"], &body["index"]), (&json!("/data"), &json!(1)));
    assert_eq!(worker.head(), 3);
}

#[test]
fn a_token_that_may_not_append_is_refused() {
    let (server, worker) = ledger();
    for role in [Role::Viewer, Role::Auditor] {
        problem(server.client(role).append(&noted("ended", "n")), 403, "forbidden");
    }
    let answer = server.anonymous().append(&noted("ended", "n"));
    assert_eq!(answer.header("www-authenticate"), "Bearer");
    problem(answer, 401, "unauthorized");
    assert_eq!(worker.head(), 3);
    server.client(Role::Admin).append(&noted("ended", "n")).expect(201);
}

#[test]
fn a_ledger_without_its_key_is_read_only() {
    let (mut server, worker) = ledger();
    server.stop();
    let key = jobledger::ledger::Folder::new(server.path()).key();
    std::fs::remove_file(key).unwrap();
    server.restart();
    let worker = worker.at(&server.url);
    let answer = worker.append(&noted("ended", "n"));
    assert_eq!(answer.header("retry-after"), "1");
    problem(answer, 503, "read-only");
    worker.get("/ledger/jobs/ended").expect(200);
    let ready = server.anonymous().get("/readyz").expect(503).line();
    assert_eq!(ready, r#"{"status":"not ready","code":"read-only"}"#);
}
