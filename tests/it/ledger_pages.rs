//! The log as pages: where a page ends, how it names the next, and which parameters the route refuses.

use jobledger::access::Role;
use serde_json::{Value, json};

use crate::ledger_reads::{export, lines, positions};
use crate::support::{Client, TestServer, event, noted, position, problem, reports, started, task_job};

/// Checks that the request is refused and that the refusal names the parameter.
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
    let mut events = vec![task_job("a")];
    events.extend((2..=120).map(|n| noted("a", &n.to_string())));
    worker.append(&Value::Array(events)).expect(201);

    let first = worker.get("/ledger/events").expect(200);
    assert_eq!((first.header("content-type"), first.header("ledger-position")), ("application/json", "120"));
    let first = first.json();
    assert_eq!(positions(&first), (1..=50).collect::<Vec<u64>>());
    assert_eq!((&first["next"], &first["head"]), (&json!(50), &json!(120)));
    let last = worker.get("/ledger/events?after=100&limit=1000").expect(200).json();
    assert_eq!((positions(&last), &last["next"]), ((101..=120).collect(), &Value::Null));
    // A full page that ends exactly at the head has no next page.
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
fn a_page_of_large_events_is_cut_by_bytes_and_names_the_next() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&json!([task_job("a"), started("a")])).expect(201);
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
fn a_filter_that_matches_few_events_gives_short_pages_that_name_the_next() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&json!([task_job("a"), started("a"), noted("a", "first")])).expect(201);
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
    // This read waits for the views, which know that no job has failed.
    worker.get("/ledger/jobs/a").expect(200);
    let empty = worker.get("/ledger/events?type=job.failed").expect(200).json();
    assert_eq!((positions(&empty), &empty["next"]), (vec![], &Value::Null));
    assert_eq!(worker.positions("&type=job.noted"), [3, 21_004]);
    // One job is found through its own index, however long the log; of its own events a bounded number is looked at.
    worker.append(&json!([task_job("b"), noted("b", "only")])).expect(201);
    let page = worker.get("/ledger/jobs/b/events?type=job.noted").expect(200).json();
    assert_eq!((positions(&page), &page["next"]), (vec![21_006], &Value::Null));
    let page = worker.get("/ledger/jobs/a/events?type=job.noted").expect(200).json();
    assert_eq!(positions(&page), [3]);
    let next = page["next"].as_u64().unwrap();
    let page = worker.get(&format!("/ledger/jobs/a/events?type=job.noted&after={next}")).expect(200).json();
    assert_eq!((positions(&page), &page["next"]), (vec![21_004], &Value::Null));
    // An export goes on to the end without pages.
    let noted: Vec<u64> = lines(&export(&worker, "/ledger/events?type=job.noted")).iter().map(position).collect();
    assert_eq!(noted, [3, 21_004, 21_006]);
    let all: Vec<u64> = lines(&export(&worker, "/ledger/events")).iter().map(position).collect();
    assert_eq!(all, (1..=21_006).collect::<Vec<u64>>());
}

#[test]
fn a_page_refuses_unknown_parameters_by_name() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&task_job("a")).expect(201);
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
    // The answer is short even if the parameter is long.
    let long = "9".repeat(8000);
    for path in [format!("/ledger/events/{long}"), format!("/ledger/events?after={long}")] {
        assert!(worker.get(&path).expect(400).text().len() < 500);
    }
}
