//! `as_of`: every single-job read repeats the answer of that moment, byte for byte.

use jobledger::access::Role;
use jobledger::job::Time;
use serde_json::{Value, json};

use crate::support::answers::{Read, SINGLE_READS, admin_of, bodies, single_reads};
use crate::support::{
    HandClock, TestServer, completed, event, noted, output, processed, result, role_job, rule_job, started, task_job,
};

const ROLES: &str = "67d7d053-3caf-430e-97ba-6d4933d3fd5b";
const OTHER: &str = "7b6f7a1e-0000-4000-8000-000000000001";
const JOBS: [&str; 4] = [ROLES, "task", "rule", "never"];
const SECOND: i64 = 1_000_000;

/// The events of a job of each kind, interleaved.
fn lives() -> Vec<Value> {
    let exit = json!({"output": "end", "exit_code": 1, "execution_time_sec": 3});
    vec![
        role_job(ROLES),
        task_job("task"),
        started(ROLES),
        rule_job("rule", &["one", "two"]),
        result(ROLES, "hoop_ro", "running"),
        event("job.started", "task", json!({"total_records": 10})),
        started("rule"),
        output(ROLES, &"x".repeat(5000)),
        processed("task", 4),
        result("rule", "two", "completed"),
        noted("task", "a remark"),
        result(ROLES, "hoop_ro", "completed"),
        event("job.hook_output", ROLES, exit),
        completed(ROLES),
        event("job.cancelled", "task", json!({"reason": "enough"})),
        result("rule", "two", "failed"),
        event("job.failed", "rule", json!({"message": "one of two"})),
        noted(ROLES, "after the end"),
    ]
}

/// A moment, and the answers of plain reads at that moment.
struct Seen {
    position: u64,
    time: Time,
    reads: Vec<Read>,
}

/// A time as RFC 3339, escaped for a query string.
fn as_query(time: Time) -> String {
    format!("?as_of={}", time.with_micros())
}

#[test]
fn every_read_as_of_a_moment_is_what_it_answered_at_that_moment() {
    let clock = HandClock::new();
    let server = TestServer::start_with(clock.clock());
    let admin = server.client(Role::Admin);
    let mut seen = vec![Seen { position: 0, time: clock.now(), reads: single_reads(&admin, &JOBS, "") }];
    for event in lives() {
        clock.pass(SECOND);
        let position = admin.append(&event).expect(201).json()["position"].as_u64().unwrap();
        seen.push(Seen { position, time: clock.now(), reads: single_reads(&admin, &JOBS, "") });
    }
    for moment in &seen {
        let by_position = single_reads(&admin, &JOBS, &format!("?as_of={}", moment.position));
        assert_eq!(bodies(&by_position), bodies(&moment.reads), "as of {}", moment.position);
        // A read as of the recorded time of an event includes the event.
        let by_time = single_reads(&admin, &JOBS, &as_query(moment.time));
        assert_eq!(bodies(&by_time), bodies(&moment.reads), "as of {}", moment.time);
    }
    // Between two events a read shows the state after the first one, except for values that depend on the clock.
    for moments in seen.windows(2) {
        let between = single_reads(&admin, &JOBS, &as_query(moments[1].time.plus(-1000)));
        let same = between.iter().zip(&moments[0].reads).filter(|(then, _)| !then.0.contains("/progress"));
        for (then, before) in same {
            assert_eq!((then.1, &then.2), (before.1, &before.2), "{}", then.0);
        }
    }
    // Both kinds of answers were there to compare.
    let answers = seen.iter().flat_map(|moment| &moment.reads);
    assert_eq!(answers.clone().map(|read| read.1).filter(|status| ![200, 400, 404].contains(status)).count(), 0);
    assert!(SINGLE_READS.iter().all(|path| {
        let (start, end) = path.split_once("{}").unwrap();
        answers.clone().any(|read| read.1 == 200 && read.0.starts_with(start) && read.0.ends_with(end))
    }));
}

#[test]
fn an_answer_says_which_moment_it_shows() {
    let clock = HandClock::new();
    let server = TestServer::start_with(clock.clock());
    let admin = server.client(Role::Admin);
    for event in [task_job("a"), task_job("b"), started("a"), started("b")] {
        clock.pass(SECOND);
        admin.append(&event).expect(201);
    }
    // The `ETag` has the job's revision, and `Ledger-Position` the position of the moment.
    let then = admin.get("/ledger/jobs/a?as_of=2").expect(200);
    assert_eq!((then.header("etag"), then.header("ledger-position")), ("\"1\"", "2"));
    admin.get_with("/ledger/jobs/a?as_of=2", &[("if-none-match", "\"1\"")]).expect(304);
    let then = admin.get("/ledger/jobs/a?as_of=2025-03-01T12:00:03Z").expect(200);
    assert_eq!((then.header("etag"), then.header("ledger-position")), ("\"3\"", "3"));
    // The same moment with another offset, and with an unescaped `+`.
    for time in ["2025-03-01T14:00:03%2B02:00", "2025-03-01T14:00:03+02:00", "2025-03-01T10:00:03.999999999-02:00"] {
        let again = admin.get(&format!("/ledger/jobs/a?as_of={time}")).expect(200);
        assert_eq!((again.text(), again.header("ledger-position")), (then.text(), "3"), "{time}");
    }
    // Events of one commit have the same recorded time, so a read as of this time includes all of them.
    clock.pass(SECOND);
    admin.append(&json!([task_job("c"), started("c"), noted("c", "7")])).expect(201);
    assert_eq!(admin.get(&format!("/ledger/jobs/c{}", as_query(clock.now()))).expect(200).json()["position"], 7);
    assert_eq!(admin.get("/ledger/jobs/c?as_of=6").expect(200).json()["position"], 6);
}

#[test]
fn a_read_as_of_an_impossible_moment_is_refused() {
    let clock = HandClock::new();
    let server = TestServer::start_with(clock.clock());
    let admin = server.client(Role::Admin);
    admin.append(&json!([role_job(ROLES), task_job("task"), rule_job("rule", &["one"])])).expect(201);
    clock.pass(SECOND);
    let job_of = |path: &str| match path {
        _ if path.starts_with("/dbroles") => ROLES,
        _ if path.starts_with("/authorization") => "rule",
        _ => "task",
    };
    for path in SINGLE_READS {
        let path = path.replace("{}", job_of(path));
        let at = |moment: &str| admin.get(&format!("{path}?as_of={moment}"));
        at("3").expect(200);
        // The job does not exist yet: before its first event, at the genesis event, before the ledger.
        for before in ["0", "2025-03-01T11:59:59.999999Z", "1700-01-01T00:00:00Z"] {
            at(before).expect(404);
        }
        let future = clock.now().plus(1000).with_micros();
        for beyond in ["4", "9223372036854775807", &future, "2200-01-01T00:00:00Z"] {
            let body = at(beyond).expect(400).text();
            assert!(body.contains("as_of"), "{path} {beyond}: {body}");
        }
        for bad in ["x", "-1", "%2B1", "1.0", "9223372036854775808", "2025-03-01", "12:00", "2025-03-01T12:00:00", ""] {
            let body = at(bad).expect(400).text();
            assert!(body.contains("parameter `as_of`"), "{path} {bad}: {body}");
        }
        // The present time of the clock does not lie in the future.
        at(&clock.now().with_micros()).expect(200);
    }
}

#[test]
fn two_organisations_with_the_same_ids_do_not_mix() {
    let clock = HandClock::new();
    let server = TestServer::start_with(clock.clock());
    let mine = server.client(Role::Admin);
    let theirs = admin_of(&server, OTHER);
    let auditor = server.client(Role::Auditor);
    let mut seen: Vec<[Vec<Read>; 2]> = Vec::new();
    let life = lives();
    // The job of the other organisation is three events behind, so that the two jobs never have the same state.
    for n in 0..life.len() + 3 {
        clock.pass(SECOND);
        if let Some(event) = life.get(n) {
            mine.append(event).expect(201);
        }
        if let Some(event) = n.checked_sub(3).and_then(|n| life.get(n)) {
            theirs.append(event).expect(201);
        }
        seen.push([&mine, &theirs].map(|admin| single_reads(admin, &JOBS, "")));
    }
    for (n, [my, their]) in seen.iter().enumerate() {
        let then = as_query(clock.now().plus(-1000 * SECOND * (seen.len() - 1 - n) as i64));
        assert_eq!(bodies(&single_reads(&mine, &JOBS, &then)), bodies(my));
        assert_eq!(bodies(&single_reads(&theirs, &JOBS, &then)), bodies(their));
        let audited = auditor.get(&format!("/ledger/jobs/task{then}&org={OTHER}"));
        let at = |reads: &[Read]| reads.iter().find(|read| read.0 == "/ledger/jobs/task").unwrap().1;
        assert_eq!(audited.status, at(their));
    }
}
