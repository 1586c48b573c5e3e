//! The log as pages, as an export, and event by event.

use jobledger::access::Role;
use jobledger::job::OrgId;
use serde_json::{Value, json};

use crate::support::histories::{noted, reports, started};
use crate::support::{
    Answer, Client, HandClock, ROLE_JOB, TestServer, created, event, position, problem, role_job, rule_job,
};

const OTHER: &str = "7b6f7a1e-0000-4000-8000-000000000001";

fn positions(page: &Value) -> Vec<u64> {
    page["events"].as_array().unwrap().iter().map(position).collect()
}

fn lines(export: &Answer) -> Vec<Value> {
    let text = export.text();
    assert!(text.is_empty() || text.ends_with('\n'));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn export(client: &Client, path: &str) -> Answer {
    let answer = client.get_with(path, &[("accept", "application/x-ndjson")]).expect(200);
    assert_eq!(answer.header("content-type"), "application/x-ndjson");
    answer
}

/// A refused parameter is named.
fn refused(client: &Client, path: &str, parameter: &str) {
    let problem = client.get(path).expect(400).json();
    assert_eq!(problem["code"], "bad-parameter", "{path}");
    assert!(problem["detail"].as_str().unwrap().starts_with(&format!("parameter `{parameter}`")), "{path}: {problem}");
}

#[test]
fn pages_lead_through_the_whole_log_and_end_at_the_head() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    let empty = worker.get("/ledger/events").expect(200);
    assert_eq!(empty.line(), r#"{"events":[],"next":null,"head":0}"#);
    assert_eq!(empty.header("ledger-position"), "0");
    let mut events = vec![created("a")];
    events.extend((2..=120).map(|n| noted("a", &n.to_string())));
    worker.append(&Value::Array(events)).expect(201);

    let first = worker.get("/ledger/events").expect(200);
    assert_eq!((first.header("content-type"), first.header("ledger-position")), ("application/json", "120"));
    let first = first.json();
    assert_eq!(positions(&first), (1..=50).collect::<Vec<u64>>());
    assert_eq!((&first["next"], &first["head"]), (&json!(50), &json!(120)));
    let last = worker.get("/ledger/events?after=100&limit=1000").expect(200).json();
    assert_eq!((positions(&last), &last["next"]), ((101..=120).collect(), &Value::Null));
    // A full page that ends exactly at the head has nothing behind it.
    let exact = worker.get("/ledger/events?after=100&limit=20").expect(200).json();
    assert_eq!((positions(&exact).len(), &exact["next"]), (20, &Value::Null));
    let one = worker.get("/ledger/events?after=119&limit=1").expect(200).json();
    assert_eq!((positions(&one), &one["next"]), (vec![120], &Value::Null));
    for after in [120, 121, 9_000_000_000_u64] {
        let none = worker.get(&format!("/ledger/events?after={after}")).expect(200).json();
        assert_eq!((positions(&none), &none["next"]), (vec![], &Value::Null));
    }
}

#[test]
fn an_event_reads_the_same_in_every_form() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    let sent = created("a");
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
fn one_event_by_its_position() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    let elsewhere = Client::new(&server.url, Some(&server.token("w", Role::Worker, OTHER.parse().unwrap())));
    let auditor = server.client(Role::Auditor);
    worker.append(&created("a")).expect(201);
    elsewhere.append(&created("a")).expect(201);
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
fn a_page_of_large_events_is_cut_by_bytes_and_leads_on() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&json!([created("a"), started("a")])).expect(201);
    let chunk = "x".repeat(1024 * 1024);
    for _ in 0..12 {
        worker.append(&event("job.hook_output", "a", json!({"output": chunk}))).expect(201);
    }
    for path in ["/ledger/events?limit=1000", "/ledger/jobs/a/events?limit=1000"] {
        let (mut after, mut seen) = (0, Vec::new());
        loop {
            let answer = worker.get(&format!("{path}&after={after}")).expect(200);
            assert!(answer.body.len() < 8 << 20, "{}", answer.body.len());
            let page = answer.json();
            seen.extend(positions(&page));
            match page["next"].as_u64() {
                Some(next) => after = next,
                None => break,
            }
        }
        assert_eq!(seen, (1..=14).collect::<Vec<u64>>(), "{path}");
    }
    let tailed: Vec<u64> = worker.tail("/ledger/events?after=0", &[]).take(14).filter_map(|frame| frame.id).collect();
    assert_eq!(tailed, (1..=14).collect::<Vec<u64>>());
}

#[test]
fn a_filter_that_matches_little_answers_short_pages_that_lead_on() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&json!([created("a"), started("a"), noted("a", "first")])).expect(201);
    for batch in reports("a", 21_000) {
        worker.append(&batch).expect(201);
    }
    worker.append(&noted("a", "last")).expect(201);
    let page = worker.get("/ledger/events?type=job.noted").expect(200).json();
    // A bounded stretch was looked at, and there is more behind it.
    assert_eq!((positions(&page), &page["head"]), (vec![3], &json!(21_004)));
    let next = page["next"].as_u64().unwrap();
    assert!(next > 3 && next < 21_004, "{next}");
    let page = worker.get(&format!("/ledger/events?type=job.noted&after={next}")).expect(200).json();
    assert_eq!((positions(&page), &page["next"]), (vec![21_004], &Value::Null));
    let empty = worker.get("/ledger/events?type=job.failed").expect(200).json();
    assert!(positions(&empty).is_empty() && empty["next"].is_u64());
    assert_eq!(worker.positions("&type=job.noted"), [3, 21_004]);
    // One job is found through its own index, however long the log; of its own events a bounded number is looked at.
    worker.append(&json!([created("b"), noted("b", "only")])).expect(201);
    let page = worker.get("/ledger/jobs/b/events?type=job.noted").expect(200).json();
    assert_eq!((positions(&page), &page["next"]), (vec![21_006], &Value::Null));
    let page = worker.get("/ledger/jobs/a/events?type=job.noted").expect(200).json();
    assert_eq!(positions(&page), [3]);
    let next = page["next"].as_u64().unwrap();
    let page = worker.get(&format!("/ledger/jobs/a/events?type=job.noted&after={next}")).expect(200).json();
    assert_eq!((positions(&page), &page["next"]), (vec![21_004], &Value::Null));
    // An export goes on to the end by itself.
    let noted: Vec<u64> = lines(&export(&worker, "/ledger/events?type=job.noted")).iter().map(position).collect();
    assert_eq!(noted, [3, 21_004, 21_006]);
    let all: Vec<u64> = lines(&export(&worker, "/ledger/events")).iter().map(position).collect();
    assert_eq!(all, (1..=21_006).collect::<Vec<u64>>());
}

#[test]
fn an_export_starts_after_and_minds_filters() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&json!([created("a"), created("b"), noted("a", "3"), noted("b", "4")])).expect(201);
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
    worker.append(&json!([created("a"), started("a")])).expect(201);
    for batch in reports("a", 3000) {
        worker.append(&batch).expect(201);
    }
    // The export has exactly what its header says, even while others append.
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
    worker.append(&created("a")).expect(201);
    elsewhere.append(&created("a")).expect(201);
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
fn what_a_page_does_not_know_is_refused_by_name() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&created("a")).expect(201);
    for path in ["/ledger/events", "/ledger/jobs/a/events"] {
        for limit in ["0", "1001", "-1", "x", "", "1e2", "+5"] {
            refused(&worker, &format!("{path}?limit={}", limit.replace('+', "%2B")), "limit");
        }
        for parameter in ["after", "min_position"] {
            refused(&worker, &format!("{path}?{parameter}=x"), parameter);
            refused(&worker, &format!("{path}?{parameter}=1&{parameter}=1"), parameter);
        }
        refused(&worker, &format!("{path}?first=1"), "first");
        for unknown in ["job.nothing", "ledger.nothing", "ledger.,job.created", "job.created,job.started", ""] {
            refused(&worker, &format!("{path}?type={unknown}"), "type");
        }
        refused(&worker, &format!("{path}?kind=nothing"), "kind");
        let answer = worker.get_with(path, &[("accept", "text/html")]).expect(406);
        assert_eq!(answer.json()["code"], "not-acceptable");
    }
    refused(&worker, "/ledger/events?as_of=1", "as_of");
    problem(worker.get("/ledger/jobs/a/events?as_of=2"), 400, "beyond-head");
    refused(&worker, "/ledger/jobs/a/events?job=a", "job");
    assert_eq!(worker.get("/ledger/jobs/none/events").expect(404).json()["code"], "no-such-job");
    assert_eq!(worker.get("/ledger/jobs/a%20b/events").expect(404).json()["code"], "no-such-job");
    worker.get("/ledger/events?limit=1000&min_position=1&after=0").expect(200);
    // However long what was sent is, the answer is short.
    let long = "9".repeat(8000);
    for path in [format!("/ledger/events/{long}"), format!("/ledger/events?after={long}")] {
        assert!(worker.get(&path).expect(400).text().len() < 500);
    }
}

#[test]
fn a_position_that_is_not_reached_is_waited_for_and_named() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&created("a")).expect(201);
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
    // Each waits for its whole patience, so all wait at once.
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
    for event in [created("a"), created("b"), started("a"), noted("b", "4"), noted("a", "5"), noted("a", "6")] {
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
    worker.append(&json!([created("a"), started("a")])).expect(201);
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
