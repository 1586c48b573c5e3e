//! Random histories: a read as of a position repeats the answer of that moment, and new views give the same bytes.

use std::cell::Cell;

use jobledger::access::Role;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use crate::support::answers::{Read, all_reads, bodies, single_reads};
use crate::support::wait::until;
use crate::support::{
    Client, HandClock, TestServer, completed, event, noted, output, processed, reports, result, role_job, rule_job,
    started, task_job,
};

const ROLES: [&str; 2] = ["67d7d053-3caf-430e-97ba-6d4933d3fd5b", "0195b3a0-0000-7000-8000-000000000002"];

/// The jobs that [`reported`] is about.
pub const JOBS: [&str; 6] = ["t-1", "t-2", "t-3", "r-1", ROLES[0], ROLES[1]];

/// An event of one of a few jobs. The ledger may accept or refuse it.
pub fn reported() -> impl Strategy<Value = Value> {
    let roles = select(&ROLES[..]);
    let task = select(&["t-1", "t-2", "t-3"][..]);
    let any = select(&JOBS[..]);
    let item = select(&["hoop_ro", "hoop_rw", "one", "two"][..]);
    let status = select(&["running", "completed", "failed"][..]);
    let counts = (0..9_u64, 0..9_u64, 0..=100_u8).prop_map(|(done, created, progress)| {
        json!({"records_processed": done, "records_created": created, "progress": progress, "message": format!("{done}")})
    });
    let labelled = |job: &str, n: u8| {
        let spec =
            json!({"job_type": if n == 0 { "full_sync" } else { "enrichment" }, "total_records": 7 + u64::from(n)});
        event("job.created", job, json!({"kind": "task", "spec": spec, "labels": {"n": n.to_string()}}))
    };
    prop_oneof![
        3 => roles.prop_map(role_job),
        3 => (task, 0..3_u8).prop_map(move |(job, n)| labelled(job, n)),
        2 => Just(()).prop_map(|()| rule_job("r-1", &["one", "two"])),
        8 => any.clone().prop_map(started),
        6 => (any.clone(), counts).prop_map(|(job, counts)| event("job.progress", job, counts)),
        6 => (any.clone(), item, status).prop_map(|(job, item, status)| result(job, item, status)),
        4 => (any.clone(), "[a-zé€]{0,9}", 1..900_usize).prop_map(|(job, text, times)| output(job, &text.repeat(times))),
        1 => any.clone().prop_map(|job| {
            event("job.hook_output", job, json!({"exit_code": 2, "execution_time_sec": 1}))
        }),
        2 => any.clone().prop_map(|job| noted(job, "hm")),
        1 => any.clone().prop_map(completed),
        1 => any.clone().prop_map(|job| event("job.failed", job, json!({"message": "no"}))),
        1 => any.prop_map(|job| event("job.cancelled", job, json!({}))),
    ]
}

/// Reports the events. Returns, for each accepted event, its position and the answers of all reads after it.
fn told(admin: &Client, clock: &HandClock, jobs: &[&str], events: &[Value]) -> Vec<(u64, Vec<Read>)> {
    let mut seen = Vec::new();
    for event in events {
        clock.pass(1_000_000);
        let answer = admin.append(event);
        match answer.status {
            201 => seen.push((answer.json()["position"].as_u64().unwrap(), single_reads(admin, jobs, ""))),
            200 | 404 | 409 | 422 => {}
            other => panic!("{other}: {}", answer.text()),
        }
    }
    seen
}

#[test]
fn reads_of_the_past_and_of_rebuilt_views_repeat_the_first_answers() {
    let config = Config { cases: 5, failure_persistence: None, ..Config::default() };
    let events = prop::collection::vec(reported(), 40..60);
    let most = Cell::new(0);
    TestRunner::new(config)
        .run(&events, |events| {
            let clock = HandClock::new();
            let mut server = TestServer::start_with(clock.clock());
            let mut admin = server.client(Role::Admin);
            let seen = told(&admin, &clock, &JOBS, &events);
            most.set(most.get().max(seen.len()));
            for (position, reads) in &seen {
                let then = single_reads(&admin, &JOBS, &format!("?as_of={position}"));
                prop_assert_eq!(bodies(&then), bodies(reads));
            }
            let live = all_reads(&admin, &JOBS);
            server.stop();
            std::fs::remove_file(server.path().join("views.db")).unwrap();
            server.restart();
            admin = admin.at(&server.url);
            prop_assert_eq!(all_reads(&admin, &JOBS), live.clone());
            // And beside the old views, in a running server.
            until("the views are made again", || {
                admin.send(ureq::http::Method::POST, "/ledger/rebuild", &[], b"").status != 202
            });
            prop_assert_eq!(all_reads(&admin, &JOBS), live);
            Ok(())
        })
        .unwrap();
    assert!(most.get() > 10, "too little was possible: {}", most.get());
}

#[test]
fn a_writer_reads_its_own_writes_during_a_rebuild() {
    let server = TestServer::start();
    let admin = server.client(Role::Admin);
    admin.append(&json!([task_job("a"), started("a")])).expect(201);
    for batch in reports("a", 5000) {
        admin.append(&batch).expect(201);
    }
    std::thread::scope(|scope| {
        let rebuilding = scope.spawn(|| {
            let mut done = 0;
            while done < 8 {
                let answer = admin.send(ureq::http::Method::POST, "/ledger/rebuild", &[], b"");
                done += usize::from(answer.status == 200);
            }
        });
        // A writer reads its own write, whichever views are in use just then.
        let mut n = 0;
        while !rebuilding.is_finished() {
            n += 1;
            admin.append(&processed("a", n)).expect(201);
            assert_eq!(admin.get("/ledger/jobs/a").expect(200).json()["records_processed"], n);
        }
    });
}
