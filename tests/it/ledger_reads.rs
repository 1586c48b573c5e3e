//! Reads of single events, exports, and reads with `min_position` or `as_of`.

use jobledger::access::Role;
use jobledger::job::OrgId;
use serde_json::{Value, json};

use crate::support::{
    Answer, Client, HandClock, ROLE_JOB, TestServer, event, noted, position, problem, reports, role_job, rule_job,
    started, task_job,
};

const OTHER: &str = "7b6f7a1e-0000-4000-8000-000000000001";

pub fn positions(page: &Value) -> Vec<u64> {
    page["events"].as_array().unwrap().iter().map(position).collect()
}

pub fn lines(export: &Answer) -> Vec<Value> {
    let text = export.text();
    assert!(text.is_empty() || text.ends_with('\n'));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

pub fn export(client: &Client, path: &str) -> Answer {
    let answer = client.get_with(path, &[("accept", "application/x-ndjson")]).expect(200);
    assert_eq!(answer.header("content-type"), "application/x-ndjson");
    answer
}

#[test]
fn an_event_reads_the_same_in_every_form() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    let sent = task_job("a");
    worker.append(&json!([sent, noted("a", "2")])).expect(201);
    let one = worker.get("/ledger/events/1").expect(200);
    assert_eq!(one.header("content-type"), "application/cloudevents+json");
    let shown = one.json();
    for attribute in ["specversion", "id", "source", "type", "subject", "data"] {
        assert_eq!(shown[attribute], sent[attribute], "{attribute}");
    }
    let names: Vec<&String> = shown.as_object().unwrap().keys().collect();
    assert_eq!(names.len(), 14, "{names:?}");
    assert_eq!(shown["datacontenttype"], "application/json");
    assert_eq!(shown["dataschema"], "/schema/events/job.created.v1.json");
    assert_eq!(shown["position"], "1");
    assert_eq!((shown["actor"].as_str(), shown["jobkind"].as_str()), (Some("worker"), Some("task")));
    assert_eq!(shown["orgid"], OrgId::default().to_string());
    shown["time"].as_str().unwrap().parse::<jobledger::job::Time>().unwrap();
    // Six digits, always.
    let recorded = shown["recordedtime"].as_str().unwrap();
    assert_eq!((recorded.len(), &recorded[recorded.len() - 1..]), ("2025-03-01T12:00:00.000000Z".len(), "Z"));
    let second = worker.get("/ledger/events/2").expect(200).line();
    let page = worker.get("/ledger/events").expect(200).line();
    assert_eq!(page, format!(r#"{{"events":[{},{second}],"next":null,"head":2}}"#, one.line()));
    assert_eq!(export(&worker, "/ledger/events").text(), format!("{}\n{second}\n", one.line()));
}

#[test]
fn one_event_is_read_by_its_position() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    let elsewhere = Client::new(&server.url, Some(&server.token("w", Role::Worker, OTHER.parse().unwrap())));
    let auditor = server.client(Role::Auditor);
    worker.append(&task_job("a")).expect(201);
    elsewhere.append(&task_job("a")).expect(201);
    for (client, position, status) in [
        (&worker, "1", 200),
        (&worker, "2", 404),
        (&elsewhere, "1", 404),
        (&elsewhere, "2", 200),
        (&worker, "0", 404),
        (&worker, "3", 404),
        (&auditor, "0", 200),
        (&auditor, "1", 200),
        (&auditor, "2", 200),
        (&worker, "x", 400),
        (&worker, "-1", 400),
        (&worker, "1?as_of=1", 400),
    ] {
        let answer = client.get(&format!("/ledger/events/{position}")).expect(status);
        if status == 404 {
            assert_eq!(answer.json()["code"], "no-such-event");
        }
    }
    let genesis = auditor.get("/ledger/events/0").json();
    assert_eq!((genesis["type"].as_str(), &genesis["subject"]), (Some("ledger.created"), &Value::Null));
}

#[test]
fn an_export_starts_after_a_position_and_obeys_filters() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&json!([task_job("a"), task_job("b"), noted("a", "3"), noted("b", "4")])).expect(201);
    let exported = |path: &str| lines(&export(&worker, path)).iter().map(position).collect::<Vec<u64>>();
    assert_eq!(exported("/ledger/events?after=2"), [3, 4]);
    assert_eq!(exported("/ledger/events?job=a"), [1, 3]);
    assert_eq!(exported("/ledger/jobs/b/events"), [2, 4]);
    assert_eq!(exported("/ledger/jobs/b/events?type=job.noted"), [4]);
    assert_eq!(exported("/ledger/events?after=4"), [0; 0]);
    assert_eq!(exported("/ledger/events?after=400"), [0; 0]);
    assert_eq!(export(&worker, "/ledger/events").header("ledger-position"), "4");
}

#[test]
fn an_export_ends_at_the_head_of_its_moment() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&json!([task_job("a"), started("a")])).expect(201);
    for batch in reports("a", 3000) {
        worker.append(&batch).expect(201);
    }
    // The export ends at the position in its header, even while other clients append.
    std::thread::scope(|scope| {
        let appending = scope.spawn(|| {
            for batch in reports("a", 10_000) {
                worker.append(&batch).expect(201);
            }
        });
        while !appending.is_finished() {
            let answer = export(&worker, "/ledger/events");
            let head: u64 = answer.header("ledger-position").parse().unwrap();
            let exported: Vec<u64> = lines(&answer).iter().map(position).collect();
            assert_eq!(exported, (1..=head).collect::<Vec<u64>>());
        }
    });
}

#[test]
fn auditors_read_all_organisations_and_others_their_own() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    let elsewhere = Client::new(&server.url, Some(&server.token("w", Role::Worker, OTHER.parse().unwrap())));
    let auditor = server.client(Role::Auditor);
    worker.append(&task_job("a")).expect(201);
    elsewhere.append(&task_job("a")).expect(201);
    worker.append(&noted("a", "3")).expect(201);
    assert_eq!(auditor.positions(""), [1, 2, 3]);
    assert_eq!(auditor.positions("&job=a"), [1, 2, 3]);
    assert_eq!(auditor.positions(&format!("&org={OTHER}")), [2]);
    assert_eq!(auditor.positions(&format!("&org={OTHER}&job=a")), [2]);
    assert_eq!((worker.positions(""), elsewhere.positions("")), (vec![1, 3], vec![2]));
    assert_eq!(lines(&export(&auditor, "/ledger/events")).len(), 3);
    assert_eq!(lines(&export(&elsewhere, "/ledger/events")).len(), 1);
    for path in ["/ledger/events", "/ledger/jobs", "/ledger/jobs/a", "/ledger/jobs/a/events", "/ledger/jobs/a/output"] {
        worker.get(&format!("{path}?org={OTHER}")).expect(404);
        worker.get(&format!("{path}?org={}", OrgId::default())).expect(200);
        auditor.get(&format!("{path}?org={OTHER}")).expect(200);
    }
    assert_eq!(auditor.get(&format!("/ledger/jobs/a?org={OTHER}")).json()["position"], 2);
    assert_eq!(auditor.get("/ledger/jobs").json()["jobs"].as_array().unwrap().len(), 2);
}

#[test]
fn a_position_that_is_not_reached_is_waited_for_and_named() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&task_job("a")).expect(201);
    let admin = server.client(Role::Admin);
    admin.append(&json!([role_job(ROLE_JOB), rule_job("r", &["x"])])).expect(201);
    let paths = [
        "/ledger/events",
        "/ledger/events/1",
        "/ledger/jobs",
        "/ledger/jobs/a",
        "/ledger/jobs/a?as_of=1",
        "/ledger/jobs/a/events",
        "/ledger/jobs/a/output",
        "/ledger/jobs/a/diff?from=1",
        "/ledger/jobs/a/evidence",
        "/api/v1/jobs",
        "/api/v1/jobs/running",
        "/api/v1/jobs/a",
        "/api/v1/jobs/a/progress",
        "/dbroles/jobs/67d7d053-3caf-430e-97ba-6d4933d3fd5b",
        "/authorization/rules/jobs/r",
        "/authorization/rules/jobs/r/state",
    ];
    // Each read waits for its full time limit, so the test runs all reads at once.
    std::thread::scope(|scope| {
        let ask = |path: &'static str| {
            let (admin, path) = (&admin, format!("{path}{}min_position=7", if path.contains('?') { '&' } else { '?' }));
            scope.spawn(move || (admin.get(&path), path))
        };
        let asked: Vec<_> = paths.map(ask).into_iter().collect();
        for (answer, path) in asked.into_iter().map(|thread| thread.join().unwrap()) {
            let late = answer.expect(503);
            assert!(late.text().contains("at position 3 and has not reached 7"), "{path}: {}", late.text());
            if path.starts_with("/ledger") {
                assert_eq!(late.json()["code"], "not-reached", "{path}");
            }
        }
    });
}

#[test]
fn a_jobs_events_are_read_as_of_a_moment() {
    let clock = HandClock::new();
    let server = TestServer::start_with(clock.clock());
    let worker = server.client(Role::Worker);
    for event in [task_job("a"), task_job("b"), started("a"), noted("b", "4"), noted("a", "5"), noted("a", "6")] {
        clock.pass(1_000_000);
        worker.append(&event).expect(201);
    }
    let recorded = worker.get("/ledger/events/5").json()["recordedtime"].as_str().unwrap().to_owned();
    for (as_of, head, expected) in [("1", 1, &[1][..]), ("2", 2, &[1]), ("3", 3, &[1, 3]), (&recorded, 5, &[1, 3, 5])] {
        let path = format!("/ledger/jobs/a/events?as_of={as_of}");
        let page = worker.get(&path).expect(200);
        assert_eq!((positions(&page.json()), page.header("ledger-position")), (expected.to_vec(), &*head.to_string()));
        assert_eq!((&page.json()["head"], &page.json()["next"]), (&json!(head), &Value::Null));
        let lines: Vec<u64> = lines(&export(&worker, &path)).iter().map(position).collect();
        assert_eq!(lines, expected);
    }
    let first = worker.get("/ledger/jobs/a/events?as_of=5&limit=2").json();
    assert_eq!((positions(&first), &first["next"]), (vec![1, 3], &json!(3)));
    let second = worker.get("/ledger/jobs/a/events?as_of=5&limit=2&after=3").json();
    assert_eq!((positions(&second), &second["next"]), (vec![5], &Value::Null));
    problem(worker.get("/ledger/jobs/b/events?as_of=1"), 404, "no-such-job");
    let live = worker.get_with("/ledger/jobs/a/events?as_of=5", &[("accept", "text/event-stream")]);
    problem(live, 400, "bad-parameter");
}

#[test]
fn every_reader_sees_at_once_what_any_client_was_answered() {
    let server = TestServer::start();
    let (worker, viewer) = (server.client(Role::Worker), server.client(Role::Viewer));
    worker.append(&json!([task_job("a"), started("a")])).expect(201);
    for n in 3..=60 {
        let report = event("job.progress", "a", json!({"records_processed": n}));
        let answered = worker.append(&report).expect(201).json()["position"].as_u64().unwrap();
        let job = viewer.get("/ledger/jobs/a").expect(200);
        assert_eq!(
            (job.json()["records_processed"].as_u64(), job.header("ledger-position")),
            (Some(n), &*answered.to_string())
        );
        let list = viewer.get(&format!("/ledger/jobs?min_position={answered}")).expect(200);
        assert_eq!(
            (list.json()["jobs"][0]["position"].as_u64(), list.header("ledger-position")),
            (Some(n), &*answered.to_string())
        );
        assert_eq!(viewer.get("/ledger/events?limit=1").json()["head"], answered);
    }
}
