//! Hundreds of streams that come at once, as after a restart: they are opened at a steady pace, and other requests pass them.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use jobledger::access::Role;
use jobledger::http::{Bound, Bounds, HttpOptions};
use jobledger::job::OrgId;
use serde_json::json;

use crate::support::raw::{connect, head};
use crate::support::until_metric;
use crate::support::{Client, TestServer, started, task_job};

/// Streams that come at once.
const STREAMS: usize = 400;
/// The time in which the server opens that many: 1,000 a second, but for a few at the beginning.
const LEAST: Duration = Duration::from_millis(390);

/// A server with one job, an administrator's client, and a token for watchers.
fn server() -> (TestServer, Client, String) {
    let tails = Bound { total: 1000, per_token: 1000 };
    let bounds = Bounds { tails, ..Bounds::default() };
    let server = TestServer::serving(HttpOptions { bounds, ..HttpOptions::default() });
    let admin = server.client(Role::Admin);
    admin.append(&json!([task_job("a"), started("a")])).expect(201);
    let watchers = server.token("watchers", Role::Viewer, OrgId::default());
    (server, admin, watchers)
}

/// Connections that ask for a tail each and have read nothing yet.
fn asked(server: &TestServer, token: &str) -> Vec<TcpStream> {
    let request = head("GET /ledger/jobs/a/events?after=0", token, "accept: text/event-stream\r\n");
    let mut connections: Vec<_> = (0..STREAMS).map(|_| connect(&server.url)).collect();
    connections.iter_mut().for_each(|connection| connection.write_all(request.as_bytes()).unwrap());
    connections
}

/// Reads the stream up to the job's second event.
fn reads_to_the_second_event(connection: &mut TcpStream) {
    let (mut text, mut buffer) = (Vec::new(), [0; 4096]);
    while !String::from_utf8_lossy(&text).contains("event: job.started") {
        let read = connection.read(&mut buffer).unwrap();
        assert!(read > 0, "the stream ended: {}", String::from_utf8_lossy(&text));
        text.extend_from_slice(&buffer[..read]);
    }
    assert!(text.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&text));
}

#[test]
fn streams_that_come_at_once_are_opened_at_a_steady_pace() {
    let (server, admin, watchers) = server();
    let begun = Instant::now();
    let mut connections = asked(&server, &watchers);
    connections.iter_mut().for_each(reads_to_the_second_event);
    assert!(begun.elapsed() >= LEAST, "{:?}", begun.elapsed());
    until_metric(&admin, &format!("jobledger_limit_held{{limit=\"tails\"}} {STREAMS}"));
    until_metric(&admin, "jobledger_tails_waiting 0");
}

#[test]
fn clients_that_disconnect_while_they_wait_give_their_places_back() {
    let (server, admin, watchers) = server();
    for _ in 0..3 {
        drop(asked(&server, &watchers));
    }
    until_metric(&admin, "jobledger_limit_held{limit=\"tails\"} 0");
    until_metric(&admin, "jobledger_tails_waiting 0");
    assert_eq!(admin.tail("/ledger/jobs/a/events?after=0", &[]).event().event, "job.created");
}

#[test]
fn a_stop_ends_the_streams_that_wait() {
    let (mut server, _, watchers) = server();
    let connections = asked(&server, &watchers);
    server.stop();
    for mut connection in connections {
        match connection.read_to_end(&mut Vec::new()) {
            Ok(_) => {}
            // The server closed the connection before it read the request.
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
        }
    }
}
