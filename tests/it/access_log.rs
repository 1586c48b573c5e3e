//! The access log: which caller read or tried which request.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use ureq::http::Method;

use crate::support::cli::{Serving, cli, on, token};
use crate::support::raw::{connect, head, send};
use crate::support::wait::until;
use crate::support::{Client, event, task_job};

/// An organisation that is not the default one.
const OTHER: &str = "11111111-1111-1111-1111-111111111111";

/// A server and the file of its log.
struct Logged {
    server: Serving,
    log: PathBuf,
}

impl Logged {
    fn start(dir: &Path, filter: &str) -> Logged {
        let log = dir.join("log");
        let told = cli(["serve", "--listen", "127.0.0.1:0", "--log", filter, "--create", "--data"]);
        let server = Serving::of(told.arg(dir.join("data")).stderr(std::fs::File::create(&log).unwrap()));
        Logged { server, log }
    }

    /// The lines of the access log, by the id of their request.
    fn line(&self, request: &str) -> Option<Value> {
        let text = std::fs::read_to_string(&self.log).unwrap();
        let lines = text.lines().filter(|line| line.starts_with('{'));
        let mut lines = lines.map(|line| serde_json::from_str::<Value>(line).unwrap_or_else(|_| panic!("{line}")));
        lines.find(|line| line["target"] == "jobledger::access_log" && line["fields"]["request"] == request)
    }

    /// Waits for the line of a request whose answer has ended.
    fn told(&self, request: &str) -> Value {
        until("the line is written", || self.line(request).is_some());
        self.line(request).unwrap()["fields"].take()
    }
}

#[test]
fn by_default_the_access_log_has_exports_refusals_and_reads_of_other_organisations() {
    let dir = tempfile::tempdir().unwrap();
    let logged = Logged::start(dir.path(), "info");
    let data = dir.path().join("data");
    let (worker, auditor) = (token(&data, "worker"), token(&data, "auditor"));
    let stranger = on(&data, "token create", &["--name", "far", "--role", "worker", "--org", OTHER]).expect(0);
    let stranger = stranger.stdout.trim_end().to_owned();
    let as_one = |token: &str| logged.server.client(token);
    as_one(&worker).append(&json!([task_job("a"), event("job.started", "a", json!({}))])).expect(201);
    as_one(&stranger).append(&task_job("b")).expect(201);
    let nobody = "jl_not_a_token";
    let none = Value::Null;
    let cases = [
        (&*worker, "/ledger/events", "application/x-ndjson", "worker", "/ledger/events", 200),
        (&*worker, "/ledger/jobs/a/evidence", "*/*", "worker", "/ledger/jobs/{id}/evidence", 200),
        (&*auditor, "/ledger/export", "*/*", "auditor", "/ledger/export", 200),
        (&*auditor, "/ledger/jobs", "*/*", "auditor", "/ledger/jobs", 200),
        (&*auditor, &format!("/ledger/jobs/b?org={OTHER}"), "*/*", "auditor", "/ledger/jobs/{id}", 200),
        (&*auditor, "/ledger/events/3", "*/*", "auditor", "/ledger/events/{position}", 200),
        (&*worker, "/api/v1/jobs", "*/*", "worker", "/api/v1/jobs", 403),
        (&*worker, &format!("/ledger/jobs/b?org={OTHER}"), "*/*", "worker", "/ledger/jobs/{id}", 404),
        (nobody, "/ledger/jobs/a", "*/*", "", "/ledger/jobs/{id}", 401),
    ];
    for (n, (token, path, accept, actor, route, status)) in cases.into_iter().enumerate() {
        let id = format!("request-{n}");
        let answer = as_one(token).get_with(path, &[("x-request-id", &id), ("accept", accept)]).expect(status);
        let told = logged.told(&id);
        assert_eq!(told["status"], status, "{told}");
        assert_eq!((&told["route"], &told["method"]), (&json!(route), &json!("GET")));
        assert_eq!(told["bytes"], answer.body.len(), "{told}");
        assert_eq!((&told["address"], &told["whole"]), (&json!("127.0.0.1"), &json!(true)));
        let (who, org) = if actor.is_empty() {
            (none.clone(), none.clone())
        } else {
            (json!(actor), json!("00000000-0000-0000-0000-000000000000"))
        };
        assert_eq!((&told["actor"], &told["role"], &told["organisation"]), (&who, &who, &org), "{told}");
    }
    // A refused append has a line too.
    as_one(&auditor).append_with(&task_job("c"), &[("x-request-id", "append")]).expect(403);
    assert_eq!(logged.told("append")["actor"], "auditor");
    // A form with a wrong token leads back to its page, and is a refusal all the same.
    let form = |id, token: &str| {
        let headers = [("content-type", "application/x-www-form-urlencoded"), ("x-request-id", id)];
        let body = format!("token={token}");
        Client::new(&logged.server.url, None).send(Method::POST, "/session", &headers, body.as_bytes()).expect(303);
    };
    form("signed-in", &worker);
    form("not-signed-in", nobody);
    assert_eq!((&logged.told("not-signed-in")["status"], &logged.told("not-signed-in")["actor"]), (&json!(303), &none));
    assert_eq!(logged.line("signed-in"), None);
    // A `HEAD` request for an export sends no bytes.
    let mut stream = connect(&logged.server.url);
    send(&mut stream, &head("HEAD /ledger/export", &auditor, "x-request-id: head\r\n"));
    assert_eq!(logged.told("head")["bytes"], 0);
    // Successful reads and appends in the caller's organisation have no line.
    as_one(&worker).get_with("/ledger/jobs/a", &[("x-request-id", "plain")]).expect(200);
    as_one(&auditor).get_with("/ledger/jobs/a", &[("x-request-id", "own")]).expect(200);
    as_one(&worker).append_with(&event("job.completed", "a", json!({})), &[("x-request-id", "reported")]).expect(201);
    as_one(nobody).get_with("/ledger/jobs/a", &[("x-request-id", "last")]).expect(401);
    logged.told("last");
    for quiet in ["plain", "own", "reported"] {
        assert_eq!(logged.line(quiet), None);
    }
    let text = std::fs::read_to_string(&logged.log).unwrap();
    for secret in [&*worker, &*auditor, &*stranger, nobody] {
        assert!(!text.contains(secret) && !text.contains(&secret[3..]), "a token is in the log");
    }
    assert!(!text.contains("org="), "a query is in the log");
}

#[test]
fn the_filter_debug_logs_every_request_and_off_logs_none() {
    let dir = tempfile::tempdir().unwrap();
    let logged = Logged::start(dir.path(), "error,jobledger::access_log=debug");
    let data = dir.path().join("data");
    let worker = logged.server.client(&token(&data, "worker"));
    worker.append_with(&task_job("a"), &[("x-request-id", "one")]).expect(201);
    assert_eq!(logged.told("one")["status"], 201);
    let forwarded = [("x-request-id", "two"), ("x-forwarded-for", "192.0.2.7")];
    worker.send(Method::GET, "/healthz", &forwarded, b"").expect(200);
    assert_eq!(logged.told("two")["forwarded_for"], "192.0.2.7");
    drop(logged);
    let other = tempfile::tempdir().unwrap();
    let logged = Logged::start(other.path(), "info,jobledger::access_log=off");
    logged.server.client("jl_nobody").get_with("/ledger/jobs", &[("x-request-id", "three")]).expect(401);
    let log = logged.log.clone();
    logged.server.end("TERM").expect(0);
    assert!(!std::fs::read_to_string(log).unwrap().contains("three"));
}
