//! Generic jobs: jobs of any other sort, which only `/ledger/jobs` shows.

use jobledger::access::Role;
use serde_json::{Value, json};

use crate::support::redactions::{NAME, files_with, generic_life, redacted};
use crate::support::{Client, TestServer, event, noted, problem, result, started, task_job};

/// Creates a generic job with these parameters.
fn generic(job: &str, job_type: &str, parameters: Value) -> Value {
    let spec = json!({"job_type": job_type, "parameters": parameters});
    event("job.created", job, json!({"kind": "generic", "spec": spec}))
}

/// An item's result with a detail.
fn detailed(job: &str, item: &str, detail: Value) -> Value {
    event("job.item_result", job, json!({"item": item, "status": "completed", "detail": detail}))
}

fn ids(client: &Client, query: &str) -> Vec<String> {
    let page = client.get(&format!("/ledger/jobs?{query}")).expect(200).json();
    page["jobs"].as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap().to_owned()).collect()
}

#[track_caller]
fn refused(client: &Client, event: &Value, code: &str, pointer: &str) {
    let problem = client.append(event).expect(422).json();
    assert_eq!((problem["code"].as_str(), problem["pointer"].as_str()), (Some(code), Some(pointer)), "{problem}");
}

#[test]
fn parameters_and_details_come_back_as_they_were_sent() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    let created = br#"{"specversion":"1.0","id":"1","source":"/w","type":"job.created","subject":"g","data":
        {"kind":"generic","spec":{"job_type":"a.B_c-9","parameters":{ "z" : 1.0, "a": [1e5, 9007199254740993, null], "\u00e9": {} }}}}"#;
    worker.post("application/json", created).expect(201);
    worker.append(&started("g")).expect(201);
    let result = br#"{"specversion":"1.0","id":"2","source":"/w","type":"job.item_result","subject":"g","data":
        {"item":"any name / at all","status":"failed","detail":{ "rows": 5.0, "\u00e9": [] }}}"#;
    worker.post("application/json", result).expect(201);
    let text = worker.get("/ledger/jobs/g").expect(200).text();
    let spec = r#""spec":{"job_type":"a.B_c-9","parameters":{"z":1.0,"a":[1e5,9007199254740993,null],"\u00e9":{}}}"#;
    assert!(text.contains(spec), "{text}");
    assert!(text.contains(r#""detail":{"rows":5.0,"\u00e9":[]}"#), "{text}");
    assert!(text.contains(r#""kind":"generic""#), "{text}");
    assert_eq!(worker.get("/ledger/jobs/g?as_of=3").expect(200).text(), text);
}

#[test]
fn the_documented_apis_do_not_show_generic_jobs() {
    let server = TestServer::start();
    let admin = server.client(Role::Admin);
    let uuid = "67d7d053-3caf-430e-97ba-6d4933d3fd5b";
    admin.append(&json!([generic(uuid, "full_sync", json!({})), started(uuid)])).expect(201);
    for path in ["/api/v1/jobs", "/dbroles/jobs", "/authorization/rules/jobs"] {
        admin.get(&format!("{path}/{uuid}")).expect(404);
    }
    admin.delete(&format!("/api/v1/jobs/{uuid}")).expect(404);
    for list in ["/api/v1/jobs", "/api/v1/jobs?job_type=full_sync", "/api/v1/jobs/running"] {
        assert!(!admin.get(list).expect(200).text().contains(uuid), "{list}");
    }
    assert_eq!(admin.get(&format!("/ledger/jobs/{uuid}")).expect(200).json()["status"], "running");
    admin.append(&event("job.cancelled", uuid, json!({}))).expect(201);
}

#[test]
fn the_list_finds_generic_jobs_by_kind_and_type() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    let jobs = [
        generic("g1", "full_sync", json!({})),
        task_job("t1"),
        generic("g2", "certificates.renew", json!({})),
        generic("g3", "full_sync", json!({})),
    ];
    worker.append(&Value::from(jobs.to_vec())).expect(201);
    for (query, expected) in [
        ("kind=generic", &["g3", "g2", "g1"][..]),
        ("job_type=full_sync", &["g3", "t1", "g1"]),
        ("kind=generic&job_type=full_sync", &["g3", "g1"]),
        ("kind=task&job_type=full_sync", &["t1"]),
        ("job_type=certificates.renew", &["g2"]),
        ("job_type=certificates", &[]),
    ] {
        assert_eq!(ids(&worker, query), expected, "{query}");
    }
    let page = worker.get("/ledger/events?kind=generic").expect(200).json();
    assert_eq!(page["events"].as_array().unwrap().len(), 3);
    // The documented list filters by the ten documented types, and no other.
    server.client(Role::Admin).get("/api/v1/jobs?job_type=certificates.renew").expect(400);
}

#[test]
fn parameters_are_bounded_and_unambiguous() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    let sized = |bytes: usize| json!({"a": "x".repeat(bytes - r#"{"a":""}"#.len())});
    worker.append(&generic("fits", "x", sized(65_536))).expect(201);
    refused(&worker, &generic("over", "x", sized(65_537)), "invalid", "/data/spec/parameters");
    refused(&worker, &generic("list", "x", json!([])), "invalid", "/data/spec/parameters");
    refused(&worker, &generic("named", "a b", json!({})), "invalid", "/data/spec/job_type");
    refused(&worker, &generic("long", &"x".repeat(65), json!({})), "invalid", "/data/spec/job_type");
    let nested = |levels: usize| (1..levels).fold(json!({}), |inner, _| json!({"a": inner}));
    worker.append(&generic("deep", "x", nested(64))).expect(201);
    let problem = problem(worker.append(&generic("deeper", "x", nested(66))), 422, "invalid");
    assert!(problem["detail"].as_str().unwrap().contains("64 levels"), "{problem}");
    let twice = br#"{"specversion":"1.0","id":"1","source":"/w","type":"job.created","subject":"g","data":
        {"kind":"generic","spec":{"job_type":"x","parameters":{"b":{"a":1,"\u0061":2}}}}}"#;
    let said = worker.post("application/json", twice).expect(422).json();
    assert!(said["detail"].as_str().unwrap().contains("each name once"), "{said}");
}

#[test]
fn details_are_small_objects_and_credentials_in_them_have_a_fixed_form() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&json!([generic("g", "x", json!({})), started("g"), task_job("t"), started("t")])).expect(201);
    let sized = |bytes: usize| json!({"a": "x".repeat(bytes - r#"{"a":""}"#.len())});
    worker.append(&detailed("g", "a", sized(4096))).expect(201);
    refused(&worker, &detailed("g", "a", sized(4097)), "invalid", "/data/detail");
    refused(&worker, &detailed("t", "a", json!({"rows": 1})), "invalid", "/data/detail");
    let info = json!({"credentials_info": {"secrets_manager_provider": "vault"}, "x": 1});
    refused(&worker, &detailed("g", "a", info), "invalid", "/data/detail/x");
    let info = json!({"credentials_info": {"secrets_manager_provider": "vault", "secret_id": "a/b"}});
    worker.append(&detailed("g", "b", info)).expect(201);
    // The newest result counts, its detail included.
    worker.append(&result("g", "a", "failed")).expect(201);
    let items = worker.get("/ledger/jobs/g").expect(200).json()["items"].clone();
    assert_eq!((&items[0]["status"], &items[0]["detail"]), (&json!("failed"), &Value::Null));
    assert_eq!(items[1]["detail"]["credentials_info"]["secret_id"], "a/b");
}

#[test]
fn secrets_are_masked_in_texts_and_refused_by_name() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    let url = |password: &str| format!("postgres://app:{password}@db.example/x");
    worker.append(&generic("g", "x", json!({"from": [url("hunter2")], "n": 1}))).expect(201);
    worker.append(&started("g")).expect(201);
    worker.append(&detailed("g", "a", json!({"from": url("hunter2")}))).expect(201);
    for path in ["/ledger/jobs/g", "/ledger/jobs/g/events"] {
        let text = worker.get(path).expect(200).text();
        assert!(!text.contains("hunter2") && text.contains("app:[masked:"), "{path}: {text}");
    }
    let secret = json!({"list": [{"db_password": "hunter2"}]});
    refused(&worker, &generic("h", "x", secret.clone()), "secret", "/data/spec/parameters/list/0/db_password");
    refused(&worker, &detailed("g", "a", secret), "secret", "/data/detail/list/0/db_password");
}

#[test]
fn a_read_of_the_past_shows_the_detail_of_then() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker
        .append(&json!([generic("g", "x", json!({})), started("g"), detailed("g", "a", json!({"n": 1.0}))]))
        .expect(201);
    // Past a snapshot of the job, and then another result of the item.
    for _ in 0..2 {
        let notes: Vec<Value> = (0..300).map(|_| noted("g", "n")).collect();
        worker.append(&json!(notes)).expect(201);
    }
    worker.append(&detailed("g", "a", json!({"n": 2.0}))).expect(201);
    let detail =
        |query: &str| worker.get(&format!("/ledger/jobs/g{query}")).expect(200).json()["items"][0]["detail"].clone();
    assert_eq!(detail("?as_of=3"), json!({"n": 1.0}));
    assert_eq!(detail("?as_of=603"), json!({"n": 1.0}));
    assert_eq!(detail("?as_of=604"), json!({"n": 2.0}));
    assert_eq!(detail(""), json!({"n": 2.0}));
}

#[test]
fn a_residue_keeps_the_number_of_members() {
    let server = TestServer::start();
    let admin = server.client(Role::Admin);
    let life = generic_life();
    admin.append(&json!(life)).expect(201);
    let before = admin.get("/ledger/jobs/g").expect(200).json();
    assert!(!files_with(server.path(), NAME).is_empty());
    let all: Vec<Value> = (1..=4).map(|position| redacted("g", position)).collect();
    admin.append(&json!(all)).expect(201);
    // The views follow the log before a read is answered.
    let job = admin.get("/ledger/jobs/g").expect(200).json();
    assert_eq!(files_with(server.path(), NAME), Vec::<std::path::PathBuf>::new());
    let left = json!({"redacted-1": "[redacted]", "redacted-2": "[redacted]"});
    assert_eq!(job["spec"], json!({"job_type": "redacted", "parameters": left, "total_records": 3}));
    assert_eq!(job["items"][0]["detail"], json!({"redacted-1": "[redacted]"}));
    for same in ["kind", "status", "total_records", "created_at", "ended_at"] {
        assert_eq!(job[same], before[same], "{same}");
    }
    assert_eq!((ids(&admin, &format!("job_type={NAME}")).len(), ids(&admin, "kind=generic").len()), (0, 1));
}

#[test]
fn a_full_job_names_the_member_that_needs_the_room() {
    let server = TestServer::start();
    let admin = server.client(Role::Admin);
    admin.append(&json!([generic("g", "import", json!({})), started("g")])).expect(201);
    admin.append(&detailed("g", "known", json!({}))).expect(201);
    // A control character is six bytes of JSON.
    let note = |length: usize| noted("g", &"\u{1}".repeat(length));
    for _ in 0..2 {
        admin.append(&json!((0..80).map(|_| note(16_000)).collect::<Vec<_>>())).expect(201);
    }
    let mut length = 16_000;
    while length > 50 {
        match admin.append(&note(length)) {
            answer if answer.status == 201 => {}
            _ => length /= 2,
        }
    }
    let long = "x".repeat(2000);
    let told = |item: &str| {
        event("job.item_result", "g", json!({"item": item, "status": "completed", "message": long, "detail": {}}))
    };
    for item in ["known", "new"] {
        refused(&admin, &detailed("g", item, json!({"text": long})), "job-full", "/data/detail");
        refused(&admin, &told(item), "job-full", "/data/message");
    }
    let refused = (0..10).map(|n| admin.append(&result("g", &format!("new-{n}"), "completed")));
    let refused = problem(refused.into_iter().find(|answer| answer.status != 201).unwrap(), 422, "job-full");
    assert_eq!(refused["pointer"], "/data/item");
}
