//! Jobs whose events do not fold: an event that only a newer jobledger can read, one that the state machine refuses, a job
//! that is created twice. Such a job is set aside, and every other job goes on.

use jobledger::access::Role;
use serde_json::{Value, json};

use crate::support::rows::{EventRow, open, seal};
use crate::support::wait::until;
use crate::support::{Client, TestServer, noted, position, processed, started, task_job};

/// A server on a log with the running jobs `b` and `a`. The event at position 5, of job `a`, is written by hand, so no ledger decided
/// on it.
fn with_a_fifth_event(event_type: &str, version: i64, data: &str) -> TestServer {
    let mut server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&json!([task_job("b"), task_job("a"), started("b"), started("a")])).expect(201);
    worker.get("/ledger/jobs/a").expect(200);
    server.stop();
    let conn = open(&server.path().join("log.db"));
    let row = EventRow::next(&conn, event_type, version, data);
    assert_eq!(row.write(&conn, "INSERT").unwrap(), 1);
    seal(&conn, server.path());
    drop(conn);
    server.restart();
    server
}

fn from_the_future() -> TestServer {
    with_a_fifth_event("job.progress", 2, r#"{"progress":50,"mood":"good"}"#)
}

fn client(server: &TestServer, role: Role) -> Client {
    let name = format!("again-{role}");
    Client::new(&server.url, Some(&server.token(&name, role, crate::support::nil())))
}

/// Checks that job `a`, and no other job, is set aside at event 5.
fn only_a_is_set_aside(server: &TestServer) {
    let admin = client(server, Role::Admin);
    // Waits until the views show event 5.
    admin.get("/ledger/jobs/b?min_position=5").expect(200);
    assert_eq!(admin.get("/ledger/jobs/a").expect(503).json()["code"], "job-unreadable");
    assert_eq!(admin.get("/api/v1/jobs/a").expect(503).json()["error"]["code"], "INTERNAL_ERROR");
    let live = [("accept", "text/event-stream")];
    assert_eq!(admin.get_with("/ledger/jobs/a", &live).expect(503).json()["code"], "job-unreadable");
    let listed = admin.get("/ledger/jobs").expect(200).json();
    let ids: Vec<&Value> = listed["jobs"].as_array().unwrap().iter().map(|job| &job["id"]).collect();
    assert_eq!(ids, ["b"]);
    let ready = admin.get("/readyz").expect(200).json();
    let warning = ready["warnings"][0].as_str().unwrap();
    assert!(warning.contains("`a`") && warning.contains("event 5"), "{warning}");
    assert!(admin.get("/metrics").expect(200).text().contains("jobledger_jobs_set_aside 1\n"));
    let refused = admin.append(&noted("a", "x")).expect(503).json();
    assert_eq!(refused["code"], "job-unreadable");
    // The past is read from the log.
    assert_eq!(admin.get("/ledger/jobs/a?as_of=4").expect(200).json()["status"], "running");
}

#[test]
fn an_event_from_a_newer_program_sets_its_job_aside_and_the_log_shows_it() {
    let server = from_the_future();
    only_a_is_set_aside(&server);
    let worker = client(&server, Role::Worker);

    // Pages, exports, tails and single events show it as it is stored.
    let shown = worker.get("/ledger/events/5").expect(200);
    assert_eq!(shown.json()["dataschema"], "/schema/events/job.progress.v2.json");
    assert_eq!(shown.json()["data"], json!({"progress": 50, "mood": "good"}));
    assert_eq!(worker.positions(""), [1, 2, 3, 4, 5]);
    let export = worker.get_with("/ledger/events", &[("accept", "application/x-ndjson")]).expect(200).text();
    assert_eq!(export.lines().nth(4).map(str::trim_end), Some(shown.text().trim_end()));
    let mut tail = worker.tail("/ledger/events?after=3", &[]);
    let frames = [tail.event(), tail.event()];
    assert_eq!((frames[1].id, frames[1].data.trim_end()), (Some(5), shown.text().trim_end()));

    // Other jobs take events, which their watchers see.
    let mut of_b = worker.tail("/ledger/jobs/b/events", &[]);
    worker.append(&json!([noted("b", "6"), task_job("c")])).expect(201);
    assert_eq!((of_b.ids(1), tail.ids(2)), (vec![6], vec![6, 7]));
    worker.append(&json!([noted("b", "8"), noted("a", "x")])).expect(503);
    assert_eq!(worker.positions("").last(), Some(&7));
    assert_eq!(worker.get("/ledger/jobs/b").expect(200).json()["notes"][0]["text"], "6");
    assert_eq!(worker.get("/ledger/jobs/c").expect(200).json()["status"], "pending");
}

#[test]
fn an_event_that_the_state_machine_refuses_sets_its_job_aside() {
    let data = r#"{"kind":"task","spec":{"job_type":"account_sync"}}"#;
    for (event_type, data) in [("job.started", "{}"), ("job.created", data)] {
        only_a_is_set_aside(&with_a_fifth_event(event_type, 1, data));
    }
}

#[test]
fn data_that_does_not_have_its_shape_sets_its_job_aside() {
    only_a_is_set_aside(&with_a_fifth_event("job.progress", 1, r#"{"progress":"half"}"#));
}

#[test]
fn views_made_anew_set_the_job_aside_again() {
    let mut server = from_the_future();
    only_a_is_set_aside(&server);
    server.stop();
    std::fs::remove_file(server.path().join("views.db")).unwrap();
    server.restart();
    let admin = server.client(Role::Admin);
    admin.append(&noted("b", "6")).expect(201);
    assert_eq!(position(&admin.get("/ledger/events/6").expect(200).json()), 6);
    let rebuilt = loop {
        let answer = admin.send(ureq::http::Method::POST, "/ledger/rebuild", &[], b"");
        if answer.status != 202 {
            break answer;
        }
    };
    assert_eq!(rebuilt.expect(200).json()["state"], "done");
    assert_eq!(admin.get("/ledger/jobs/b").expect(200).json()["position"], 6);
    assert_eq!(admin.get("/ledger/jobs/a").expect(503).json()["code"], "job-unreadable");
}

#[test]
fn a_job_that_folds_again_is_taken_back_at_the_next_start() {
    let mut server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&json!([task_job("a"), started("a"), processed("a", 3)])).expect(201);
    let before = worker.get("/ledger/jobs/a").expect(200).text();
    server.stop();
    // The views as an older program leaves them, which cannot read the second event.
    let views = rusqlite::Connection::open(server.path().join("views.db")).unwrap();
    views
        .execute_batch(
            "DELETE FROM job; DELETE FROM spec; DELETE FROM item;
             INSERT INTO set_aside (org, subject, position) VALUES ('00000000-0000-0000-0000-000000000000', 'a', 2)",
        )
        .unwrap();
    drop(views);
    server.restart();
    let worker = worker.at(&server.url);
    // The projector takes the job back after readers have the views.
    until("the job is taken back", || worker.get("/ledger/jobs/a").status == 200);
    assert_eq!(worker.get("/ledger/jobs/a").expect(200).text(), before);
    assert_eq!(worker.get("/readyz").expect(200).json()["warnings"], Value::Null);
}
