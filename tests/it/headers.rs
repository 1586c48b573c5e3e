//! Request headers that must stand once, and the answer header that forbids caches to store.

use jobledger::access::Role;
use serde_json::json;
use ureq::http::Method;

use crate::support::raw::{connect, send};
use crate::support::{ROLE_JOB, TestServer, role_job, rule_job, task_job};

/// The head and the body of the answer to a request that is sent as it stands.
fn exchange(server: &TestServer, head: &str) -> (String, String) {
    use std::io::Read;
    let mut stream = connect(&server.url);
    let answer = send(&mut stream, &format!("{head}connection: close\r\n\r\n"));
    let mut body = String::new();
    stream.read_to_string(&mut body).unwrap();
    (answer, body)
}

#[test]
fn a_header_that_must_stand_once_is_refused_if_it_repeats() {
    let server = TestServer::start();
    let admin = server.client(Role::Admin);
    admin.append(&task_job("a")).expect(201);
    let token = format!("authorization: Bearer {}\r\n", admin.token.as_deref().unwrap());
    let wrong = "authorization: Bearer jl_wrong\r\n";
    let host = "host: test\r\n";
    let is = |head: &str, status: u16| {
        let (answer, body) = exchange(&server, head);
        assert!(answer[8..].starts_with(&format!(" {status}")), "{head}\n{answer}{body}");
        body
    };
    let get = "GET /ledger/jobs/a HTTP/1.1\r\n";
    is(&format!("{get}{host}{token}"), 200);
    for twice in [format!("{token}{token}"), format!("{token}{wrong}"), format!("{wrong}{token}")] {
        let body = is(&format!("{get}{host}{twice}"), 400);
        let problem: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(problem["code"], "bad-request");
        assert!(problem["detail"].as_str().unwrap().contains("`authorization` once, found it 2 times"), "{problem}");
    }
    for hosts in
        ["", "host: test\r\nhost: test\r\n", "host: \r\n", "host: a b\r\n", "host: me@test\r\n", "host: a/b\r\n"]
    {
        assert!(is(&format!("{get}{hosts}{token}"), 400).contains("`host`"), "{hosts:?}");
    }
    for fine in ["host: [::1]:8347\r\n", "host: 127.0.0.1\r\n", "Host: Example.COM:1\r\n"] {
        is(&format!("{get}{fine}{token}"), 200);
    }
    // HTTP/1.0 has no `Host`.
    is(&format!("GET /ledger/jobs/a HTTP/1.0\r\n{token}"), 200);
    let documented = is(&format!("GET /api/v1/jobs HTTP/1.1\r\n{token}"), 400);
    assert!(documented.starts_with(r#"{"error":{"code":"VALIDATION_ERROR","message":"#), "{documented}");
    let event = task_job("b").to_string();
    let json = "content-type: application/json\r\n";
    let length = format!("content-length: {}\r\n", event.len());
    let post = format!("POST /ledger/events HTTP/1.1\r\n{host}{token}{json}content-type: text/plain\r\n{length}");
    let answer = send(&mut connect(&server.url), &format!("{post}\r\n{event}"));
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert_eq!(admin.head(), 1);
}

#[test]
fn no_cache_may_store_an_answer_that_depends_on_a_token() {
    let server = TestServer::start();
    let admin = server.client(Role::Admin);
    admin.append(&json!([task_job("a"), role_job(ROLE_JOB), rule_job("r", &["x"])])).expect(201);
    let role = format!("/dbroles/jobs/{ROLE_JOB}");
    let kept_nowhere = [
        "/ledger/events",
        "/ledger/events/1",
        "/ledger/jobs",
        "/ledger/jobs?first=0",
        "/ledger/jobs/a",
        "/ledger/jobs/a/events",
        "/ledger/jobs/a/output",
        "/ledger/jobs/a/diff?from=1",
        "/ledger/jobs/none",
        "/ledger/nothing",
        "/api/v1/jobs",
        "/api/v1/jobs/running",
        "/api/v1/jobs/a",
        "/api/v1/jobs/none",
        &role,
        "/authorization/rules/jobs/r/state",
        "/metrics",
        "/readyz",
    ];
    for path in kept_nowhere {
        for client in [&admin, &server.anonymous()] {
            for method in [Method::GET, Method::HEAD] {
                let answer = client.send(method, path, &[], b"");
                assert_eq!(answer.header("cache-control"), "no-store", "{path} {}", answer.status);
            }
        }
    }
    let revision = admin.get("/ledger/jobs/a").header("etag").to_owned();
    let unchanged = admin.get_with("/ledger/jobs/a", &[("if-none-match", &revision)]).expect(304);
    assert_eq!(unchanged.header("cache-control"), "no-store");
    assert_eq!(admin.append(&task_job("b")).expect(201).header("cache-control"), "no-store");
    assert_eq!(admin.delete("/api/v1/jobs/b").expect(204).header("cache-control"), "no-store");
    assert_eq!(admin.send(Method::POST, "/session", &[], b"").expect(204).header("cache-control"), "no-store");
    for (path, said) in [
        ("/ledger/checkpoint", "no-cache"),
        ("/ledger/events/1/proof", "no-cache"),
        ("/ledger/events/1/leaf", "private, max-age=31536000, immutable"),
        ("/openapi.json", "no-cache"),
        ("/schema/events/job.created.v1.json", "no-cache"),
        ("/docs/", "no-cache"),
    ] {
        assert_eq!(admin.get(path).expect(200).header("cache-control"), said, "{path}");
    }
}
