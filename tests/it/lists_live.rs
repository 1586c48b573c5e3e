//! Live lists: the first page of `/ledger/jobs` at once, then the rows that change.

use std::time::Instant;

use jobledger::access::Role;
use serde_json::{Value, json};

use crate::support::watching::ListClient;
use crate::support::{
    Client, Frame, HandClock, Stream, TestServer, completed, event, nil, noted, processed, rule_job, started, task_job,
};

/// Opens a live list and reads its first page.
fn watch(client: &Client, query: &str) -> (ListClient, Stream) {
    let mut stream = client.tail(&format!("/ledger/jobs{query}"), &[]);
    let mut page = ListClient::default();
    assert_eq!(page.read(&mut stream).event, "snapshot");
    (page, stream)
}

/// The ids of the rows in a message, as it has them.
fn ids(frame: &Frame) -> Vec<String> {
    frame.json()["jobs"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

fn gone(frame: &Frame) -> Value {
    frame.json()["gone"].clone()
}

fn listed(client: &Client, query: &str) -> Vec<Value> {
    client.get(&format!("/ledger/jobs{query}")).expect(200).json()["jobs"].as_array().unwrap().clone()
}

#[test]
fn a_live_list_sends_its_page_and_then_only_the_rows_that_change() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&json!([task_job("a"), task_job("b"), rule_job("r", &["one"])])).expect(201);
    let (mut page, mut stream) = watch(&worker, "");
    assert_eq!((page.position, page.next.clone()), (3, None));
    assert_eq!(page.jobs(), listed(&worker, ""));
    worker.append(&started("a")).expect(201);
    let frame = page.read(&mut stream);
    assert_eq!((frame.event.as_str(), frame.id, ids(&frame)), ("changed", Some(4), vec!["a".to_owned()]));
    assert_eq!(gone(&frame), json!([]));
    assert_eq!(page.jobs(), listed(&worker, ""));
    // A new job is a row too.
    worker.append(&json!([task_job("c"), processed("a", 5)])).expect(201);
    let frame = page.read(&mut stream);
    assert_eq!((frame.id, ids(&frame)), (Some(6), vec!["c".to_owned(), "a".to_owned()]));
    assert_eq!(page.jobs(), listed(&worker, ""));
}

#[test]
fn a_job_that_the_filters_no_longer_show_is_gone() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&json!([task_job("a"), task_job("b"), started("a"), started("b"), task_job("c")])).expect(201);
    let (mut page, mut stream) = watch(&worker, "?status=running");
    assert_eq!(page.ids(), ["b", "a"]);
    worker.append(&completed("b")).expect(201);
    let frame = page.read(&mut stream);
    assert_eq!((ids(&frame), gone(&frame), frame.json()["gone_created"].clone()), (vec![], json!(["b"]), json!([2])));
    // A job that never stood on the page is not gone, and an old job may appear.
    worker.append(&json!([event("job.cancelled", "c", json!({})), noted("b", "late")])).expect(201);
    worker.append(&processed("a", 1)).expect(201);
    let frame = page.read(&mut stream);
    assert_eq!((ids(&frame), gone(&frame)), (vec!["a".to_owned()], json!([])));
    assert_eq!(page.jobs(), listed(&worker, "?status=running"));
}

#[test]
fn the_page_keeps_its_length_while_jobs_come_and_go() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    let names: Vec<String> = (0..6).map(|n| format!("j{n}")).collect();
    worker.append(&json!(names.iter().flat_map(|job| [task_job(job), started(job)]).collect::<Vec<_>>())).expect(201);
    let query = "?status=running&first=2";
    let (mut page, mut stream) = watch(&worker, query);
    assert_eq!(page.ids(), ["j5", "j4"]);
    // A change of an older job is no change of the page.
    worker.append(&processed("j0", 3)).expect(201);
    worker.append(&completed("j5")).expect(201);
    let frame = page.read(&mut stream);
    assert_eq!((ids(&frame), gone(&frame)), (vec!["j3".to_owned()], json!(["j5"])));
    worker.append(&json!([task_job("new"), started("new")])).expect(201);
    let frame = page.read(&mut stream);
    assert_eq!((ids(&frame), gone(&frame)), (vec!["new".to_owned()], json!([])));
    assert_eq!(page.ids(), ["new", "j4"]);
    // The next page begins where this one ends now.
    let after = page.next.clone().unwrap();
    let older: Vec<Value> = listed(&worker, &format!("{query}&after={after}"));
    assert_eq!(older.iter().map(|job| &job["id"]).collect::<Vec<_>>(), ["j3", "j2"]);
    let all = json!(["new", "j4", "j3", "j2", "j1"].map(completed));
    worker.append(&all).expect(201);
    page.read(&mut stream);
    assert_eq!((page.ids(), page.next.clone()), (vec!["j0".to_owned()], None));
    assert_eq!(page.jobs(), listed(&worker, query));
}

#[test]
fn a_client_that_comes_back_gets_what_changed_since() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    let names: Vec<String> = (0..8).map(|n| format!("j{n}")).collect();
    worker.append(&json!(names.iter().flat_map(|job| [task_job(job), started(job)]).collect::<Vec<_>>())).expect(201);
    let query = "?status=running&first=3";
    let (mut page, stream) = watch(&worker, query);
    drop(stream);
    assert_eq!(page.ids(), ["j7", "j6", "j5"]);
    let meanwhile = json!([
        completed("j6"),
        processed("j5", 4),
        processed("j0", 4),
        task_job("failed"),
        event("job.failed", "failed", json!({"message": "no"})),
        task_job("pending"),
        event("job.cancelled", "j4", json!({})),
    ]);
    worker.append(&meanwhile).expect(201);
    let mut stream = worker.resume(&format!("/ledger/jobs{query}"), page.position);
    let frame = page.read(&mut stream);
    // `j3` takes the place of `j6`. `j4` left too: the server does not know that the client never showed it.
    assert_eq!((frame.event.as_str(), frame.id), ("changed", Some(23)));
    assert_eq!(ids(&frame), ["j5", "j3"]);
    let mut left: Vec<String> = gone(&frame).as_array().unwrap().iter().map(|id| id.as_str().unwrap().into()).collect();
    left.sort();
    assert_eq!(left, ["j4", "j6"]);
    assert_eq!(page.jobs(), listed(&worker, query));
    // It is live from there on.
    worker.append(&processed("j7", 1)).expect(201);
    assert_eq!(ids(&page.read(&mut stream)), ["j7"]);
    assert_eq!(page.jobs(), listed(&worker, query));
}

#[test]
fn a_client_that_missed_nothing_is_told_so() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&json!([task_job("a"), rule_job("r", &["one"])])).expect(201);
    let frame = worker.resume("/ledger/jobs?kind=task", 1).event();
    let nothing = json!({"jobs": [], "gone": [], "gone_created": [], "next": null, "position": 2});
    assert_eq!((frame.event.as_str(), frame.id, frame.json()), ("changed", Some(2), nothing));
}

#[test]
fn a_client_that_missed_too_much_begins_anew() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    for some in 0..2 {
        let jobs: Vec<Value> = (0..600).map(|n| task_job(&format!("j{some}-{n}"))).collect();
        worker.append(&json!(jobs)).expect(201);
    }
    // More jobs have changed than one look names.
    let frame = worker.resume("/ledger/jobs?first=5", 100).event();
    assert_eq!((frame.event.as_str(), frame.id, ids(&frame).len()), ("snapshot", Some(1200), 5));
    assert_eq!(worker.resume("/ledger/jobs?first=5", 900).event().event, "changed");
    // The log was restored from an older copy.
    assert_eq!(worker.resume("/ledger/jobs?first=5", 1201).event().event, "snapshot");
}

#[test]
fn at_most_five_messages_a_second_and_the_newest_state_always() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&json!([task_job("a"), started("a")])).expect(201);
    let began = Instant::now();
    let (mut page, mut stream) = watch(&worker, "?status=running");
    for n in 1..=300 {
        worker.append(&processed("a", n)).expect(201);
    }
    worker.append(&completed("a")).expect(201);
    let mut messages = 0;
    while !page.ids().is_empty() {
        page.read(&mut stream);
        messages += 1;
    }
    let took = began.elapsed();
    assert!(messages * 200 <= took.as_millis(), "{messages} messages in {took:?}");
    assert_eq!(page.position, 303);
}

#[test]
fn an_auditor_tells_jobs_of_two_organisations_with_one_id_apart() {
    let server = TestServer::start();
    let other = "0195b3a0-0000-7000-8000-000000000001";
    let (worker, auditor) = (server.client(Role::Worker), server.client(Role::Auditor));
    let elsewhere = Client::new(&server.url, Some(&server.token("elsewhere", Role::Worker, other.parse().unwrap())));
    worker.append(&json!([task_job("a"), started("a")])).expect(201);
    elsewhere.append(&json!([task_job("a"), started("a")])).expect(201);
    let (mut page, mut stream) = watch(&auditor, "?status=running");
    let (mut own, mut own_stream) = watch(&worker, "?status=running");
    worker.append(&completed("a")).expect(201);
    let frame = page.read(&mut stream);
    assert_eq!((gone(&frame), page.jobs().len()), (json!(["a"]), 1));
    assert_eq!(page.jobs()[0]["org_id"], json!(other));
    assert_eq!((gone(&own.read(&mut own_stream)), own.ids().len()), (json!(["a"]), 0));
    let named = format!("/ledger/jobs?org={}", nil());
    assert_eq!(ids(&auditor.tail(&named, &[]).event()), ["a"]);
    let stream = [("accept", "text/event-stream")];
    assert_eq!(elsewhere.get_with(&named, &stream).expect(404).json()["code"], "no-such-job");
}

#[test]
fn a_live_list_takes_no_cursor_and_minds_its_parameters() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&task_job("a")).expect(201);
    let stream = [("accept", "text/event-stream")];
    for (query, name) in
        [("after=x", "after"), ("status=done", "status"), ("first=0", "first"), ("colour=red", "colour")]
    {
        let answer = worker.get_with(&format!("/ledger/jobs?{query}"), &stream).expect(400);
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.starts_with(&format!("parameter `{name}`")), "{query}: {detail}");
    }
    let wrong = [("accept", "text/event-stream"), ("last-event-id", "x")];
    assert_eq!(worker.get_with("/ledger/jobs", &wrong).expect(400).json()["code"], "bad-request");
    server.anonymous().get_with("/ledger/jobs", &stream).expect(401);
    // A browser that opens the address gets the page as JSON.
    let browser = [("accept", "text/html,application/xhtml+xml,*/*;q=0.8")];
    assert_eq!(worker.get_with("/ledger/jobs", &browser).expect(200).header("content-type"), "application/json");
}

#[test]
fn a_live_list_has_the_filters_by_the_end_and_the_canceller() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&json!([task_job("a"), started("a"), task_job("b")])).expect(201);
    let (mut ended, mut ends) = watch(&worker, "?ended_after=2020-01-01T00:00:00Z");
    let (mut cancelled, mut cancels) = watch(&worker, "?cancelled_by=worker&ended_before=2100-01-01T00:00:00Z");
    worker.append(&completed("a")).expect(201);
    assert_eq!(ids(&ended.read(&mut ends)), ["a"]);
    worker.append(&event("job.cancelled", "b", json!({}))).expect(201);
    assert_eq!((ids(&ended.read(&mut ends)), ids(&cancelled.read(&mut cancels))), (vec!["b".into()], vec!["b".into()]));
    assert_eq!(cancelled.jobs(), listed(&worker, "?cancelled_by=worker"));
    // A client that comes back learns of the same.
    let mut back = worker.tail("/ledger/jobs?ended_after=2020-01-01T00:00:00Z", &[("last-event-id", "4")]);
    let frame = back.event();
    assert_eq!((frame.event.as_str(), ids(&frame), gone(&frame)), ("changed", vec!["b".to_owned()], json!([])));
    let problem = worker.get_with("/ledger/jobs?order=oldest", &[("accept", "text/event-stream")]).expect(400).json();
    assert!(problem["detail"].as_str().unwrap().starts_with("parameter `order`: expected `newest`"), "{problem}");
}

#[test]
fn jobs_come_to_a_live_list_by_their_silence() {
    let clock = HandClock::new();
    let server = TestServer::start_with(clock.clock());
    let worker = server.client(Role::Worker);
    let query = "?quiet_for=15m&first=2";
    worker.append(&json!([task_job("a"), started("a"), task_job("b"), started("b"), task_job("c")])).expect(201);
    let (mut page, mut stream) = watch(&worker, query);
    assert_eq!(page.ids(), [""; 0]);
    clock.pass(10 * 60 * 1_000_000);
    worker.append(&processed("b", 1)).expect(201);
    clock.pass(5 * 60 * 1_000_000);
    // An event of any job wakes the list; without one a heartbeat does.
    worker.append(&noted("c", "hello")).expect(201);
    let frame = page.read(&mut stream);
    assert_eq!((frame.event.as_str(), ids(&frame), gone(&frame)), ("changed", vec!["a".to_owned()], json!([])));
    clock.pass(10 * 60 * 1_000_000);
    worker.append(&json!([noted("a", "still here"), noted("c", "hello")])).expect(201);
    let frame = page.read(&mut stream);
    assert_eq!((ids(&frame), gone(&frame)), (vec!["b".to_owned()], json!(["a"])));
    assert_eq!(page.jobs(), listed(&worker, query));
    let mut back = worker.tail(&format!("/ledger/jobs{query}"), &[("last-event-id", "5")]);
    assert_eq!(back.event().event, "snapshot", "a position does not tell which jobs were quiet then");
}
