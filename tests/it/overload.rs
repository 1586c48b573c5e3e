//! More appends than the bounded queue holds.

use std::io::Write;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use jobledger::access::Role;
use jobledger::ledger::Options;

use crate::support::raw::{connect, head, send};
use crate::support::{Gate, TestServer, created, nil, noted, problem};

/// Longest wait for the server to have read what was sent.
const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn a_full_queue_refuses_at_once_and_loses_nothing() {
    let gate = Gate::default();
    let dir = tempfile::tempdir().unwrap();
    let server = TestServer::open(dir.path(), Options { clock: gate.clock(), queue: 1, ..Options::default() });
    let worker = server.client(Role::Worker);
    worker.append(&created("a")).expect(201);
    gate.set(true);
    let (send, answers) = mpsc::channel();
    let append = |text: &'static str| {
        let (worker, send) = (worker.clone(), send.clone());
        std::thread::spawn(move || send.send(worker.append(&noted("a", text))).unwrap())
    };
    let mut sending = vec![append("in the commit")];
    gate.reached();
    // One of these two fills the queue; the other is refused while both others still wait.
    sending.extend([append("second"), append("third")]);
    let refused = answers.recv_timeout(Duration::from_secs(30));
    // Opened before anything can fail: a server whose writer waits does not stop.
    gate.set(false);
    let refused = refused.unwrap();
    assert_eq!(refused.header("retry-after"), "1");
    problem(refused, 503, "overloaded");
    for _ in 0..2 {
        answers.recv().unwrap().expect(201);
    }
    for thread in sending {
        thread.join().unwrap();
    }
    assert_eq!(worker.head(), 3);
}

#[test]
fn large_bodies_share_a_budget_and_small_ones_need_none() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&created("a")).expect(201);
    let token = server.token("large", Role::Worker, nil());
    // The largest that there may be, of which the last byte is not sent: sixteen take all of the budget but 1 MiB.
    let event = noted("a", "large").to_string();
    let body = event.clone() + &" ".repeat((16 << 20) - event.len());
    let more = format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len());
    let request = head("POST /ledger/events", &token, &more) + &body;
    let unfinished = |_| {
        let mut stream = connect(&server.url);
        stream.write_all(&request.as_bytes()[..request.len() - 1]).unwrap();
        stream
    };
    let mut unfinished: Vec<_> = (0..16).map(unfinished).collect();
    let medium = &body[..2 << 20];
    let send_medium = || worker.post("application/json", medium.as_bytes());
    // All that was sent must be read first: another body meanwhile could take the room of one of them.
    let all = format!("jobledger_body_bytes {}", 16 * (body.len() - 1 - (64 << 10)));
    let until = Instant::now() + PATIENCE;
    while !worker.get("/metrics").text().lines().any(|line| line == all) {
        assert!(Instant::now() < until, "the large bodies are never read");
    }
    let refused = send_medium();
    assert_eq!(refused.header("retry-after"), "1");
    problem(refused, 503, "overloaded");
    worker.append(&noted("a", "small")).expect(201);
    // Whoever was let in comes to the end, and makes room.
    assert!(send(&mut unfinished[0], " ").starts_with("HTTP/1.1 20"));
    send_medium().expect(200);
}
