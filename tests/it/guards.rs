//! `If-Match` and `If-None-Match` on appends, and races for one job.

use std::sync::Barrier;

use jobledger::access::Role;
use serde_json::{Value, json};
use ureq::http::Method;

use crate::support::{Client, TestServer, noted, problem, started, task_job, with};

/// Appends under one guard.
fn guarded(client: &Client, events: &Value, guard: (&str, &str)) -> crate::support::Answer {
    client.append_with(events, &[guard])
}

#[test]
fn if_none_match_requires_that_the_job_does_not_exist() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    guarded(&worker, &json!([task_job("a"), started("a")]), ("if-none-match", "*")).expect(201);
    let body = problem(guarded(&worker, &noted("a", "n"), ("if-none-match", "*")), 412, "precondition-failed");
    assert_eq!(body["position"], 2);
    let nameless = with(task_job(""), "subject", Value::Null);
    guarded(&worker, &nameless, ("if-none-match", "*")).expect(201);
}

#[test]
fn if_match_requires_the_jobs_newest_position() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&json!([task_job("a"), task_job("b")])).expect(201);
    for (n, (guard, position)) in [
        ("\"1\"", Some(3)),
        ("\"1\"", None),
        ("\"7\", \"3\"", Some(4)),
        (" \"4\",\"1\" ", Some(5)),
        ("\"1\",\"2\"", None),
        ("*", Some(6)),
    ]
    .into_iter()
    .enumerate()
    {
        let answer = guarded(&worker, &noted("a", &n.to_string()), ("if-match", guard));
        match position {
            Some(position) => assert_eq!(answer.expect(201).json()["position"], position),
            None => drop(problem(answer, 412, "precondition-failed")),
        }
    }
    for guard in ["*", "\"0\"", "\"6\""] {
        let body = problem(guarded(&worker, &task_job("c"), ("if-match", guard)), 412, "precondition-failed");
        assert_eq!(body.get("position"), None, "there is no such job");
    }
    assert_eq!(worker.head(), 6);
}

#[test]
fn tags_in_several_header_lines_are_one_list() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&task_job("a")).expect(201);
    let lines = [("if-match", "\"9\""), ("if-match", "\"1\"")];
    worker.append_with(&noted("a", "n"), &lines).expect(201);
}

#[test]
fn a_guard_on_a_batch_looks_at_the_job_before_it() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&task_job("a")).expect(201);
    let batch = json!([noted("a", "1"), noted("a", "2"), noted("a", "3")]);
    guarded(&worker, &batch, ("if-match", "\"1\"")).expect(201);
    let body = problem(guarded(&worker, &json!([noted("a", "4")]), ("if-match", "\"1\"")), 412, "precondition-failed");
    assert_eq!(body["position"], 4);
    assert_eq!(worker.head(), 4);
}

#[test]
fn a_guard_needs_one_job_and_the_right_form() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&json!([task_job("a"), task_job("b")])).expect(201);
    let many = json!([noted("a", "n"), noted("b", "n")]);
    let nameless = || with(task_job(""), "subject", Value::Null);
    for events in [many, json!([nameless(), nameless()])] {
        for guard in [("if-match", "\"1\""), ("if-match", "*"), ("if-none-match", "*")] {
            problem(guarded(&worker, &events, guard), 400, "bad-request");
        }
    }
    for guard in [
        ("if-match", "1"),
        ("if-match", ""),
        ("if-match", "\"1\","),
        ("if-match", "\"one\""),
        ("if-match", "\"-1\""),
        ("if-match", "W/\"1\""),
        ("if-match", "\"1\", *"),
        ("if-none-match", "\"1\""),
        ("if-none-match", ""),
    ] {
        problem(guarded(&worker, &noted("a", "n"), guard), 400, "bad-request");
    }
    let both = [("if-match", "\"1\""), ("if-none-match", "*")];
    problem(worker.append_with(&noted("a", "n"), &both), 400, "bad-request");
    assert_eq!(worker.head(), 2);
}

#[test]
fn a_cancellation_takes_the_same_guards() {
    let server = TestServer::start();
    let admin = server.client(Role::Admin);
    admin.append(&json!([task_job("a"), started("a")])).expect(201);
    let revision = admin.get("/api/v1/jobs/a").expect(200).header("etag").to_owned();
    assert_eq!(revision, "\"2\"");
    let cancel = |guard| admin.send(Method::DELETE, "/api/v1/jobs/a", &[guard], b"");
    for guard in [("if-match", "\"1\""), ("if-match", "\"3\""), ("if-none-match", "*")] {
        let refused = cancel(guard).expect(412).json();
        assert_eq!(refused["error"]["code"], "VALIDATION_ERROR");
        assert!(refused["error"]["message"].as_str().unwrap().contains("position 2"), "{refused}");
    }
    for guard in [("if-match", "2"), ("if-match", ""), ("if-none-match", "\"1\"")] {
        cancel(guard).expect(400);
    }
    assert_eq!(admin.get("/api/v1/jobs/a").expect(200).json()["status"], "running");
    assert_eq!(admin.head(), 2);
    cancel(("if-match", &revision)).expect(204);
    cancel(("if-match", &revision)).expect(412);
    cancel(("if-match", "*")).expect(204);
    assert_eq!(admin.head(), 3);
    admin.send(Method::DELETE, "/api/v1/jobs/none", &[("if-match", "*")], b"").expect(404);
}

/// Starts `threads` threads at once. Returns the statuses of their answers.
fn at_once(threads: usize, run: impl Fn(usize) -> Vec<u16> + Sync) -> Vec<u16> {
    let barrier = Barrier::new(threads);
    std::thread::scope(|scope| {
        let start = |n| {
            let (barrier, run) = (&barrier, &run);
            scope.spawn(move || {
                barrier.wait();
                run(n)
            })
        };
        let running: Vec<_> = (0..threads).map(start).collect();
        running.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn one_of_many_writers_creates_a_job() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    for round in 0..5 {
        let job = format!("job-{round}");
        let statuses = at_once(16, |_| vec![guarded(&worker, &task_job(&job), ("if-none-match", "*")).status]);
        assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
        assert_eq!(statuses.iter().filter(|status| **status == 412).count(), 15, "{statuses:?}");
        assert_eq!(worker.head(), round + 1);
    }
}

#[test]
fn one_of_many_writers_appends_after_the_same_position() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&task_job("a")).expect(201);
    for position in 1..6 {
        let guard = format!("\"{position}\"");
        let statuses = at_once(8, |n| vec![guarded(&worker, &noted("a", &n.to_string()), ("if-match", &guard)).status]);
        assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
    }
    assert_eq!(worker.head(), 6);
}

#[test]
fn a_job_that_many_append_to_stays_one_chain() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&task_job("a")).expect(201);
    let statuses = at_once(8, |n| {
        let send = |m| worker.append(&json!([noted("a", &format!("{n}/{m}/1")), noted("a", &format!("{n}/{m}/2"))]));
        (0..10).map(|m| send(m).status).collect()
    });
    assert!(statuses.iter().all(|status| *status == 201), "{statuses:?}");
    let page = worker.get("/ledger/events?limit=1000").expect(200).json();
    let positions: Vec<_> =
        page["events"].as_array().unwrap().iter().map(|e| e["position"].as_str().unwrap().to_owned()).collect();
    assert_eq!(positions, (1..=161).map(|n| n.to_string()).collect::<Vec<_>>());
    // Two events of one request are neighbours: no other request comes between them.
    let job = worker.get("/ledger/jobs/a").expect(200).json();
    let notes: Vec<_> = job["notes"].as_array().unwrap().iter().map(|note| note["text"].as_str().unwrap()).collect();
    assert!(notes.chunks(2).all(|pair| pair[0].strip_suffix("/1") == pair[1].strip_suffix("/2")), "{notes:?}");
    assert_eq!(job["position"], 161);
    assert_chain(&server);
}

/// Checks that each leaf names the job's previous event.
fn assert_chain(server: &TestServer) {
    let log = rusqlite::Connection::open(jobledger::ledger::Folder::new(server.path()).log()).unwrap();
    let mut leaves = log.prepare("SELECT leaf FROM event WHERE position > 0 ORDER BY position").unwrap();
    let leaves = leaves.query_map([], |row| row.get::<_, Vec<u8>>(0)).unwrap();
    for (n, leaf) in leaves.enumerate() {
        let leaf: Value = serde_json::from_slice(&leaf.unwrap()).unwrap();
        assert_eq!(leaf.get("prev").cloned(), (n > 0).then(|| json!(n.to_string())));
    }
}
