//! Requests that hyper cannot parse, because a part is too long or malformed, or has too many members. The refusal has the form of the path.

use std::io::{Read, Write};

use jobledger::access::Role;
use serde_json::{Value, json};

use crate::support::raw::{connect, head, send};
use crate::support::{TestServer, event, started, task_job};

/// Sends `request`. Returns all bytes that the server sends until it closes the connection.
fn exchange(server: &TestServer, request: &[u8]) -> String {
    let mut stream = connect(&server.url);
    stream.write_all(request).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// The status, the content type and the body of an answer. Checks that it has its length and `connection: close`.
#[track_caller]
fn parts(answer: &str) -> (u16, &str, &str) {
    let (head, body) = answer.split_once("\r\n\r\n").expect(answer);
    let header = |name: &str| {
        let mut values = head.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        let value = values.next().unwrap_or_else(|| panic!("no {name}: {head}"));
        assert_eq!(values.next(), None, "{name} twice: {head}");
        value
    };
    assert_eq!(header("content-length").parse::<usize>().unwrap(), body.len(), "{answer}");
    assert_eq!((header("connection"), header("cache-control")), ("close", "no-store"));
    assert!(!header("x-request-id").is_empty() && !header("date").is_empty());
    (head[9..12].parse().unwrap(), header("content-type"), body)
}

#[test]
fn a_refusal_by_hyper_has_the_body_of_its_path() {
    let server = TestServer::start();
    let long = "x".repeat(70_000);
    let headers = |n: usize| (0..n).map(|n| format!("x-{n}: y\r\n")).collect::<String>();
    let wide = format!("x-long: {}\r\n", "y".repeat(1 << 20));
    for (api, path) in [
        ("dbrole", "/dbroles/jobs/1"),
        ("task", "/api/v1/jobs"),
        ("rule", "/authorization/rules/jobs/1/state"),
        ("problem", "/ledger/jobs"),
        ("problem", "/"),
        ("problem", "/nowhere"),
    ] {
        let host = "host: x\r\n";
        for (status, request) in [
            (414, format!("GET {path}?q={long} HTTP/1.1\r\n{host}\r\n")),
            (431, format!("GET {path} HTTP/1.1\r\n{host}{}\r\n", headers(101))),
            (431, format!("POST {path} HTTP/1.1\r\n{host}{wide}\r\n")),
            (400, format!("GET {path} HTTP/1.1\r\n{host}no colon\r\n\r\n")),
            (400, format!("GET {path} HTTP/1.1\r\n{host}content-length: many\r\n\r\n")),
            (400, format!("GET {path} HTTP/3.7\r\n{host}\r\n")),
        ] {
            let answer = exchange(&server, request.as_bytes());
            let (found, content_type, body) = parts(&answer);
            assert_eq!(found, status, "{path}: {answer}");
            let body: Value = serde_json::from_str(body).unwrap();
            match api {
                "dbrole" => assert!(content_type == "application/json" && body["message"].is_string(), "{answer}"),
                "task" => {
                    assert_eq!((content_type, &body["error"]["code"]), ("application/json", &json!("VALIDATION_ERROR")))
                }
                "rule" => {
                    assert_eq!(
                        (content_type, &body["httpStatusCode"]),
                        ("application/vnd.sas.error+json", &json!(status))
                    );
                    assert_eq!(body["details"], json!([format!("path: {path}")]));
                }
                _ => assert_eq!((content_type, &body["status"]), ("application/problem+json", &json!(status))),
            }
        }
    }
}

#[test]
fn bytes_that_are_no_request_are_answered_with_a_problem() {
    let server = TestServer::start();
    for request in
        [&b"nonsense\r\n\r\n"[..], b"\x16\x03\x01\x02\x00\x01\x00\x01", b"GET\r\n\r\n", b"get /api/v1/jobs\r\n\r\n"]
    {
        let answer = exchange(&server, request);
        let (status, content_type, body) = parts(&answer);
        assert_eq!((status, content_type), (400, "application/problem+json"), "{answer}");
        let body: Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["code"], "bad-request");
    }
}

#[test]
fn a_client_that_still_sends_hears_why_it_is_refused() {
    let server = TestServer::start();
    let mut stream = connect(&server.url);
    write!(stream, "GET /api/v1/jobs HTTP/1.1\r\nhost: x\r\n").unwrap();
    for _ in 0..4096 {
        // The server closes the connection only after the client has sent the whole request, so sending never fails.
        stream.write_all(format!("x: {}\r\n", "y".repeat(1000)).as_bytes()).unwrap();
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert_eq!(parts(&answer).0, 431);
}

#[test]
fn a_malformed_request_after_good_ones_is_answered_too_and_leaves_their_answers_alone() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    let fake = "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    worker.append(&json!([task_job("a"), started("a")])).expect(201);
    worker.append(&event("job.hook_output", "a", json!({"output": fake}))).expect(201);
    let token = worker.token.as_deref().unwrap();
    let mut stream = connect(&server.url);
    let output = head("GET /ledger/jobs/a/output", token, "");
    // A route's answer may have a body that looks like hyper's own answer. The server sends this body unchanged.
    for _ in 0..3 {
        let answer = send(&mut stream, &output);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let mut body = Vec::new();
        while !body.ends_with(b"\r\n0\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            body.push(byte[0]);
        }
        assert!(String::from_utf8(body).unwrap().contains(fake));
        let gone = send(&mut stream, &head("DELETE /session", token, ""));
        assert!(gone.starts_with("HTTP/1.1 204"), "{gone}");
    }
    stream.write_all(b"GET /api/v1/jobs HTTP/1.1\r\nhost\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (status, _, body) = parts(&answer);
    assert_eq!(status, 400);
    assert!(body.starts_with(r#"{"error":"#), "{body}");
    // Both requests in one packet: the answer to the valid one comes first.
    let both = format!("{}BAD\r\n\r\n", head("GET /healthz", token, ""));
    let answers = exchange(&server, both.as_bytes());
    let second = answers.rfind("HTTP/1.1 400").unwrap();
    assert!(answers.starts_with("HTTP/1.1 200"), "{answers}");
    assert_eq!(parts(&answers[second..]).1, "application/problem+json");
}
