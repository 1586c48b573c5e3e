//! `POST /ledger/events`: the forms of events that it accepts, and its answers.

use jobledger::access::Role;
use serde_json::{Value, json};
use ureq::http::Method;

use crate::support::{Answer, Client, TestServer, event, named, nil, noted, problem, started, task_job, with};

#[test]
fn a_job_is_recorded_and_shown_to_the_next_read() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    let answer = worker.append(&json!([task_job("job-1"), event("job.started", "job-1", json!({}))])).expect(201);
    assert_eq!(answer.json()["position"], 2);
    assert_eq!(answer.header("ledger-position"), "2");
    let job = worker.get("/ledger/jobs/job-1").expect(200).json();
    assert_eq!((job["status"].as_str(), job["position"].as_u64()), (Some("running"), Some(2)));
}

#[test]
fn the_answer_to_one_event_has_its_position() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    let types = [
        "application/cloudevents+json",
        "application/json",
        "application/cloudevents+json; charset=UTF-8",
        "APPLICATION/JSON",
    ];
    for (n, content_type) in (1..).zip(types) {
        let event = named(&format!("e-{n}"), task_job(&format!("job-{n}")));
        let answer = worker.post(content_type, format!(" \n{event}\n").as_bytes()).expect(201);
        assert_eq!(answer.header("content-type"), "application/json");
        let body = format!(
            r#"{{"events":[{{"id":"e-{n}","source":"/tests/worker","subject":"job-{n}","position":{n},"duplicate":false}}],"position":{n}}}"#
        );
        assert_eq!(answer.line(), body);
    }
}

#[test]
fn the_answer_to_a_batch_has_the_order_of_the_batch() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    for (content_type, first) in [("application/cloudevents-batch+json", 1), ("application/json", 4)] {
        let job = format!("job-{first}");
        let batch = json!([
            named(&format!("{job}/c"), task_job(&job)),
            named(&format!("{job}/n"), noted(&job, "a")),
            started(&job)
        ]);
        let answer = worker.post(content_type, format!("\n {batch}").as_bytes()).expect(201).json();
        let places: Vec<_> = answer["events"].as_array().unwrap().iter().map(|event| &event["position"]).collect();
        assert_eq!(places, [first, first + 1, first + 2]);
        assert_eq!(answer["events"][1]["id"], format!("{job}/n"));
        assert_eq!(answer["position"], first + 2);
    }
}

#[test]
fn the_answer_to_a_retry_is_that_of_the_first_with_200() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    let event = task_job("job-1");
    let first = worker.append(&event).expect(201);
    let again = worker.append(&event).expect(200);
    assert_eq!(again.text(), first.text().replace("\"duplicate\":false", "\"duplicate\":true"));
    let half = worker.append(&json!([event, started("job-1")])).expect(201).json();
    assert_eq!((&half["events"][0]["duplicate"], &half["events"][1]["duplicate"]), (&json!(true), &json!(false)));
    assert_eq!(half["position"], 2);
}

#[test]
fn the_position_is_the_newest_of_the_request_and_not_of_the_log() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    let event = task_job("job-1");
    worker.append(&event).expect(201);
    worker.append(&task_job("job-2")).expect(201);
    let answer = worker.append(&event).expect(200);
    assert_eq!(answer.json()["position"], 1);
    assert_eq!(answer.header("ledger-position"), "1");
}

/// Appends in binary mode: `ce-` headers, `data` as the body.
fn binary(client: &Client, attributes: &[(&str, &str)], data: &str) -> Answer {
    let mut headers = vec![("content-type", "application/json"), ("ce-specversion", "1.0")];
    headers.extend(attributes);
    client.send(Method::POST, "/ledger/events", &headers, data.as_bytes())
}

#[test]
fn binary_mode_gives_the_same_event() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    let source = ("ce-source", "/tests/%2541");
    let make = [("ce-id", "caf%C3%A9"), source, ("ce-type", "job.created"), ("ce-subject", "job-1")];
    let data = r#"{"kind":"task","spec":{"job_type":"full_sync"}}"#;
    let answer = binary(&worker, &make, data).expect(201).json();
    assert_eq!((&answer["events"][0]["source"], &answer["events"][0]["id"]), (&json!("/tests/%41"), &json!("café")));
    let start = [
        ("ce-id", "2"),
        source,
        ("ce-type", "job.started"),
        ("ce-subject", "job-1"),
        ("ce-time", "2020-01-01T00:00:00Z"),
    ];
    binary(&worker, &start, "").expect(422);
    binary(&worker, &start[..4], "").expect(201);
    // Common clients send no content type of the data, with data and without.
    let unnamed = |id: &str, data: &[u8]| {
        let headers = [("ce-specversion", "1.0"), ("ce-id", id), ("ce-source", "w"), start[2], start[3]];
        worker.send(Method::POST, "/ledger/events", &headers, data)
    };
    problem(unnamed("3", b""), 409, "lifecycle");
    problem(unnamed("3", br#"{"message":"m"}"#), 409, "lifecycle");
    problem(unnamed("3", b"message: m"), 415, "unsupported-media-type");
    let structured = with(with(task_job("job-1"), "source", json!("/tests/%41")), "id", json!("café"));
    assert_eq!(worker.append(&structured).expect(200).json()["position"], 1);
    assert_eq!(worker.get("/ledger/events/2").expect(200).json()["data"], json!({}));
}

#[test]
fn a_job_without_an_id_gets_one_and_keeps_it_on_a_retry() {
    let mut server = TestServer::start();
    let worker = server.client(Role::Worker);
    let event = with(task_job(""), "subject", Value::Null);
    let first = worker.append(&event).expect(201).json()["events"][0].clone();
    let subject = first["subject"].as_str().unwrap().to_owned();
    let uuid = uuid::Uuid::try_parse(&subject).unwrap();
    assert_eq!((uuid.get_version_num(), uuid.hyphenated().to_string()), (7, subject.clone()));
    worker.get(&format!("/ledger/jobs/{subject}")).expect(200);
    let again = worker.append(&event).expect(200).json()["events"][0].clone();
    assert_eq!((&again["subject"], &again["duplicate"]), (&first["subject"], &json!(true)));
    server.restart();
    let again = worker.at(&server.url).append(&event).expect(200).json();
    assert_eq!(again["events"][0]["subject"], first["subject"]);
    let other = with(task_job(""), "subject", Value::Null);
    let other = worker.at(&server.url).append(&other).expect(201).json();
    assert_ne!(other["events"][0]["subject"], first["subject"]);
}

#[test]
fn jobs_without_an_id_in_one_batch_are_different_jobs() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    let nameless = || with(task_job(""), "subject", Value::Null);
    let answer = worker.append(&json!([nameless(), nameless()])).expect(201).json();
    assert_ne!(answer["events"][0]["subject"], answer["events"][1]["subject"]);
    assert_eq!(worker.get("/ledger/jobs").expect(200).json()["jobs"].as_array().unwrap().len(), 2);
}

#[test]
fn the_ledger_adds_the_attributes_that_producers_may_not_send() {
    let server = TestServer::start();
    let token = server.token("sync-worker", Role::Worker, nil());
    let worker = Client::new(&server.url, Some(&token));
    worker.append(&with(task_job("job-1"), "time", json!("2025-02-28T14:34:56.1+02:00"))).expect(201);
    let event = worker.get("/ledger/events/1").expect(200).json();
    for (attribute, value) in [
        ("position", "1"),
        ("actor", "sync-worker"),
        ("orgid", "00000000-0000-0000-0000-000000000000"),
        ("jobkind", "task"),
        ("dataschema", "/schema/events/job.created.v1.json"),
        ("datacontenttype", "application/json"),
        ("time", "2025-02-28T12:34:56.100Z"),
    ] {
        assert_eq!(event[attribute], value);
    }
    let recorded = event["recordedtime"].as_str().unwrap();
    assert!(recorded.len() == 27 && recorded.ends_with('Z'), "{recorded}");
}
