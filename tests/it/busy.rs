//! One stream too many: a browser gets a stream that says so, and every other client 503.

use jobledger::access::Role;
use jobledger::http::{Bound, Bounds, HttpOptions};
use serde_json::json;
use ureq::http::Method;

use crate::support::until_metric;
use crate::support::{Client, Frame, TestServer, problem, rule_job, task_job};

const STREAMS: [&str; 7] = [
    "/ledger/events",
    "/ledger/jobs/a/events",
    "/ledger/jobs",
    "/ledger/jobs/a",
    "/ledger/jobs/a/output",
    "/api/v1/jobs/a",
    "/authorization/rules/jobs/rule/state",
];

/// A server that allows so many streams, and an administrator's client.
fn bounded(tails: Bound) -> (TestServer, Client) {
    let server =
        TestServer::serving(HttpOptions { bounds: Bounds { tails, ..Bounds::default() }, ..HttpOptions::default() });
    let admin = server.client(Role::Admin);
    admin.append(&json!([task_job("a"), rule_job("rule", &["one"])])).expect(201);
    (server, admin)
}

/// The cookie of a browser that signs in with the client's token.
fn cookie(client: &Client) -> String {
    let answer = client.send(Method::POST, "/session", &[], b"").expect(204);
    answer.header("set-cookie").split(';').next().unwrap().to_owned()
}

/// Checks that the browser is told to come back later. Returns after how many milliseconds.
#[track_caller]
fn told_to_come_back(server: &TestServer, cookie: &str, path: &str) -> u64 {
    let frames: Vec<Frame> = server.anonymous().stream(path, &[("cookie", cookie)]).collect();
    let [retry, busy] = &frames[..] else { panic!("{path}: {frames:?}") };
    let milliseconds = retry.retry.unwrap();
    assert_eq!(*retry, Frame { retry: Some(milliseconds), ..Frame::default() }, "{path}");
    assert!((5_000..=15_000).contains(&milliseconds), "{path}: {milliseconds}");
    // Without an id the browser keeps the position that it has seen.
    assert_eq!((busy.event.as_str(), busy.id), ("busy", None), "{path}");
    assert_eq!(busy.json()["code"], "too-many-tails");
    assert!(busy.json()["detail"].as_str().unwrap().contains("streams of one token"), "{}", busy.data);
    milliseconds
}

#[test]
fn a_browser_is_told_to_come_back_and_every_other_client_is_refused() {
    let (server, admin) = bounded(Bound { total: 10, per_token: 1 });
    let cookie = cookie(&admin);
    let open = server.anonymous().stream("/ledger/events", &[("cookie", &cookie)]);
    for path in STREAMS {
        told_to_come_back(&server, &cookie, path);
        let refused = admin.get_with(path, &[("accept", "text/event-stream")]);
        assert_eq!((refused.status, refused.header("retry-after")), (503, "1"), "{path}");
    }
    problem(admin.get_with(STREAMS[0], &[("accept", "text/event-stream")]), 503, "too-many-tails");
    // Browsers that are turned away together come back one by one.
    let times: Vec<u64> = (0..20).map(|_| told_to_come_back(&server, &cookie, STREAMS[0])).collect();
    assert!(times.iter().any(|time| *time != times[0]), "{times:?}");
    // Both count as refusals. Reads go on, and a stream that ends makes room.
    let refusals = STREAMS.len() * 2 + 1 + 20;
    until_metric(&admin, &format!("jobledger_limit_refusals_total{{limit=\"tails\"}} {refusals}"));
    assert_eq!(server.anonymous().get_with("/ledger/jobs", &[("cookie", &cookie)]).status, 200);
    drop(open);
    until_metric(&admin, "jobledger_limit_held{limit=\"tails\"} 0");
    assert_eq!(server.anonymous().tail("/ledger/jobs", &[("cookie", &cookie)]).event().event, "snapshot");
}

#[test]
fn a_browser_is_told_so_too_when_other_tokens_hold_every_stream() {
    let (server, admin) = bounded(Bound { total: 1, per_token: 1 });
    let cookie = cookie(&server.client(Role::Viewer));
    let _open = admin.stream("/ledger/events", &[]);
    told_to_come_back(&server, &cookie, "/ledger/jobs");
}

#[test]
fn other_errors_stay_errors_for_a_browser() {
    let (server, admin) = bounded(Bound { total: 10, per_token: 1 });
    let cookie = cookie(&admin);
    let _open = admin.stream("/ledger/events", &[]);
    let headers = [("accept", "text/event-stream"), ("cookie", cookie.as_str())];
    server.anonymous().get_with("/ledger/jobs/a/events?type=x", &headers).expect(400);
    server.anonymous().get_with("/ledger/jobs/none/events", &headers).expect(404);
    let wrong = [("accept", "text/event-stream"), ("cookie", "jobledger_session=jls_wrong")];
    server.anonymous().get_with("/ledger/jobs", &wrong).expect(401);
}
