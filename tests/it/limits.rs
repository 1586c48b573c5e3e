//! How much there may be at once of what costs memory, disk or time: in all, and of one token.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use jobledger::access::Role;
use jobledger::http::{Bounds, HttpOptions, Most};
use serde_json::json;

use crate::support::{Answer, Client, TestServer, created, event, noted, problem, started};

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

#[test]
fn large_bodies_are_read_in_turns_and_small_ones_meanwhile() {
    let server = bounded(|bounds| bounds.parses = Most { all: 1, each: 1 });
    let (worker, auditor) = (server.client(Role::Worker), server.client(Role::Auditor));
    worker.append(&json!([created("a"), started("a")])).expect(201);
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
