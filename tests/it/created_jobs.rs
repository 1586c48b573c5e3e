//! Jobs that clients create through the documented APIs: `POST /authorization/rules/jobs` and `POST /dbroles/jobs`.

use jobledger::access::Role;
use jobledger::ledger::Folder;
use serde_json::{Value, json};
use ureq::http::Method;

use crate::support::{Answer, Client, TestServer, completed, event, result, role_document, rule_document, started};

const RULES: &str = "/authorization/rules/jobs";
const ROLES: &str = "/dbroles/jobs";
const VENDOR: &str = "application/vnd.sas.authorization.rule.job+json";
const ARN: &str = "arn:aws:rds:us-west-2:123456789012:db:my-instance";

/// The last part of `Location`.
#[track_caller]
fn created(answer: &Answer, path: &str) -> String {
    let id = answer.header("location").strip_prefix(&format!("{path}/")).expect("the path of a job").to_owned();
    assert!(id.parse::<uuid::Uuid>().is_ok(), "{id}");
    id
}

/// The document with another value at `pointer`; `null` is a value too.
fn with(mut document: Value, pointer: &str, value: Value) -> Value {
    let (above, name) = pointer.rsplit_once('/').unwrap();
    match document.pointer_mut(above).unwrap() {
        Value::Array(items) => items[name.parse::<usize>().unwrap()] = value,
        object => object[name] = value,
    }
    document
}

fn without(mut document: Value, pointer: &str) -> Value {
    let (above, name) = pointer.rsplit_once('/').unwrap();
    document.pointer_mut(above).unwrap().as_object_mut().unwrap().remove(name);
    document
}

#[test]
fn a_rule_job_is_answered_as_it_is_then_shown_and_runs_to_its_end() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    let body = rule_document().to_string();
    let headers = [("content-type", VENDOR), ("accept", VENDOR)];
    let answer = worker.send(Method::POST, RULES, &headers, body.as_bytes()).expect(202);
    let (id, job) = (created(&answer, RULES), answer.json());
    assert_eq!((answer.header("content-type"), answer.header("ledger-position")), (VENDOR, "1"));
    assert_eq!((&job["id"], &job["createdBy"]), (&json!(id), &json!("worker")));
    assert_eq!((&job["state"], &job["status"]), (&json!("pending"), &json!("notStarted")));
    let shown = worker.get(answer.header("location")).expect(200);
    assert_eq!(shown.text(), answer.text());
    for (n, action) in rule_document()["actions"].as_array().unwrap().iter().enumerate() {
        let shown = &job["actions"][n];
        assert_eq!((&shown["rule"], &shown["type"]), (&action["rule"], &action["type"]));
        assert_eq!((&shown["priority"], &shown["state"]), (&json!(1), &json!("pending")));
    }
    assert_eq!(worker.get(&format!("/ledger/jobs/{id}")).expect(200).json()["created_by"], "worker");

    let actions = [0, 1].map(|n| job["actions"][n]["id"].as_str().unwrap().to_owned());
    let results = actions.map(|action| result(&id, &action, "completed"));
    worker.append(&json!([started(&id), results[0], results[1], completed(&id)])).expect(201);
    let ended = worker.get(answer.header("location")).expect(200).json();
    assert_eq!((&ended["state"], &ended["actions"][1]["state"]), (&json!("completed"), &json!("completed")));
}

#[test]
fn a_rule_is_stored_as_it_was_given_and_an_action_keeps_its_id() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    let rule = r#"{"zeta":[9007199254740993,1.0,"\u00e9"],"alpha":{"b":null},"enabled":true}"#;
    let body = format!(
        r#"{{"actions":[{{"priority":null,"rule":{rule},"type":"create","id":"mine"}}],"links":[],"id":null}}"#
    );
    let headers = [("content-type", "application/json; charset=utf-8"), ("accept", "application/json")];
    let answer = worker.send(Method::POST, RULES, &headers, body.as_bytes()).expect(202);
    assert_eq!(answer.header("content-type"), "application/json");
    let action = format!(
        r#"{{"id":"mine","rule":{rule},"type":"create","status":"pending","state":"pending","priority":null}}"#
    );
    assert!(answer.text().contains(&action), "{}", answer.text());
    assert_eq!(worker.get(answer.header("location")).expect(200).text(), answer.text());
}

#[test]
fn a_database_role_job_is_answered_with_its_id_and_runs_to_its_end() {
    let server = TestServer::start();
    let admin = server.client(Role::Admin);
    let answer = admin.post_json(ROLES, &role_document()).expect(202);
    let id = created(&answer, ROLES);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.text(), format!(r#"{{"job_id":"{id}"}}"#));
    let job = admin.get(answer.header("location")).expect(200).json();
    assert_eq!(job["spec"], json!({"account_arn": "", "db_arn": ARN, "db_name": "", "db_engine": "", "db_tags": []}));
    assert_eq!((&job["id"], &job["status"]), (&json!(id), &Value::Null));
    let all = admin.get(&format!("/ledger/jobs/{id}")).expect(200).json();
    assert_eq!((&all["created_by"], &all["status"]), (&json!("admin"), &json!("pending")));
    assert_eq!(
        all["labels"],
        json!({
            "agent_id": "a1b2c3d4-e5f6-7890-abcd-ef1234567890",
            "aws.default_security_group.ingress_cidr": "192.168.1.0/24",
            "connection_prefix_name": "prod-postgres-",
            "job_steps": "create-connections,send-webhook",
            "vault_provider.secret_id": "dbsecrets/data",
        })
    );
    let found = admin.get("/ledger/jobs?label=agent_id:a1b2c3d4-e5f6-7890-abcd-ef1234567890").expect(200).json();
    assert_eq!(found["jobs"][0]["id"], json!(id));

    let worker = server.client(Role::Worker);
    let roles = ["hoop_ro", "hoop_rw"].map(|role| result(&id, role, "completed"));
    worker.append(&json!([started(&id), roles[0], roles[1], completed(&id)])).expect(201);
    let ended = admin.get(answer.header("location")).expect(200).json();
    assert_eq!(
        (&ended["status"]["phase"], &ended["status"]["result"][1]["user_role"]),
        (&json!("completed"), &json!("hoop_rw"))
    );
}

#[test]
fn a_database_role_job_needs_neither_a_vault_nor_a_security_group_nor_a_step() {
    let server = TestServer::start();
    let admin = server.client(Role::Admin);
    let bare = with(without(role_document(), "/vault_provider"), "/aws/default_security_group", Value::Null);
    let answer = admin.post_json(ROLES, &with(bare, "/job_steps", json!([]))).expect(202);
    let labels = admin.get(&format!("/ledger/jobs/{}", created(&answer, ROLES))).expect(200).json()["labels"].clone();
    assert_eq!(
        labels.as_object().unwrap().keys().collect::<Vec<_>>(),
        ["agent_id", "connection_prefix_name", "job_steps"]
    );
}

#[test]
fn each_request_creates_a_job_whose_event_has_the_path_as_its_source() {
    let server = TestServer::start();
    let admin = server.client(Role::Admin);
    let create = |path: &str, document: &Value| created(&admin.post_json(path, document).expect(202), path);
    let jobs = [(RULES, rule_document()), (RULES, rule_document()), (ROLES, role_document()), (ROLES, role_document())]
        .map(|(path, document)| (path, create(path, &document)));
    let events = admin.get("/ledger/events").expect(200).json()["events"].clone();
    for (n, (path, job)) in jobs.iter().enumerate() {
        let event = &events[n];
        assert_eq!((&event["source"], &event["subject"]), (&json!(path), &json!(job)));
        assert_eq!((&event["type"], &event["actor"]), (&json!("job.created"), &json!("admin")));
    }
    assert!(jobs.iter().enumerate().all(|(n, (_, job))| jobs[..n].iter().all(|(_, other)| other != job)));
}

#[test]
fn a_role_that_may_not_create_the_job_is_told_so_in_the_words_of_the_api() {
    let server = TestServer::start();
    for role in [Role::Worker, Role::Viewer, Role::Auditor] {
        let answer = server.client(role).post_json(ROLES, &role_document()).expect(403);
        assert_eq!(answer.text(), r#"{"message":"access denied"}"#);
    }
    for role in [Role::Viewer, Role::Auditor] {
        let client = server.client_named(role, "reader");
        let answer = client.post_json(RULES, &rule_document()).expect(403);
        assert_eq!(answer.header("content-type"), "application/vnd.sas.error+json");
        assert!(answer.json()["message"].as_str().unwrap().contains("worker or admin"), "{}", answer.text());
    }
    assert_eq!(server.client(Role::Admin).head(), 0);
}

/// Sends documents that are refused. The message names the member, and the log stays empty.
fn refuses(admin: &Client, path: &str, documents: impl IntoIterator<Item = (Value, &'static str)>) {
    for (document, named) in documents {
        let answer = admin.post_json(path, &document).expect(400);
        let message = answer.json()["message"].as_str().unwrap().to_owned();
        assert!(message.contains(named), "{document}: {message}");
    }
    assert_eq!(admin.head(), 0, "no event was appended");
}

#[test]
fn a_document_that_is_no_rule_job_is_refused_with_the_name_of_its_member() {
    let server = TestServer::start();
    let admin = server.client(Role::Admin);
    let document = rule_document;
    refuses(
        &admin,
        RULES,
        [
            (json!([]), "object"),
            (json!("x"), "object"),
            (json!({}), "`actions`"),
            (with(document(), "/actions", json!([])), "`/actions`: expected 1 to 10000"),
            (with(document(), "/actions", json!({})), "`/actions`"),
            (with(document(), "/actions/0", json!(["create"])), "`/actions/0`: expected a JSON object"),
            (with(document(), "/actions/1/type", json!("drop")), "`/actions/1/type`"),
            (without(document(), "/actions/1/type"), "`/actions/1`: missing field `type`"),
            (without(document(), "/actions/1/rule"), "`/actions/1`: missing field `rule`"),
            (without(document(), "/actions/1/rule/id"), "`/actions/1/rule/id`"),
            (with(document(), "/actions/0/rule/type", json!("allow")), "`/actions/0/rule/type`"),
            (
                with(document(), "/actions/0/rule/permissions", json!(["read", "fly"])),
                "`/actions/0/rule/permissions/1`",
            ),
            (with(document(), "/actions/0/priority", json!("high")), "`/actions/0/priority`"),
            (
                with(document(), "/actions/0/status", json!("running")),
                "`/actions/0/status`: expected `notStarted` or `pending`",
            ),
            (with(document(), "/actions/0/state", json!("completed")), "`/actions/0/state`: expected `pending`"),
            (with(document(), "/actions/0/color", json!("red")), "unknown member `color`"),
            (with(document(), "/version", json!(3)), "`/version`: expected 2"),
            (with(document(), "/status", json!("running")), "`/status`: expected `notStarted`"),
            (with(document(), "/state", json!("running")), "`/state`: expected `pending`"),
            (with(document(), "/id", json!("cc2cb37c-24e6-4398-b7c8-4b6603bc4608")), "`/id`: only the ledger"),
            (with(document(), "/createdBy", json!("bob")), "`/createdBy`: only the ledger"),
            (with(document(), "/links", json!([{}])), "`/links`: only the ledger"),
            (with(document(), "/comment", json!("x")), "unknown member `comment`"),
        ],
    );
    let broken = admin.send(Method::POST, RULES, &[("content-type", VENDOR)], b"{\"actions\":").expect(400);
    let error = broken.json();
    assert_eq!((&error["httpStatusCode"], &error["details"]), (&json!(400), &json!([format!("path: {RULES}")])));
}

#[test]
fn a_document_that_is_no_database_role_job_is_refused_with_the_name_of_its_member() {
    let server = TestServer::start();
    let admin = server.client(Role::Admin);
    let document = role_document;
    refuses(
        &admin,
        ROLES,
        [
            (json!([]), "object"),
            (json!({}), "`agent_id`"),
            (without(document(), "/connection_prefix_name"), "`connection_prefix_name`"),
            (without(document(), "/job_steps"), "`job_steps`"),
            (without(document(), "/aws"), "`aws`"),
            (with(document(), "/aws", Value::Null), "`/aws`: expected a JSON object"),
            (with(document(), "/aws", json!([ARN, null])), "`/aws`: expected a JSON object"),
            (without(document(), "/aws/instance_arn"), "`/aws`: missing field `instance_arn`"),
            (with(document(), "/aws/instance_arn", json!("arn:db")), "`/aws/instance_arn`: expected an ARN"),
            (with(document(), "/aws/instance_arn", json!("")), "`/aws/instance_arn`: expected an ARN"),
            (
                with(document(), "/aws/instance_arn", json!(format!("{ARN}{}", "x".repeat(17_000)))),
                "`/aws/instance_arn`",
            ),
            (
                with(document(), "/aws/default_security_group/ingress_cidr", json!("")),
                "`/aws/default_security_group/ingress_cidr`",
            ),
            (with(document(), "/agent_id", json!("default")), "`/agent_id`: expected a UUID"),
            (with(document(), "/connection_prefix_name", json!("")), "`/connection_prefix_name`"),
            (
                with(document(), "/connection_prefix_name", json!("x".repeat(257))),
                "`/connection_prefix_name`: expected at most 256",
            ),
            (with(document(), "/job_steps", json!(["drop-tables"])), "`/job_steps/0`"),
            (
                with(document(), "/job_steps", json!(["send-webhook", "send-webhook"])),
                "`/job_steps`: expected each step once",
            ),
            (with(document(), "/vault_provider", json!({})), "`/vault_provider`: missing field `secret_id`"),
            (
                with(document(), "/vault_provider/secret_id", json!("x".repeat(257))),
                "`/vault_provider/secret_id`: expected at most 256",
            ),
            (with(document(), "/db_engine", json!("postgres")), "unknown member `db_engine`"),
        ],
    );
}

#[test]
fn a_secret_is_refused_and_never_repeated() {
    let server = TestServer::start();
    let admin = server.client(Role::Admin);
    let named = with(rule_document(), "/actions/0/rule/db_password", json!("hunter2-hunter2"));
    let unknown = with(role_document(), "/db_password", json!("hunter2-hunter2"));
    for (path, document, place) in [
        (RULES, named, "`/actions/0/rule/db_password`: the member is named like a secret"),
        (ROLES, unknown, "db_password"),
    ] {
        let answer = admin.post_json(path, &document).expect(400);
        assert!(answer.text().contains(place) && !answer.text().contains("hunter2"), "{}", answer.text());
    }
    assert_eq!(admin.head(), 0);
}

#[test]
fn a_request_of_another_form_is_refused_in_the_form_of_its_api() {
    let server = TestServer::start();
    let admin = server.client(Role::Admin);
    let documents =
        [(RULES, rule_document(), "application/vnd.sas.error+json"), (ROLES, role_document(), "application/json")];
    for (path, document, error) in documents {
        let body = document.to_string();
        let refused = |status: u16, path: &str, headers: &[(&str, &str)], body: &[u8]| {
            let answer = admin.send(Method::POST, path, headers, body).expect(status);
            assert_eq!(answer.header("content-type"), error, "{path}");
            assert!(answer.json()["message"].is_string(), "{}", answer.text());
        };
        let json = ("content-type", "application/json");
        refused(415, path, &[("content-type", "text/plain")], body.as_bytes());
        refused(415, path, &[("content-type", "application/cloudevents+json")], body.as_bytes());
        refused(415, path, &[], body.as_bytes());
        refused(415, path, &[json, ("content-encoding", "br")], body.as_bytes());
        refused(406, path, &[json, ("accept", "text/html")], body.as_bytes());
        refused(400, &format!("{path}?as_of=1"), &[json], body.as_bytes());
        refused(400, path, &[json], b"");
        refused(400, path, &[json], b"\xff");
        refused(413, path, &[json], &vec![b' '; (16 << 20) + 1]);
    }
    let large = with(rule_document(), "/actions/0/rule/reason", json!("x".repeat(8 << 20)));
    assert_eq!(admin.post_json(RULES, &large).expect(413).json()["httpStatusCode"], 413);
    assert_eq!(admin.head(), 0, "no event was appended");
}

#[test]
fn a_job_of_ten_thousand_actions_is_created_and_shown() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    let action = rule_document()["actions"][0].clone();
    let answer = worker.post_json(RULES, &json!({"actions": vec![action.clone(); 10_000]})).expect(202);
    assert_eq!(answer.json()["actions"].as_array().unwrap().len(), 10_000);
    assert_eq!(worker.get(answer.header("location")).expect(200).text(), answer.text());
    let message =
        worker.post_json(RULES, &json!({"actions": vec![action; 10_001]})).expect(400).json()["message"].clone();
    assert_eq!(message, "`/actions`: expected 1 to 10000 actions, found 10001");
}

#[test]
fn a_ledger_that_takes_no_writes_creates_no_job() {
    let mut server = TestServer::start();
    server
        .client(Role::Worker)
        .append(&event("job.created", "a", json!({"kind": "task", "spec": {"job_type": "full_sync"}})))
        .expect(201);
    server.stop();
    std::fs::remove_file(Folder::new(server.path()).key()).unwrap();
    server.restart();
    let admin = server.client(Role::Admin);
    for (path, document) in [(RULES, rule_document()), (ROLES, role_document())] {
        let answer = admin.post_json(path, &document).expect(503);
        assert_eq!(answer.header("retry-after"), "1");
        assert!(answer.json()["message"].is_string(), "{}", answer.text());
    }
    assert_eq!(admin.head(), 1);
}
