//! A server whose clock is wrong for a while.

use jobledger::access::Role;
use serde_json::json;

use crate::support::{HandClock, TestServer, completed, event, noted, started, task_job};

const AHEAD: &str = "2025-03-31T12:00:00Z";
const RIGHT: &str = "2025-03-01T12:00:00Z";

#[test]
fn a_clock_that_was_ahead_leaves_only_recorded_times_in_the_future() {
    let clock = HandClock::at(AHEAD);
    let server = TestServer::start_with(clock.clock());
    let worker = server.client(Role::Worker);
    worker.append(&task_job("early")).expect(201);
    clock.set(RIGHT);
    worker.append(&json!([task_job("a"), started("a")])).expect(201);
    clock.pass(2_000_000);
    worker.append(&completed("a")).expect(201);
    let job = worker.get("/ledger/jobs/a").expect(200).json();
    assert_eq!(job["created_at"], RIGHT);
    assert_eq!(job["ended_at"], "2025-03-01T12:00:02Z");
    let event_4 = worker.get("/ledger/events/4").expect(200).json();
    assert_eq!(event_4["time"], "2025-03-01T12:00:02Z");
    assert_eq!(event_4["recordedtime"], "2025-03-31T12:00:00.000000Z");

    // The job that was created under the wrong clock accepts events with right times, given ones and the default.
    worker.append(&started("early")).expect(201);
    let mut right = event("job.progress", "early", json!({"progress": 1}));
    right["time"] = json!(RIGHT);
    worker.append(&right).expect(201);
    let mut future = event("job.progress", "early", json!({"progress": 2}));
    future["time"] = json!("2025-03-03T12:00:00Z");
    assert_eq!(worker.append(&future).expect(422).json()["pointer"], "/time");
}

#[test]
fn a_small_step_back_of_the_clock_makes_time_stand_still() {
    let clock = HandClock::at(RIGHT);
    let server = TestServer::start_with(clock.clock());
    let worker = server.client(Role::Worker);
    worker.append(&task_job("a")).expect(201);
    clock.pass(-3_000_000);
    worker.append(&started("a")).expect(201);
    assert_eq!(worker.get("/ledger/events/2").expect(200).json()["time"], RIGHT);
    assert_eq!(worker.get("/readyz").expect(200).json()["warnings"], json!(null));
}

#[test]
fn a_clock_that_is_behind_is_warned_of() {
    let clock = HandClock::at(AHEAD);
    let server = TestServer::start_with(clock.clock());
    let admin = server.client(Role::Admin);
    admin.append(&task_job("a")).expect(201);
    assert_eq!(admin.get("/readyz").expect(200).json()["warnings"], json!(null));
    clock.set(RIGHT);
    let warning = admin.get("/readyz").expect(200).json()["warnings"][0].to_string();
    assert!(warning.contains("clock") && warning.contains("2592000 s"), "{warning}");
    assert!(admin.get("/metrics").expect(200).text().contains("jobledger_clock_behind_seconds 2592000\n"));
}

#[test]
fn a_moment_that_is_not_over_is_refused_and_an_earlier_one_has_one_answer() {
    let clock = HandClock::at(AHEAD);
    let server = TestServer::start_with(clock.clock());
    let worker = server.client(Role::Worker);
    worker.append(&task_job("a")).expect(201);
    clock.set(RIGHT);
    // From here on events get the newest recorded time, so that moment is not over.
    worker.get(&format!("/ledger/jobs/a?as_of={AHEAD}")).expect(400);
    worker.append(&noted("a", "x")).expect(201);
    worker.get("/ledger/jobs/a?as_of=2025-03-31T11:59:59.999999Z").expect(404);
    worker.get("/ledger/jobs/a?as_of=2025-04-01T00:00:00Z").expect(400);
    clock.set("2025-04-01T00:00:00Z");
    assert_eq!(worker.get(&format!("/ledger/jobs/a?as_of={AHEAD}")).expect(200).json()["position"], 2);
}
