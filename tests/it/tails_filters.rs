//! Tails with a filter: the events that they show, and their cursor, which moves on while they show none.

use jobledger::access::Role;
use serde_json::json;

use crate::support::{Client, Frame, TestServer, nil, noted, reports, role_job, rule_job, started, task_job};

const ROLES: &str = "67d7d053-3caf-430e-97ba-6d4933d3fd5b";

/// A log of three jobs, one of each kind, six events.
fn three_kinds(worker: &Client) {
    let events = json!([
        task_job("task"),
        role_job(ROLES),
        started("task"),
        rule_job("rule", &["one"]),
        started(ROLES),
        noted("task", "6"),
    ]);
    worker.append(&events).expect(201);
}

#[test]
fn every_filter_shows_what_it_names_and_nothing_else() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    three_kinds(&worker);
    let of_org = format!("org={}", nil());
    let filters: [(&str, &[u64]); 9] = [
        ("job=task", &[1, 3, 6]),
        ("kind=dbrole", &[2, 5]),
        ("kind=rule", &[4]),
        ("type=job.started", &[3, 5]),
        ("type=job.started&type=job.noted", &[3, 5, 6]),
        ("kind=task&type=job.created", &[1]),
        ("job=task&type=job.noted", &[6]),
        ("job=67D7D053-3CAF-430E-97BA-6D4933D3FD5B", &[2, 5]),
        (&of_org, &[1, 2, 3, 4, 5, 6]),
    ];
    for (filter, expected) in filters {
        let mut tail = worker.tail(&format!("/ledger/events?after=0&{filter}"), &[]);
        assert_eq!(tail.ids(expected.len()), expected, "{filter}");
        assert_eq!(worker.positions(&format!("&{filter}")), expected, "{filter}");
    }
    let mut of_job = worker.tail("/ledger/jobs/task/events?after=0&type=job.noted", &[]);
    assert_eq!(of_job.ids(1), [6]);
}

#[test]
fn a_filter_applies_to_new_events_too() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    three_kinds(&worker);
    let mut kind = worker.tail("/ledger/events?kind=rule", &[]);
    let mut types = worker.tail("/ledger/events?type=job.noted&type=job.cancelled", &[]);
    let mut job = worker.tail("/ledger/events?job=task", &[]);
    // Each event has a request of its own, so that other events lie between the shown ones.
    for event in [started("rule"), noted("task", "8"), noted("rule", "9"), noted("task", "10"), noted("rule", "11")] {
        worker.append(&event).expect(201);
    }
    assert_eq!(kind.ids_to(11), [7, 9, 11]);
    assert_eq!(types.ids_to(11), [8, 9, 10, 11]);
    assert_eq!(job.ids_to(10), [8, 10]);
}

#[test]
fn a_tail_that_slept_while_others_were_busy_misses_nothing_when_woken() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    three_kinds(&worker);
    let filters = ["kind=dbrole", "type=job.cancelled&type=job.started", "kind=rule&type=job.noted", "job=rule"];
    let asleep = filters.map(|filter| (filter, worker.tail(&format!("/ledger/events?{filter}"), &[])));
    // More bytes than the ring holds.
    for batch in reports("task", 9000) {
        worker.append(&batch).expect(201);
    }
    worker.append(&json!([noted(ROLES, "9007"), started("rule"), noted("rule", "9009")])).expect(201);
    for (filter, mut tail) in asleep {
        let mut expected = worker.positions(&format!("&{filter}"));
        expected.retain(|position| *position > 6);
        assert!(!expected.is_empty(), "{filter}");
        assert_eq!(tail.ids(expected.len()), expected, "{filter}");
    }
}

#[test]
fn a_filter_with_an_unknown_value_is_refused() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    let filters = ["type=job.exploded", "kind=other", "job=a%20b", "org=nobody", "colour=red", "kind=task&kind=rule"];
    for filter in filters {
        let answer = worker.get_with(&format!("/ledger/events?{filter}"), &[("accept", "text/event-stream")]);
        let name = filter.split('=').next().unwrap();
        let detail = answer.expect(400).json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.starts_with(&format!("parameter `{name}`")), "{filter}: {detail}");
    }
}

#[test]
fn a_heartbeat_moves_the_cursor_of_a_tail_that_shows_nothing() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    three_kinds(&worker);
    // All tails wait at once, because a heartbeat comes after 15 s. No other test waits for a real heartbeat.
    let mut types = worker.tail("/ledger/events?type=job.cancelled", &[]);
    let mut job = worker.tail("/ledger/jobs/rule/events", &[]);
    let mut live = worker.tail("/ledger/jobs/rule", &[]);
    assert_eq!(live.next().unwrap().event, "snapshot");
    worker.append(&json!([noted("task", "7"), noted("task", "8")])).expect(201);
    let heartbeat = |id| Some(Frame { id: Some(id), ..Frame::default() });
    assert_eq!(types.next(), heartbeat(8));
    assert_eq!(job.next(), heartbeat(8));
    // A live read has the job's revision as its id.
    assert_eq!(live.next(), heartbeat(4));
    worker.append(&noted("rule", "9")).expect(201);
    assert_eq!(job.ids(1), [9]);
    assert_eq!(worker.resume("/ledger/jobs/rule/events", 8).ids(1), [9]);
    assert_eq!(live.event().id, Some(9));
}
