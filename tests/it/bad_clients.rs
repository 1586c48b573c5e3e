//! Clients that send slowly, send without end, or hold idle connections. Other appends and reads go on.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use jobledger::access::Role;
use jobledger::http::{Bound, Bounds, HttpOptions};
use serde_json::json;

use crate::support::raw::{connect, head, send};
use crate::support::{Client, TestServer, event, nil, processed, started, task_job};

/// Appends ten jobs, numbered from `from`, and reads each back.
fn goes_on(worker: &Client, from: u64) {
    for n in from..from + 10 {
        worker.append(&processed("a", n)).expect(201);
        assert_eq!(worker.get("/ledger/jobs/a").expect(200).json()["records_processed"], n);
    }
}

fn server_and_token() -> (TestServer, Client, String) {
    with_token(TestServer::start())
}

fn with_token(server: TestServer) -> (TestServer, Client, String) {
    let worker = server.client(Role::Worker);
    worker.append(&json!([task_job("a"), started("a")])).expect(201);
    let token = server.token("bad", Role::Worker, nil());
    (server, worker, token)
}

#[test]
fn clients_that_send_slowly_hold_up_no_other() {
    let (server, worker, token) = server_and_token();
    let body = event("job.noted", "a", json!({"text": "slow"})).to_string();
    let more = format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len());
    let request = format!("{}{body}", head("POST /ledger/events", &token, &more));
    // Each stops at another place: in the first line, in a header, before the body, in it, one byte before its end.
    let (head_end, end) = (request.len() - body.len(), request.len());
    let stops = [0, 3, 40, head_end - 2, head_end, head_end + 10, end - 1];
    let slow: Vec<(TcpStream, usize)> = stops
        .into_iter()
        .cycle()
        .take(56)
        .map(|stop| {
            let mut stream = connect(&server.url);
            stream.write_all(&request.as_bytes()[..stop]).unwrap();
            (stream, stop)
        })
        .collect();
    goes_on(&worker, 1);
    // Byte by byte the requests are completed. The first one records the event, and the others are duplicates.
    let (mut recorded, mut repeated) = (0, 0);
    for (mut stream, stop) in slow {
        for byte in &request.as_bytes()[stop..end - 1] {
            stream.write_all(&[*byte]).unwrap();
        }
        let answer = send(&mut stream, &request[end - 1..]);
        recorded += usize::from(answer.starts_with("HTTP/1.1 201"));
        repeated += usize::from(answer.starts_with("HTTP/1.1 200"));
    }
    assert_eq!((recorded, repeated), (1, 55));
    goes_on(&worker, 11);
}

#[test]
fn a_body_that_never_ends_is_refused_and_holds_up_no_other() {
    let (server, worker, token) = server_and_token();
    let request =
        head("POST /ledger/events", &token, "content-type: application/json\r\ntransfer-encoding: chunked\r\n");
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    std::thread::scope(|scope| {
        let endless: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut stream = connect(&server.url);
                    stream.write_all(request.as_bytes()).unwrap();
                    let mut sent = 0_usize;
                    while stream.write_all(chunk.as_bytes()).is_ok() {
                        sent += chunk.len();
                        assert!(sent < 512 << 20, "still listening after {sent} bytes");
                    }
                    sent
                })
            })
            .collect();
        goes_on(&worker, 1);
        for sent in endless.into_iter().map(|thread| thread.join().unwrap()) {
            // The server reads a body that is a little too large to its end, so that the client gets the refusal.
            assert!(sent > 16 << 20, "{sent}");
        }
    });
    goes_on(&worker, 11);
    assert_eq!(worker.positions("").len(), 22);
}

#[test]
fn a_body_that_is_broken_off_records_nothing() {
    let (server, worker, token) = server_and_token();
    let batch = json!([processed("a", 1), processed("a", 2)]).to_string();
    let more = format!("content-type: application/json\r\ncontent-length: {}\r\n", batch.len());
    let request = format!("{}{batch}", head("POST /ledger/events", &token, &more));
    for end in [request.len() - 1, request.len() - batch.len() / 2] {
        let mut stream = connect(&server.url);
        stream.write_all(&request.as_bytes()[..end]).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        // If the server still answers, the answer is a refusal.
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{answer}");
    }
    assert_eq!(worker.positions(""), [1, 2]);
    goes_on(&worker, 1);
}

/// How many files this process may have open.
fn file_limit() -> usize {
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap_or("");
    line.split_whitespace().next().and_then(|soft| soft.parse().ok()).unwrap_or(1024)
}

#[test]
fn a_thousand_idle_tails_hold_up_no_other() {
    let tails = Bound { total: 1000, per_token: 1000 };
    let http = HttpOptions { bounds: Bounds { tails, ..Bounds::default() }, ..HttpOptions::default() };
    let (server, worker, token) = with_token(TestServer::serving(http));
    // Both ends are in this process, and other tests need files too.
    let tails = 1000.min(file_limit().saturating_sub(400) / 2);
    assert!(tails > 100, "too few files may be open to try this");
    let paths = ["/ledger/events", "/ledger/jobs/a/events", "/ledger/events?type=job.completed", "/ledger/jobs/a"];
    let open: Vec<TcpStream> = (0..tails)
        .map(|n| {
            let mut stream = connect(&server.url);
            let request = head(&format!("GET {}", paths[n % paths.len()]), &token, "accept: text/event-stream\r\n");
            let answer = send(&mut stream, &request);
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            stream
        })
        .collect();
    goes_on(&worker, 1);
    let position = worker.append(&event("job.completed", "a", json!({}))).expect(201).json()["position"].clone();
    // Every one of them is told, and nothing was lost on the way to the tail that shows all.
    for (n, stream) in open.into_iter().enumerate() {
        let mut ids = Vec::new();
        for line in BufReader::new(stream).lines() {
            let line = line.unwrap();
            ids.extend(line.strip_prefix("id: ").map(|id| id.parse::<u64>().unwrap()));
            if ids.last() == position.as_u64().as_ref() {
                break;
            }
        }
        if n % paths.len() < 2 {
            // The first block says where the tail starts.
            assert_eq!(ids, (2..=13).collect::<Vec<u64>>());
        }
    }
}
