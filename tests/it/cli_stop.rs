//! A server that is told to stop waits for answers under way, for a limited time, and for nothing else.

use std::io::{Read, Write};

use serde_json::json;

use crate::support::cli::{Serving, cli, token};
use crate::support::raw::{connect, head, send};
use crate::support::{event, task_job};

/// A server that waits for its answers longer than a test waits for the server.
fn patient(dir: &std::path::Path) -> Serving {
    Serving::of(cli(["serve", "--listen", "127.0.0.1:0", "--drain", "1h", "--data"]).arg(dir))
}

#[test]
fn a_stopping_server_does_not_wait_for_an_incomplete_request() {
    let dir = tempfile::tempdir().unwrap();
    let server = patient(dir.path());
    let worker = token(dir.path(), "worker");
    let length = "content-type: application/json\r\ncontent-length: 1000\r\n";
    let begun = [
        String::new(),
        "GET /healthz HTTP/1.1\r\nhost: te".to_owned(),
        head("POST /ledger/events", &worker, length),
        format!("{}{{", head("POST /ledger/events", &worker, length)),
        // A request that the server refuses without its body.
        format!("{}{{", head("POST /nowhere", &worker, length)),
    ];
    let mut open: Vec<_> = begun.iter().map(|_| connect(&server.url)).collect();
    let mut kept = connect(&server.url);
    for (stream, begun) in open.iter_mut().zip(&begun) {
        stream.write_all(begun.as_bytes()).unwrap();
    }
    // A connection that is kept alive, with half of its second request.
    assert!(send(&mut kept, &head("HEAD /healthz", &worker, "")).starts_with("HTTP/1.1 200"));
    kept.write_all(b"GET /hea").unwrap();
    assert!(send(&mut connect(&server.url), &head("HEAD /healthz", &worker, "")).starts_with("HTTP/1.1 200"));
    server.end("TERM").expect(0);
    for mut stream in open {
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        assert!(rest.is_empty(), "{}", String::from_utf8_lossy(&rest));
    }
}

#[test]
fn a_stopping_server_waits_the_given_time_for_a_client_that_reads_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serving::of(cli(["serve", "--listen", "127.0.0.1:0", "--drain", "200ms", "--data"]).arg(dir.path()));
    let worker = token(dir.path(), "worker");
    let client = server.client(&worker);
    // More than the buffers of the connection hold.
    for n in 0..3 {
        let job = format!("job-{n}");
        client.append(&task_job(&job)).expect(201);
        for _ in 0..25 {
            let notes: Vec<_> =
                (0..40).map(|_| event("job.noted", &job, json!({"text": "x ".repeat(7_000)}))).collect();
            client.append(&json!(notes)).expect(201);
        }
    }
    let mut stuck = connect(&server.url);
    let answer = send(&mut stuck, &head("GET /ledger/events", &worker, "accept: application/x-ndjson\r\n"));
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    server.end("TERM").refused(0, &["did not take their answers", "stopped"]);
}

#[test]
fn a_drain_option_that_is_no_duration_is_refused() {
    for text in ["5", "soon", "-1s"] {
        cli(["serve", "--data", "never", &format!("--drain={text}")]).run().refused(2, &["--drain", text]);
    }
}
