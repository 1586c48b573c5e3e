//! How much there may be at once of what costs memory, disk or time: in all, and of one token.

use std::time::{Duration, Instant};

use jobledger::access::Role;
use jobledger::http::{Bounds, HttpOptions, Most};

use crate::support::{Answer, Client, TestServer, created, problem};

const STREAM: [(&str, &str); 1] = [("accept", "text/event-stream")];

/// A server where `bounds` changes the limits.
fn bounded(bounds: impl FnOnce(&mut Bounds)) -> TestServer {
    let mut http = HttpOptions::default();
    bounds(&mut http.bounds);
    TestServer::serving(http)
}

/// Refused for now, with `code`.
#[track_caller]
fn busy(answer: Answer, code: &str) {
    assert_eq!(answer.header("retry-after"), "1");
    problem(answer, 503, code);
}

/// Waits until `held` of the limit is held.
fn until_held(client: &Client, limit: &str, held: u32) {
    let line = format!("jobledger_limit_held{{limit=\"{limit}\"}} {held}");
    let until = Instant::now() + Duration::from_secs(30);
    while !client.get("/metrics").text().lines().any(|found| found == line) {
        assert!(Instant::now() < until, "never {line}");
        std::thread::yield_now();
    }
}

#[test]
fn streams_are_limited_in_all_and_per_token() {
    let server = bounded(|bounds| bounds.tails = Most { all: 3, each: 2 });
    let (worker, viewer) = (server.client(Role::Worker), server.client(Role::Viewer));
    let auditor = server.client(Role::Auditor);
    worker.append(&created("a")).expect(201);
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
    // What is no stream goes on, and a stream that ends makes room.
    worker.get(paths[0]).expect(200);
    open.clear();
    until_held(&auditor, "tails", 0);
    worker.stream(paths[0], &[]);
}
