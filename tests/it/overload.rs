//! More appends than the bounded queue holds.

use std::io::Write;
use std::net::TcpStream;
use std::sync::mpsc;
use std::time::Duration;

use jobledger::access::Role;
use jobledger::ledger::Options;

use crate::support::raw::{connect, head, send};
use crate::support::until_metric;
use crate::support::{Client, Gate, TestServer, nil, noted, problem, task_job};

#[test]
fn a_full_queue_refuses_at_once_and_loses_nothing() {
    let gate = Gate::default();
    let dir = tempfile::tempdir().unwrap();
    let server = TestServer::open(dir.path(), Options { clock: gate.clock(), queue: 1, ..Options::default() });
    let worker = server.client(Role::Worker);
    worker.append(&task_job("a")).expect(201);
    gate.set(true);
    let (send, answers) = mpsc::channel();
    let append = |text: &'static str| {
        let (worker, send) = (worker.clone(), send.clone());
        std::thread::spawn(move || send.send(worker.append(&noted("a", text))).unwrap())
    };
    let mut sending = vec![append("in the commit")];
    gate.reached();
    // One of these two requests fills the queue, and the other is refused while the first two still wait.
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
    worker.append(&task_job("a")).expect(201);
    let body = large_body();
    // The clients do not send the last byte of each body. Four bodies take the budget except 256 KiB, two take the share of a token.
    let mut unfinished = Vec::new();
    for name in ["a", "b"] {
        let token = server.token(name, Role::Worker, nil());
        unfinished.extend((0..2).map(|_| send_but_the_last_byte(&server, &token, &body)));
    }
    let medium = &body[..2 << 20];
    let send_medium = || worker.post("application/json", medium.as_bytes());
    until_held(&server.client_named(Role::Auditor, "metrics"), &body, 4);
    let refused = send_medium();
    assert_eq!(refused.header("retry-after"), "1");
    problem(refused, 503, "overloaded");
    worker.append(&noted("a", "small")).expect(201);
    // A request that has room is completed, and makes room for another.
    assert!(send(&mut unfinished[0], " ").starts_with("HTTP/1.1 20"));
    send_medium().expect(200);
}

#[test]
fn one_token_cannot_take_the_room_of_all_large_bodies() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&task_job("a")).expect(201);
    let token = server.token("large", Role::Worker, nil());
    let body = large_body();
    let slow: Vec<_> = (0..2).map(|_| send_but_the_last_byte(&server, &token, &body)).collect();
    until_held(&server.client_named(Role::Auditor, "metrics"), &body, 2);
    let greedy = Client::new(&server.url, Some(&token));
    let medium = &body.as_bytes()[..2 << 20];
    for _ in 2..35 {
        problem(greedy.post("application/json", medium), 503, "overloaded");
    }
    greedy.append(&noted("a", "small")).expect(201);
    worker.post("application/json", medium).expect(201);
    drop(slow);
}

/// An event in a body of the largest size.
fn large_body() -> String {
    let event = noted("a", "large").to_string();
    event.clone() + &" ".repeat((16 << 20) - event.len())
}

fn send_but_the_last_byte(server: &TestServer, token: &str, body: &str) -> TcpStream {
    let more = format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len());
    let request = head("POST /ledger/events", token, &more) + body;
    let mut stream = connect(&server.url);
    stream.write_all(&request.as_bytes()[..request.len() - 1]).unwrap();
    stream
}

/// Waits until the server has read `count` bodies but for their last bytes. Another body meanwhile could take the room of one.
#[track_caller]
fn until_held(auditor: &Client, body: &str, count: usize) {
    let bytes = count * (body.len() - 1 - (64 << 10));
    until_metric(auditor, &format!("jobledger_limit_held{{limit=\"body_bytes\"}} {bytes}"));
}
