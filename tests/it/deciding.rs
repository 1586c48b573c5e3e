//! The writer thread decides from the log alone. No edit of the views leads to a signed event.

use std::panic::{AssertUnwindSafe, catch_unwind};

use jobledger::access::Role;
use jobledger::ledger::{Clock, system_clock};
use rusqlite::Connection;
use serde_json::json;

use crate::support::until_metric;
use crate::support::wait::until_some;
use crate::support::{Client, Gate, TestServer, completed, event, noted, processed, reports, started, task_job};

/// Runs SQL on the views of a stopped server, as an insider may.
fn edit_views(server: &TestServer, sql: &str) {
    Connection::open(server.path().join("views.db")).unwrap().execute_batch(sql).unwrap();
}

#[test]
fn a_job_that_the_views_call_running_stays_cancelled() {
    let mut server = TestServer::start();
    let worker = server.client(Role::Worker);
    let cancelled = event("job.cancelled", "a", json!({}));
    worker.append(&json!([task_job("a"), task_job("b"), started("a"), cancelled])).expect(201);
    worker.get("/ledger/jobs/a").expect(200);
    server.stop();
    edit_views(
        &server,
        "UPDATE job SET status = 'running', ended_at = NULL, cancelled_by = NULL, cancelled_reason = NULL, \
         cancelled_position = NULL WHERE subject = 'a'",
    );
    server.restart();
    let worker = worker.at(&server.url);
    assert_eq!(worker.append(&completed("a")).expect(409).json()["code"], "lifecycle");
    assert_eq!(worker.append(&json!([noted("b", "x"), completed("a")])).expect(409).json()["code"], "lifecycle");
    assert_eq!(worker.head(), 4);
}

#[test]
fn counts_and_items_that_the_views_invent_decide_nothing() {
    let mut server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&json!([task_job("a"), started("a"), processed("a", 3)])).expect(201);
    worker.get("/ledger/jobs/a").expect(200);
    server.stop();
    edit_views(&server, "UPDATE job SET total_records = 1, records_processed = 1, position = 2");
    server.restart();
    let worker = worker.at(&server.url);
    worker.append_with(&processed("a", 1000), &[("if-match", "\"3\"")]).expect(201);
    let total = event("job.progress", "a", json!({"total_records": 5}));
    worker.append(&total).expect(422);
}

#[test]
fn views_that_an_event_does_not_fit_are_made_again() {
    let mut server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&json!([task_job("a"), started("a"), task_job("b")])).expect(201);
    worker.get("/ledger/jobs/a").expect(200);
    server.stop();
    edit_views(&server, "UPDATE job SET status = 'pending', started_at = NULL WHERE subject = 'a'");
    server.restart();
    let worker = worker.at(&server.url);
    worker.append(&processed("a", 7)).expect(201);
    let job = until_some("the views are made again", || {
        let answer = worker.get("/ledger/jobs/a");
        // While the views are made again a read may wait too long.
        (answer.status != 503).then(|| answer.expect(200).json())
    });
    assert_eq!((&job["status"], &job["records_processed"]), (&json!("running"), &json!(7)));
    assert_eq!(worker.get("/readyz").expect(200).json()["warnings"], json!(null));
}

/// A server with a job `long` of 3002 events and a job `short`. It was started again, so its writer thread has no job in memory.
fn with_a_long_job() -> (TestServer, Client) {
    with_a_long_job_and(system_clock())
}

/// The same, with this clock.
fn with_a_long_job_and(clock: Clock) -> (TestServer, Client) {
    let mut server = TestServer::start_with(clock);
    let worker = server.client(Role::Worker);
    worker.append(&json!([task_job("long"), started("long"), task_job("short"), started("short")])).expect(201);
    for batch in reports("long", 3000) {
        worker.append(&batch).expect(201);
    }
    server.restart();
    let worker = worker.at(&server.url);
    (server, worker)
}

#[test]
fn a_long_job_is_decided_on_like_a_short_one() {
    let (_server, worker) = with_a_long_job();
    worker.append(&started("long")).expect(409);
    worker.append_with(&noted("long", "x"), &[("if-match", "\"17\"")]).expect(412);
    worker.append_with(&noted("long", "x"), &[("if-match", "\"3004\"")]).expect(201);
    worker.append(&json!([noted("short", "y"), completed("long"), noted("long", "z")])).expect(201);
    worker.append(&completed("long")).expect(409);
    assert_eq!(worker.get("/ledger/jobs/long").expect(200).json()["status"], "completed");
}

#[test]
fn requests_for_a_long_job_that_come_together_are_all_answered() {
    let (_server, worker) = with_a_long_job();
    let threads: Vec<_> = (0..16)
        .map(|n| {
            let worker = worker.clone();
            let job = if n % 4 == 0 { "short" } else { "long" };
            std::thread::spawn(move || worker.append(&noted(job, &n.to_string())).expect(201))
        })
        .collect();
    threads.into_iter().for_each(|thread| drop(thread.join().unwrap()));
    assert_eq!(worker.get("/ledger/jobs/long").expect(200).json()["notes"].as_array().unwrap().len(), 12);
    assert_eq!(worker.head(), 3004 + 16);
}

#[test]
fn a_request_for_a_long_job_that_the_stop_overtakes_is_answered() {
    let gate = Gate::default();
    let (mut server, worker) = with_a_long_job_and(gate.clock());
    let auditor = server.leading(Role::Auditor);
    let append = |job: &'static str| {
        let worker = worker.clone();
        std::thread::spawn(move || worker.append(&noted(job, "x")))
    };
    gate.set(true);
    let begun = append("short");
    gate.reached();
    // The server has read this request, and the request is in the writer's queue when the server stops.
    let overtaken = append("long");
    let queued = catch_unwind(AssertUnwindSafe(|| until_metric(&auditor, "jobledger_queue_requests 1")));
    std::thread::scope(|scope| {
        let stopping = scope.spawn(|| server.stop());
        // Opened before anything can fail: a server whose writer waits does not stop.
        gate.set(false);
        stopping.join().unwrap();
    });
    queued.unwrap();
    begun.join().unwrap().expect(201);
    let answer = overtaken.join().unwrap();
    assert!(matches!(answer.status, 201 | 503), "{}", answer.text());
}
