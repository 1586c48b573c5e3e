//! `GET /authorization/rules/jobs/{jobId}` and its `/state`, compared with their document.

use jobledger::access::Role;
use serde_json::{Value, json};

use crate::support::{Client, TestServer, compact, completed, event, result, rule_job, started};

/// The document's job.
const JOB: &str = "cc2cb37c-24e6-4398-b7c8-4b6603bc4608";
/// The document's rule, keys in its order.
const RULE: &str = r#"{
    "type": "prohibit",
    "permissions": ["add", "create", "delete", "read", "remove", "secure", "update"],
    "principal": "testprincipal", "principalType": "user", "objectUri": "/foo/bar",
    "mediaType": "application/vnd.sas.test", "reason": "Because I'm testing", "matchParams": false,
    "version": 9, "id": "0ee67d20-7b22-4d0f-af3e-fe29ef5b72ed", "enabled": true
}"#;

fn path(job: &str) -> String {
    format!("/authorization/rules/jobs/{job}")
}

#[track_caller]
fn state(client: &Client, job: &str) -> String {
    let answer = client.get(&format!("{}/state", path(job))).expect(200);
    assert_eq!(answer.header("content-type"), "text/plain;charset=UTF-8");
    answer.text()
}

#[test]
fn the_sample_of_the_document_is_answered_value_for_value() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    let given = |id, kind| format!(r#"{{"priority":1,"rule":{RULE},"type":"{kind}","id":"{id}"}}"#);
    let ids = [
        "29e69b13-7a0f-4939-a7e9-b4400f71f7d8",
        "80379599-5ca6-4c80-8487-4d7e4fe62e7b",
        "e479a954-4832-4e8c-a18e-b10ab3bf2950",
    ];
    let actions = [given(ids[0], "create"), given(ids[1], "create"), given(ids[2], "update")].join(",");
    let make = format!(
        r#"{{"specversion":"1.0","id":"1","source":"w","type":"job.created","subject":"{JOB}",
            "data":{{"kind":"rule","created_by":"user","spec":{{"actions":[{actions}]}}}}}}"#
    );
    worker.post("application/cloudevents+json", make.as_bytes()).expect(201);
    let shown = |id, kind| {
        format!(r#"{{"id":"{id}","rule":{RULE},"type":"{kind}","status":"pending","state":"pending","priority":1}}"#)
    };
    let actions = [shown(ids[0], "create"), shown(ids[1], "create"), shown(ids[2], "update")].join(",");
    let sample = format!(
        r#"{{
          "id": "cc2cb37c-24e6-4398-b7c8-4b6603bc4608",
          "createdBy": "user",
          "status": "notStarted",
          "version": 2,
          "state": "pending",
          "links": [
            {{"method": "GET", "rel": "self",
              "href": "/authorization/rules/jobs/cc2cb37c-24e6-4398-b7c8-4b6603bc4608",
              "uri": "/authorization/rules/jobs/cc2cb37c-24e6-4398-b7c8-4b6603bc4608",
              "type": "application/vnd.sas.authorization.rule.job"}},
            {{"method": "GET", "rel": "ruleJobState",
              "href": "/authorization/rules/jobs/cc2cb37c-24e6-4398-b7c8-4b6603bc4608/state",
              "uri": "/authorization/rules/jobs/cc2cb37c-24e6-4398-b7c8-4b6603bc4608/state",
              "type": "text/plain"}}
          ],
          "actions": [{actions}]
        }}"#
    );
    let answer = worker.get(&path(JOB)).expect(200);
    assert_eq!(answer.header("content-type"), "application/vnd.sas.authorization.rule.job+json");
    assert_eq!(answer.text(), compact(&sample));
    assert_eq!(worker.get(&path(&JOB.to_uppercase())).expect(200).text(), compact(&sample));
    assert_eq!(state(&worker, JOB), "pending");
}

#[test]
fn a_rule_job_and_its_actions_show_state_and_status() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    let shown = |job: &str| {
        let model = worker.get(&path(job)).expect(200).json();
        assert_eq!(model["state"], state(&worker, job));
        let actions = model["actions"].as_array().unwrap().iter().map(|action| {
            assert_eq!(action["status"], action["state"]);
            action["state"].as_str().unwrap().to_owned()
        });
        let actions: Vec<String> = actions.collect();
        (model["status"].as_str().unwrap().to_owned(), model["state"].as_str().unwrap().to_owned(), actions.join(" "))
    };
    let expect = |job: &str, status: &str, state: &str, actions: &str| {
        assert_eq!(shown(job), (status.to_owned(), state.to_owned(), actions.to_owned()));
    };
    let append = |event: Value| drop(worker.append(&event).expect(201));

    append(rule_job("good", &["b", "a"]));
    expect("good", "notStarted", "pending", "pending pending");
    append(started("good"));
    append(result("good", "a", "running"));
    expect("good", "running", "running", "pending running");
    append(result("good", "a", "completed"));
    append(result("good", "b", "failed"));
    expect("good", "running", "running", "failed completed");
    append(result("good", "b", "completed"));
    append(completed("good"));
    expect("good", "completed", "completed", "completed completed");

    append(json!([rule_job("bad", &["a"]), started("bad"), event("job.failed", "bad", json!({"message": "m"}))]));
    expect("bad", "failed", "failed", "pending");
    append(json!([rule_job("stopped", &["a"]), event("job.cancelled", "stopped", json!({}))]));
    expect("stopped", "canceled", "canceled", "pending");
    let version = |job| worker.get(&path(job)).expect(200).json()["version"].clone();
    assert_eq!((version("good"), version("bad")), (json!(2), json!(2)), "the representation's, not a counter");
}

#[test]
fn a_rule_is_shown_as_the_producer_wrote_it() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    let rule = r#"{"zeta":[9007199254740993,1.0,1e5,"\u00e9"],"alpha":{"b":null,"a":"  two  "},"enabled":true}"#;
    let make = format!(
        r#"{{"specversion":"1.0","id":"1","source":"w","type":"job.created","subject":"r","data":{{"kind":"rule",
            "spec":{{"actions":[{{"type":"create","rule":{rule}}},{{"type":"delete","rule":{{"id":"same"}}}},{{"type":"delete","rule":{{"id":"same"}}}}]}}}}}}"#
    );
    worker.post("application/json", make.as_bytes()).expect(201);
    let answer = worker.get(&path("r")).expect(200);
    assert!(answer.text().contains(&format!("\"rule\":{rule},\"type\":\"create\"")), "{}", answer.text());
    let job = answer.json();
    assert_eq!((&job["createdBy"], &job["actions"][0]["priority"]), (&json!("worker"), &Value::Null));
    assert_eq!(job["actions"].as_array().unwrap().len(), 3, "several actions may share one rule");
}

#[test]
fn a_faulty_rule_is_refused_at_its_pointer() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    let sent = |action: Value| {
        worker.append(&event("job.created", "r", json!({"kind": "rule", "spec": {"actions": [action]}})))
    };
    for (action, pointer) in [
        (json!({"type": "drop", "rule": {}}), "/data/spec/actions/0/type"),
        (json!({"type": "update", "rule": {}}), "/data/spec/actions/0/rule/id"),
        (json!({"type": "delete", "rule": {"id": ""}}), "/data/spec/actions/0/rule/id"),
        (json!({"type": "create", "rule": []}), "/data/spec/actions/0/rule"),
        (json!({"type": "create", "rule": {"type": "allow"}}), "/data/spec/actions/0/rule/type"),
        (
            json!({"type": "create", "rule": {"permissions": ["read", "fly"]}}),
            "/data/spec/actions/0/rule/permissions/1",
        ),
        (json!({"type": "create", "rule": {"version": 1.5}}), "/data/spec/actions/0/rule/version"),
        (json!({"type": "create", "rule": {"enabled": "yes"}}), "/data/spec/actions/0/rule/enabled"),
        (json!({"type": "create", "rule": {"matchParams": 1}}), "/data/spec/actions/0/rule/matchParams"),
    ] {
        assert_eq!(sent(action.clone()).expect(422).json()["pointer"], pointer, "{action}");
    }
    let actions = |actions: Value| {
        worker.append(&event("job.created", "r", json!({"kind": "rule", "spec": {"actions": actions}})))
    };
    assert_eq!(actions(json!([])).expect(422).json()["pointer"], "/data/spec/actions");
    let twice = json!([{"id": "a", "type": "create", "rule": {}}, {"id": "a", "type": "create", "rule": {}}]);
    assert_eq!(actions(twice).expect(422).json()["pointer"], "/data/spec/actions/1/id");
}

#[test]
fn accept_selects_the_media_type_of_an_answer() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&rule_job("r", &["a"])).expect(201);
    let vendor = "application/vnd.sas.authorization.rule.job+json";
    for (accept, content_type) in [
        (vendor, vendor),
        ("*/*", vendor),
        ("application/*", vendor),
        ("application/json;q=0.5, application/vnd.sas.authorization.rule.job+json", vendor),
        ("text/html, */*;q=0.1", vendor),
        ("application/json", "application/json"),
        ("application/json, text/plain, */*", vendor),
    ] {
        let answer = worker.get_with(&path("r"), &[("accept", accept)]).expect(200);
        assert_eq!(answer.header("content-type"), content_type, "{accept}");
        assert_eq!(answer.text(), worker.get(&path("r")).text());
    }
    for accept in ["text/plain", "*/*", "text/*", "text/plain;charset=UTF-8"] {
        let answer = worker.get_with(&format!("{}/state", path("r")), &[("accept", accept)]).expect(200);
        assert_eq!((answer.header("content-type"), answer.text().as_str()), ("text/plain;charset=UTF-8", "pending"));
    }
    for (suffix, accept) in [
        ("", "text/plain"),
        ("", "image/png"),
        ("", "application/xml"),
        ("/state", "application/json"),
        ("/state", vendor),
    ] {
        let answer = worker.get_with(&format!("{}{suffix}", path("r")), &[("accept", accept)]).expect(406);
        assert_eq!(answer.header("content-type"), "application/vnd.sas.error+json");
    }
}

#[test]
fn a_live_read_starts_with_the_text_of_a_plain_read() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&rule_job("r", &["a"])).expect(201);
    for suffix in ["", "/state"] {
        let path = format!("{}{suffix}", path("r"));
        let snapshot = worker.stream(&path, &[]).find(|frame| frame.event == "snapshot").unwrap();
        assert_eq!((snapshot.id, snapshot.data), (Some(1), worker.get(&path).expect(200).text()));
    }
}
