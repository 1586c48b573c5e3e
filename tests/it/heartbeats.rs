//! Heartbeats that a client asks for: `event: heartbeat` on every stream with the parameter `heartbeat`.

use jobledger::access::Role;
use serde_json::json;

use crate::support::{HandClock, ROLE_JOB, TestServer, noted, role_job, rule_job, started, task_job};

/// Every stream of a server with the jobs `task`, `rule` and [`ROLE_JOB`], which have not ended.
const STREAMS: [&str; 11] = [
    "/ledger/events",
    "/ledger/jobs/task/events",
    "/ledger/jobs",
    "/ledger/jobs?status=failed",
    "/ledger/jobs/task",
    "/ledger/jobs/task/output",
    "/dbroles/jobs/67d7d053-3caf-430e-97ba-6d4933d3fd5b",
    "/api/v1/jobs/task",
    "/api/v1/jobs/task/progress",
    "/authorization/rules/jobs/rule",
    "/authorization/rules/jobs/rule/state",
];

fn with(path: &str, heartbeat: &str) -> String {
    let joint = if path.contains('?') { '&' } else { '?' };
    format!("{path}{joint}heartbeat={heartbeat}")
}

#[test]
fn every_stream_sends_the_heartbeats_that_it_was_asked_for() {
    let clock = HandClock::at("2025-03-01T12:00:05.25Z");
    let server = TestServer::start_with(clock.clock());
    let admin = server.client(Role::Admin);
    let events = json!([task_job("task"), rule_job("rule", &["one"]), role_job(ROLE_JOB), started("task")]);
    admin.append(&events).expect(201);
    let mut streams = STREAMS.map(|path| (path, admin.tail(&with(path, "1"), &[])));
    for (path, stream) in &mut streams {
        let heartbeat = stream.find(|frame| frame.event == "heartbeat").unwrap();
        assert_eq!((heartbeat.id, heartbeat.retry), (Some(4), None), "{path}");
        assert_eq!(heartbeat.data, r#"{"position":4,"at":"2025-03-01T12:00:05.250Z"}"#, "{path}");
    }
    // The position moves on, also where the event is not shown.
    admin.append(&noted("rule", "5")).expect(201);
    for (path, stream) in &mut streams {
        let heartbeat = stream.find(|frame| frame.event == "heartbeat" && frame.id > Some(4)).unwrap();
        assert_eq!((heartbeat.id, heartbeat.json()["position"].as_u64()), (Some(5), Some(5)), "{path}");
    }
}

#[test]
fn a_heartbeat_is_a_whole_number_of_seconds_from_1_to_60() {
    let server = TestServer::start();
    let admin = server.client(Role::Admin);
    admin.append(&json!([task_job("task"), rule_job("rule", &["one"]), role_job(ROLE_JOB)])).expect(201);
    let stream = [("accept", "text/event-stream")];
    for path in STREAMS {
        for wrong in ["0", "61", "-1", "+5", "1.5", "5s", "", "5&heartbeat=5"] {
            let answer = admin.get_with(&with(path, wrong), &stream).expect(400);
            assert!(answer.text().contains("parameter `heartbeat`"), "{path} {wrong}: {}", answer.text());
        }
        for right in ["1", "60"] {
            admin.stream(&with(path, right), &[]);
        }
        // An answer that is no stream has no heartbeat.
        let answer = admin.get(&with(path, "5")).expect(400);
        assert!(answer.text().contains("parameter `heartbeat`: expected `Accept: text/event-stream`"), "{path}");
    }
    let export = [("accept", "application/x-ndjson")];
    admin.get_with("/ledger/events?heartbeat=5", &export).expect(400);
    admin.get("/ledger/jobs/task/output?heartbeat=5").expect(400);
}
