//! Permissions: every route that the server describes, for every role, inside and outside the role's organisation.

use std::collections::BTreeMap;

use jobledger::access::{NewToken, Role};
use jobledger::job::OrgId;
use serde_json::{Value, json};
use ureq::http::Method;

use crate::claims::a_claim;
use crate::support::wait::until;
use crate::support::{
    Answer, Client, HandClock, ROLE_JOB, TestServer, nil, noted, role_document, role_job, rule_document, rule_job,
    started, task_job, with,
};

/// One line a route: the answer without a good token (no token, a wrong, a revoked, an expired one); then admin, worker, viewer and
/// auditor of the jobs' own organisation; then the four of another organisation; then those again, naming the jobs'
/// organisation with `org=`, or `-` where the route has no such parameter.
const TABLE: &str = "
GET    /api/v1/jobs                               401   200 403 403 403   200 403 403 403   -
GET    /api/v1/jobs/running                       401   200 403 403 403   200 403 403 403   -
GET    /api/v1/jobs/{id}                          401   200 403 403 403   404 403 403 403   404 403 403 403
DELETE /api/v1/jobs/{id}                          401   204 403 403 403   404 403 403 403   -
GET    /api/v1/jobs/{id}/progress                 401   200 403 403 403   404 403 403 403   404 403 403 403
POST   /authorization/rules/jobs                  401   202 202 403 403   202 202 403 403   -
GET    /authorization/rules/jobs/{jobId}          401   200 200 200 200   404 404 404 404   404 404 404 200
GET    /authorization/rules/jobs/{jobId}/state    401   200 200 200 200   404 404 404 404   404 404 404 200
POST   /dbroles/jobs                              401   202 403 403 403   202 403 403 403   -
GET    /dbroles/jobs/{id}                         401   200 200 200 200   404 404 404 404   404 404 404 200
GET    /healthz                                   200   200 200 200 200   200 200 200 200   -
GET    /ledger/events                             401   200 200 200 200   200 200 200 200   404 404 404 200
POST   /ledger/events                             401   201 201 403 403   404 404 403 403   -
GET    /ledger/events/{position}                  401   200 200 200 200   404 404 404 200   -
GET    /ledger/events/{position}/leaf             401   200 200 200 200   404 404 404 200   -
GET    /ledger/events/{position}/proof            401   200 200 200 200   404 404 404 200   -
GET    /ledger/checkpoint                         401   200 200 200 200   200 200 200 200   -
GET    /ledger/checkpoints                        401   200 200 200 200   200 200 200 200   -
GET    /ledger/consistency                        401   200 200 200 200   200 200 200 200   -
GET    /ledger/tile/{level}/{index}               401   200 200 200 200   200 200 200 200   -
GET    /ledger/tile/entries/{index}               401   403 403 403 200   403 403 403 200   -
GET    /ledger/export                             401   403 403 403 200   403 403 403 200   403 403 403 400
GET    /ledger/jobs                               401   200 200 200 200   200 200 200 200   404 404 404 200
GET    /ledger/jobs/counts                        401   200 200 200 200   200 200 200 200   404 404 404 200
GET    /ledger/jobs/{id}                          401   200 200 200 200   404 404 404 404   404 404 404 200
GET    /ledger/jobs/{id}/diff                     401   200 200 200 200   404 404 404 404   404 404 404 200
GET    /ledger/jobs/{id}/evidence                 401   200 200 200 200   404 404 404 404   404 404 404 200
GET    /ledger/jobs/{id}/events                   401   200 200 200 200   404 404 404 404   404 404 404 200
GET    /ledger/jobs/{id}/output                   401   200 200 200 200   404 404 404 404   404 404 404 200
POST   /ledger/claims                             401   204 204 403 403   204 204 403 403   -
PUT    /ledger/jobs/{id}/lease                    401   400 400 403 403   400 400 403 403   -
POST   /ledger/jobs/{id}/retry                    401   409 409 403 403   404 404 403 403   -
GET    /ledger/webhooks                           401   200 403 403 403   200 403 403 403   -
POST   /ledger/webhooks                           401   201 403 403 403   201 403 403 403   -
DELETE /ledger/webhooks/{id}                      401   404 403 403 403   404 403 403 403   -
POST   /ledger/webhooks/{id}/replay               401   404 403 403 403   404 403 403 403   -
POST   /ledger/rebuild                            401   200 403 403 403   200 403 403 403   -
GET    /metrics                                   401   200 403 403 200   200 403 403 200   -
GET    /openapi.json                              200   200 200 200 200   200 200 200 200   -
GET    /readyz                                    200   200 200 200 200   200 200 200 200   -
GET    /schema/events/{name}                      200   200 200 200 200   200 200 200 200   -
GET    /session                                   401   200 200 200 200   200 200 200 200   -
POST   /session                                   401   204 204 204 204   204 204 204 204   -
DELETE /session                                   401   204 204 204 204   204 204 204 204   -
POST   /sign-out                                  303   303 303 303 303   303 303 303 303   -
";

const ROLES: [Role; 4] = [Role::Admin, Role::Worker, Role::Viewer, Role::Auditor];

/// The statuses for the four roles.
type Statuses = [u16; 4];

/// A line of the table.
struct Expected {
    nobody: u16,
    own: Statuses,
    other: Statuses,
    named: Option<Statuses>,
}

/// By method and path.
fn table() -> BTreeMap<(String, String), Expected> {
    let line = |line: &str| {
        let mut words = line.split_whitespace();
        let key = (words.next().unwrap().to_owned(), words.next().unwrap().to_owned());
        let statuses: Vec<&str> = words.collect();
        let four = |at: usize| [0, 1, 2, 3].map(|n| statuses[at + n].parse().unwrap());
        let named = (statuses[9] != "-").then(|| four(9));
        (key, Expected { nobody: statuses[0].parse().unwrap(), own: four(1), other: four(5), named })
    };
    TABLE.trim().lines().map(line).collect()
}

/// Every route that the server describes, and whether it takes `org`.
fn described() -> BTreeMap<(String, String), bool> {
    let description: Value = serde_json::from_str(&jobledger::server::openapi()).unwrap();
    let mut routes = BTreeMap::new();
    for (path, methods) in description["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
            let org = parameters.iter().any(|parameter| parameter["name"] == "org");
            routes.insert((method.to_uppercase(), path.clone()), org);
        }
    }
    routes
}

/// A ledger whose jobs, all called zebra where the kind allows it, belong to the default organisation.
fn ledger() -> TestServer {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    let rule = rule_job("zebra-rule", &["a"]);
    worker
        .append(&json!([task_job("zebra"), started("zebra"), task_job("zebra-2"), role_job(ROLE_JOB), rule]))
        .expect(201);
    server
}

/// Asks for a route of the table, about a job of the default organisation.
fn ask(client: &Client, method: &str, path: &str, query: &str) -> Answer {
    let job = match path {
        _ if path.starts_with("/dbroles") => ROLE_JOB,
        _ if path.starts_with("/authorization") => "zebra-rule",
        _ if method == "DELETE" => "zebra-2",
        _ => "zebra",
    };
    let mut path = path.to_owned();
    for (part, value) in [
        ("{id}", job),
        ("{jobId}", job),
        ("{position}", "1"),
        ("{name}", "job.created.v1.json"),
        ("{level}", "0"),
        ("{index}", "000.p/6"),
    ] {
        path = path.replace(part, value);
    }
    assert!(!path.contains('{'), "an unknown part in {path}");
    if path == "/ledger/consistency" {
        path += "?from=1&to=6";
    }
    let query = if path.ends_with("/diff") { format!("?from=0{}", query.replace('?', "&")) } else { query.to_owned() };
    let body = match (method, path.as_str()) {
        ("POST", "/ledger/events") => noted("zebra", "n").to_string(),
        ("POST", "/ledger/claims") => with(a_claim(), "labels", json!({"fits": "none"})).to_string(),
        ("POST", "/authorization/rules/jobs") => rule_document().to_string(),
        ("POST", "/dbroles/jobs") => role_document().to_string(),
        ("POST", "/ledger/webhooks") => json!({"url": "https://receiver.example", "types": ["job.failed"]}).to_string(),
        _ => String::new(),
    };
    let headers: &[_] = if body.is_empty() { &[] } else { &[("content-type", "application/json")] };
    let method: Method = method.parse().unwrap();
    client.send(method, &format!("{path}{query}"), headers, body.as_bytes())
}

/// Whether the answer names a job of the default organisation, as text or as bytes.
fn names_a_job(answer: &Answer) -> bool {
    answer.body.windows(5).any(|part| part == b"zebra")
}

#[test]
fn the_table_has_exactly_the_described_routes() {
    let org: BTreeMap<_, _> = table().into_iter().map(|(route, expected)| (route, expected.named.is_some())).collect();
    assert_eq!(org, described(), "the table above and the server's own description differ");
}

#[test]
fn without_a_token_only_open_routes_answer() {
    let server = ledger();
    let revoked = server.token("revoked", Role::Admin, nil());
    let expired = NewToken {
        expires: Some("2020-01-01T00:00:00Z".parse().unwrap()),
        ..NewToken::new("expired", Role::Admin, nil())
    };
    let now = "2025-01-01T00:00:00Z".parse().unwrap();
    let expired = server.access().create(&expired, now).unwrap().reveal().to_owned();
    server.access().revoke(nil(), "revoked", now).unwrap();
    // A node that follows learns of it in a moment.
    until("the revocation counts", || Client::new(&server.url, Some(&revoked)).get("/ledger/jobs").status == 401);
    let wrong = "jl_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    for token in [None, Some(""), Some(wrong), Some(revoked.as_str()), Some(expired.as_str())] {
        let client = Client::new(&server.url, token);
        for ((method, path), Expected { nobody: expected, .. }) in table() {
            let answer = ask(&client, &method, &path, "");
            assert_eq!(answer.status, expected, "{method} {path}: {}", answer.text());
            assert!(!names_a_job(&answer) || answer.status == 401, "{method} {path}");
        }
    }
}

/// Sends every route's request with every role of `org`. `column` picks the expected statuses.
fn walk(server: &TestServer, org: OrgId, query: &str, column: fn(&Expected) -> Option<Statuses>) {
    for (n, role) in ROLES.into_iter().enumerate() {
        let client = Client::new(&server.url, Some(&server.token(&format!("{role}-{}", query.len()), role, org)));
        for ((method, path), expected) in table() {
            let Some(expected) = column(&expected) else { continue };
            let answer = ask(&client, &method, &path, query);
            // A rebuild that takes longer than a second is answered while it runs.
            let status = if path == "/ledger/rebuild" && answer.status == 202 { 200 } else { answer.status };
            assert_eq!(status, expected[n], "{role} {method} {path}{query}");
            let may_see = org == nil() || role == Role::Auditor;
            let lists =
                ["/api/v1/jobs", "/api/v1/jobs/running", "/ledger/events", "/ledger/jobs"].contains(&path.as_str());
            if status == 200 && (lists || !may_see) {
                assert_eq!(names_a_job(&answer), may_see && lists, "{role} {method} {path}{query}");
            }
        }
    }
}

#[test]
fn each_role_gets_the_expected_answers_in_its_organisation() {
    walk(&ledger(), nil(), "", |expected| Some(expected.own));
}

#[test]
fn each_role_gets_the_expected_answers_about_another_organisation() {
    let server = ledger();
    let other = "37eebc20-d8df-416b-8ac2-01b6eb456318".parse().unwrap();
    walk(&server, other, "", |expected| Some(expected.other));
    walk(&server, other, "?org=00000000-0000-0000-0000-000000000000", |expected| expected.named);
    let owner = server.client(Role::Admin);
    assert_eq!(owner.get("/ledger/jobs/zebra-2").expect(200).json()["status"], "pending", "it was not cancelled");
    let events = owner.get("/ledger/events").expect(200).json()["events"].as_array().unwrap().len();
    assert_eq!(events, 5, "no event was appended");
}

#[test]
fn the_reference_page_needs_no_token_and_unknown_paths_reveal_nothing() {
    let server = ledger();
    let anonymous = server.anonymous();
    let page = anonymous.get("/docs/").expect(200);
    assert!(page.header("content-type").starts_with("text/html"), "{}", page.header("content-type"));
    for path in ["/ledger", "/ledger/job/zebra", "/ledger/jobs/zebra/x", "/schema/log.sql"] {
        assert_eq!(anonymous.get(path).expect(404).json()["code"], "not-found", "{path}");
    }
    anonymous.get("/schema/events/..%2flog.sql").expect(404);
}

#[test]
fn the_actor_is_the_name_on_the_token_even_if_the_body_names_another() {
    let hands = HandClock::at("2025-01-01T00:00:00Z");
    let server = TestServer::start_with(hands.clock());
    let ann = Client::new(&server.url, Some(&server.token("ann@example", Role::Worker, nil())));
    let make =
        with(task_job("a"), "data", json!({"kind": "task", "spec": {"job_type": "full_sync"}, "created_by": "bob"}));
    ann.append(&make).expect(201);
    ann.append(&noted("a", "n")).expect(201);
    let job = ann.get("/ledger/jobs/a").expect(200).json();
    assert_eq!((&job["created_by"], &job["notes"][0]["by"]), (&json!("bob"), &json!("ann@example")));
    assert_eq!(ann.get("/ledger/events/1").expect(200).json()["actor"], "ann@example");
}
