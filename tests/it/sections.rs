//! Pages of one job's events, wherever they begin and end: the log finds them by milestones and by the chain of the job.

use jobledger::access::Role;
use serde_json::json;

use crate::ledger_reads::positions;
use crate::support::{Client, TestServer, event};

/// Events after the first of each job.
const EVENTS: u64 = 900;
const JOBS: [&str; 3] = ["often", "rare", "in-step"];

/// The job of the nth event: one job has most events, one has few, and one has every 16th, as of a worker in lockstep.
fn job(n: u64) -> &'static str {
    match n {
        n if n % 16 == 5 => "in-step",
        n if n * 7919 % 101 < 4 => "rare",
        _ => "often",
    }
}

/// A server with the events, and the positions of each job's events, with whether the event is a note.
fn filled() -> (TestServer, Client, Vec<Vec<(u64, bool)>>) {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    let mut events = Vec::new();
    for name in JOBS {
        events.push(event("job.created", name, json!({"kind": "task", "spec": {"job_type": "account_sync"}})));
        events.push(event("job.started", name, json!({})));
    }
    events.extend((0..EVENTS).map(|n| match n % 5 {
        0 => event("job.noted", job(n), json!({"text": n.to_string()})),
        _ => event("job.progress", job(n), json!({"records_processed": n})),
    }));
    let mut expected = vec![Vec::new(); JOBS.len()];
    for (event, position) in events.iter().zip(1..) {
        let name = event["subject"].as_str().unwrap();
        let place = JOBS.iter().position(|job| *job == name).unwrap();
        expected[place].push((position, event["type"] == "job.noted"));
    }
    worker.append(&json!(events)).expect(201);
    (server, worker, expected)
}

#[test]
fn a_page_has_the_events_of_its_job_after_its_cursor() {
    let (_server, worker, expected) = filled();
    for (name, all) in JOBS.iter().zip(&expected) {
        for after in (0..EVENTS + 8).step_by(13) {
            for limit in [1, 15, 16, 17, 40, 1000] {
                let page =
                    worker.get(&format!("/ledger/jobs/{name}/events?after={after}&limit={limit}")).expect(200).json();
                let later = all.iter().map(|(position, _)| *position).filter(|position| *position > after);
                assert_eq!(positions(&page), later.take(limit).collect::<Vec<_>>(), "{name} after {after}, {limit}");
            }
        }
    }
}

#[test]
fn a_page_of_one_type_has_the_events_of_that_type() {
    let (_server, worker, expected) = filled();
    for (name, all) in JOBS.iter().zip(&expected) {
        for after in (0..EVENTS).step_by(97) {
            let path = format!("/ledger/jobs/{name}/events?after={after}&limit=7&type=job.noted");
            let notes =
                all.iter().filter(|(position, noted)| *noted && *position > after).map(|(position, _)| *position);
            assert_eq!(positions(&worker.get(&path).expect(200).json()), notes.take(7).collect::<Vec<_>>(), "{path}");
        }
    }
}

#[test]
fn a_job_is_read_as_of_each_of_its_events() {
    let (_server, worker, expected) = filled();
    for (name, all) in JOBS.iter().zip(&expected) {
        for (position, _) in all.iter().step_by(7) {
            let job = worker.get(&format!("/ledger/jobs/{name}?as_of={position}")).expect(200).json();
            assert_eq!(job["position"], *position, "{job}");
        }
    }
}
