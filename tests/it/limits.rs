//! Limits of streams, bodies, exports, bundles and answers at once: in all, and for one token.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jobledger::access::Role;
use jobledger::http::{Bound, Bounds, HttpOptions};
use jobledger::ledger::system_clock;
use serde_json::json;
use ureq::http::Method;

use crate::support::raw::{STUCK, connect_narrow, head};
use crate::support::until_metric;
use crate::support::wait::until;
use crate::support::{Answer, Client, TestServer, event, nil, noted, output, problem, started, task_job};

const STREAM: [(&str, &str); 1] = [("accept", "text/event-stream")];

/// A server where `bounds` changes the limits.
fn bounded(bounds: impl FnOnce(&mut Bounds)) -> TestServer {
    let mut http = HttpOptions::default();
    bounds(&mut http.bounds);
    TestServer::serving(http)
}

/// Checks that the answer is 503 with `code`.
#[track_caller]
fn busy(answer: Answer, code: &str) {
    assert_eq!(answer.header("retry-after"), "1");
    problem(answer, 503, code);
}

/// Waits until the metrics show `held` units of the limit as taken.
#[track_caller]
fn until_held(client: &Client, limit: &str, held: u32) {
    until_metric(client, &format!("jobledger_limit_held{{limit=\"{limit}\"}} {held}"));
}

#[test]
fn streams_are_limited_in_all_and_per_token() {
    let server = bounded(|bounds| bounds.tails = Bound { total: 3, per_token: 2 });
    let (worker, viewer) = (server.client(Role::Worker), server.client(Role::Viewer));
    let auditor = server.client(Role::Auditor);
    worker.append(&task_job("a")).expect(201);
    let paths = ["/ledger/events", "/ledger/jobs/a/events", "/ledger/jobs/a"];
    let mut open = vec![worker.stream(paths[0], &[]), worker.stream(paths[2], &[])];
    for path in paths {
        busy(worker.get_with(path, &STREAM), "too-many-tails");
    }
    open.push(viewer.stream(paths[1], &[]));
    busy(viewer.get_with(paths[0], &STREAM), "too-many-tails");
    let metrics = auditor.get("/metrics").text();
    for line in ["held{limit=\"tails\"} 3", "most{limit=\"tails\"} 3", "refusals_total{limit=\"tails\"} 4"] {
        assert!(metrics.lines().any(|found| found == format!("jobledger_limit_{line}")), "{line}: {metrics}");
    }
    // Other requests go on, and a stream that ends makes room for another.
    worker.get(paths[0]).expect(200);
    open.clear();
    until_held(&auditor, "tails", 0);
    worker.stream(paths[0], &[]);
}

#[test]
fn large_bodies_are_read_in_turns_and_small_ones_meanwhile() {
    let server = bounded(|bounds| bounds.parses = Bound { total: 1, per_token: 1 });
    let (worker, auditor) = (server.client(Role::Worker), server.client(Role::Auditor));
    worker.append(&json!([task_job("a"), started("a")])).expect(201);
    let output = "password=abcdefgh\n".repeat(20_000);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let large = || {
            // Bounded, so that a failure of the other thread ends this one too.
            for _ in 0..100 {
                worker.append(&event("job.hook_output", "a", json!({ "output": output }))).expect(201);
                if done.load(Ordering::Relaxed) {
                    return;
                }
            }
        };
        scope.spawn(large);
        scope.spawn(large);
        until_held(&auditor, "parses", 1);
        worker.append(&noted("a", "small")).expect(201);
        done.store(true, Ordering::Relaxed);
    });
    until_held(&auditor, "parses", 0);
    let output = worker.get("/ledger/jobs/a/output").expect(200).text();
    assert!(output.starts_with("password=[masked:password]\n") && !output.contains("abcdefgh"));
}

/// Records a job with 12 MiB of output: more than the buffers of a connection take.
fn large_job(server: &TestServer) -> Client {
    let admin = server.client(Role::Admin);
    admin.append(&json!([task_job("a"), started("a")])).expect(201);
    for _ in 0..3 {
        admin.append(&json!([(); 4].map(|()| output("a", &"x".repeat(1 << 20))))).expect(201);
    }
    admin
}

/// Opens a connection, sends a request, and reads nothing.
fn stuck(server: &TestServer, token: &str, path: &str, accept: &str) -> TcpStream {
    let mut stream = connect_narrow(&server.url);
    let request = head(&format!("GET {path}"), token, &format!("accept: {accept}\r\n"));
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

/// Reads the rest of the stream. Checks that the connection ended before the whole answer was sent.
fn ended_early(mut stream: TcpStream) {
    let mut rest = Vec::new();
    // A reset also ends the connection.
    let _ = stream.read_to_end(&mut rest);
    assert!(rest.starts_with(b"HTTP/1.1 200") && rest.len() < 12 << 20, "{}", rest.len());
}

#[test]
fn a_connection_whose_client_reads_nothing_is_closed() {
    let http = HttpOptions { stall_timeout: Duration::from_millis(300), ..HttpOptions::default() };
    let server = TestServer::serving(http);
    let admin = large_job(&server);
    for (path, accept, limit) in STUCK {
        let stuck = stuck(&server, admin.token.as_ref().unwrap(), path, accept);
        until_begun(&stuck);
        until_let_go(&admin, limit, stuck);
    }
}

/// Waits until the server gives up an answer that has begun.
fn until_let_go(client: &Client, limit: &str, stuck: TcpStream) {
    until_held(client, limit, 0);
    ended_early(stuck);
}

/// Waits for the first bytes of the answer without reading them.
fn until_begun(stream: &TcpStream) {
    let mut peeked = [0; 12];
    until("the answer begins", || {
        let count = stream.peek(&mut peeked).unwrap();
        assert_ne!(count, 0, "the connection ended before the answer began");
        count == peeked.len()
    });
    assert_eq!(&peeked, b"HTTP/1.1 200");
}

#[test]
fn a_revoked_token_ends_an_answer_that_is_not_read() {
    let http = HttpOptions { stall_timeout: Duration::from_secs(3600), ..HttpOptions::default() };
    let server = TestServer::serving(http);
    let admin = large_job(&server);
    // A large page is in memory already, and one that is sent whole: it ends by the time-out alone.
    for (n, (path, accept, limit)) in STUCK.into_iter().take(5).enumerate() {
        let name = format!("v{n}");
        let token = server.token(&name, Role::Viewer, nil());
        let stuck = stuck(&server, &token, path, accept);
        until_held(&admin, limit, 1);
        // The answer begins before the token ends, or there is no answer to give up.
        until_begun(&stuck);
        server.access().revoke(nil(), &name, system_clock()()).unwrap();
        until_let_go(&admin, limit, stuck);
    }
}

#[test]
fn exports_and_bundles_are_limited_and_head_requests_do_not_count() {
    let server = bounded(|bounds| {
        bounds.exports = Bound { total: 2, per_token: 1 };
        bounds.bundles = Bound { total: 1, per_token: 1 };
    });
    let admin = large_job(&server);
    let viewer = server.client(Role::Viewer);
    let token = admin.token.clone().unwrap();
    let export = [("accept", "application/x-ndjson")];
    let bundle = "/ledger/jobs/a/evidence";
    let _export = stuck(&server, &token, "/ledger/events", "application/x-ndjson");
    until_held(&admin, "exports", 1);
    busy(admin.get_with("/ledger/events", &export), "too-many-exports");
    busy(admin.get_with("/ledger/jobs/a/events", &export), "too-many-exports");
    assert_eq!(viewer.get_with("/ledger/events", &export).expect(200).text().lines().count(), 14);
    let _bundle = stuck(&server, &token, bundle, "*/*");
    until_held(&admin, "bundles", 1);
    for client in [&admin, &viewer] {
        busy(client.get(bundle), "too-many-bundles");
        let asked = client.send(Method::HEAD, bundle, &[], b"").expect(200);
        assert_eq!((asked.header("content-type"), asked.header("ledger-position")), ("application/x-tar", "14"));
    }
    viewer.send(Method::HEAD, "/ledger/jobs/b/evidence", &[], b"").expect(404);
}

#[test]
fn the_bytes_of_bundles_are_limited() {
    let server = bounded(|bounds| bounds.bundle_bytes = Bound { total: 24 << 20, per_token: 20 << 20 });
    let admin = large_job(&server);
    let viewer = server.client(Role::Viewer);
    admin.append(&task_job("small")).expect(201);
    let (large, small) = ("/ledger/jobs/a/evidence", "/ledger/jobs/small/evidence");
    let held = stuck(&server, admin.token.as_ref().unwrap(), large, "*/*");
    until_held(&admin, "bundle_bytes", 16 << 20);
    busy(viewer.get(large), "too-many-bundles");
    viewer.get(small).expect(200);
    drop(held);
    until_held(&admin, "bundle_bytes", 0);
    viewer.get(large).expect(200);

    let server = bounded(|bounds| bounds.bundle_bytes = Bound { total: 24 << 20, per_token: 8 << 20 });
    let admin = large_job(&server);
    problem(admin.get(large), 422, "bundle-too-large");
}
