//! The documented single-job reads, live: the read model at once, again after each change, then `closed`. `tails_changes` tests the
//! ledger's own read of a job, which sends what changed.

use std::time::Instant;

use jobledger::access::Role;
use jobledger::job::OrgId;
use jobledger::ledger::{Options, system_clock};
use serde_json::{Value, json};

use crate::support::wait::until;
use crate::support::{
    Client, TestServer, completed, event, noted, output, processed, result, role_job, rule_job, started, task_job,
};

const ROLES: &str = "67d7d053-3caf-430e-97ba-6d4933d3fd5b";

/// Appends each of `changes`. After each one the live read of `path` must show the answer of a plain read. The last one ends the job.
fn shows_each_change(admin: &Client, path: &str, changes: &[Value]) {
    let mut live = admin.tail(path, &[]);
    for n in 0..=changes.len() {
        let position = match n.checked_sub(1) {
            Some(last) => admin.append(&changes[last]).expect(201).json()["position"].as_u64(),
            None => live_position(admin, &changes[0]),
        };
        let frame = live.event();
        assert_eq!((frame.event.as_str(), frame.id), ("snapshot", position), "{path}");
        assert_eq!(frame.data, admin.get(path).expect(200).text().trim_end(), "{path}");
    }
    let closed = live.event();
    assert_eq!((closed.event.as_str(), closed.json()["position"].as_u64()), ("closed", closed.id), "{path}");
    assert_eq!(live.next(), None, "{path}");
}

/// The position that a live read of the event's job shows.
fn live_position(admin: &Client, event: &Value) -> Option<u64> {
    admin.get(&format!("/ledger/jobs/{}", event["subject"].as_str().unwrap())).json()["position"].as_u64()
}

#[test]
fn a_live_read_of_a_database_role_job_shows_each_change() {
    let server = TestServer::start();
    let admin = server.client(Role::Admin);
    admin.append(&role_job(ROLES)).expect(201);
    let exit = json!({"output": "done", "exit_code": 0, "execution_time_sec": 5});
    let changes = [
        started(ROLES),
        result(ROLES, "hoop_ro", "running"),
        result(ROLES, "hoop_ro", "completed"),
        event("job.hook_output", ROLES, exit),
        completed(ROLES),
    ];
    shows_each_change(&admin, &format!("/dbroles/jobs/{ROLES}"), &changes);
}

#[test]
fn a_live_read_of_a_background_job_shows_each_change() {
    let server = TestServer::start();
    let admin = server.client(Role::Admin);
    admin.append(&task_job("a")).expect(201);
    let cancelled = event("job.cancelled", "a", json!({"reason": "enough"}));
    shows_each_change(&admin, "/api/v1/jobs/a", &[started("a"), processed("a", 5), noted("a", "hm"), cancelled]);
}

#[test]
fn a_live_read_of_the_progress_of_a_background_job_shows_each_change() {
    let server = TestServer::start();
    let admin = server.client(Role::Admin);
    admin.append(&task_job("a")).expect(201);
    let mut live = admin.tail("/api/v1/jobs/a/progress", &[]);
    assert_eq!(live.event().json()["status"], "pending");
    let start = json!({"total_records": 10});
    for (n, change) in [event("job.started", "a", start), processed("a", 4), completed("a")].iter().enumerate() {
        admin.append(change).expect(201);
        let frame = live.event();
        let shown = frame.json();
        let progress = (shown["status"].as_str().unwrap(), shown["progress"].as_u64().unwrap());
        assert_eq!(progress, [("running", 0), ("running", 40), ("completed", 100)][n]);
        assert_eq!(frame.id, Some(n as u64 + 2));
        assert!(shown["elapsed_ms"].is_u64());
    }
    assert_eq!(live.event().event, "closed");
    assert_eq!(live.next(), None);
}

#[test]
fn live_reads_of_a_rule_job_and_its_state_show_each_change() {
    let server = TestServer::start();
    let admin = server.client(Role::Admin);
    for (job, path) in [("a", "/authorization/rules/jobs/a"), ("b", "/authorization/rules/jobs/b/state")] {
        admin.append(&rule_job(job, &["one"])).expect(201);
        let failed = event("job.failed", job, json!({"message": "no"}));
        shows_each_change(&admin, path, &[started(job), result(job, "one", "completed"), failed]);
    }
}

#[test]
fn at_most_five_snapshots_a_second_and_the_newest_always() {
    let server = TestServer::start();
    let admin = server.client(Role::Admin);
    admin.append(&json!([task_job("a"), started("a")])).expect(201);
    let began = Instant::now();
    let live = admin.tail("/api/v1/jobs/a", &[]);
    for n in 1..=300 {
        admin.append(&processed("a", n)).expect(201);
    }
    admin.append(&completed("a")).expect(201);
    let frames = live.rest();
    let (snapshots, took) = (frames.len() - 1, began.elapsed());
    // At least 200 ms lie between two snapshots, so the time that the test took bounds their number.
    assert!((snapshots as u128 - 1) * 200 <= took.as_millis(), "{snapshots} snapshots in {took:?}");
    assert!(frames.is_sorted_by(|one, next| one.id < next.id || next.event == "closed"));
    let newest = frames[snapshots - 1].json();
    assert_eq!((newest["status"].as_str(), newest["records_processed"].as_u64()), (Some("completed"), Some(300)));
    assert_eq!((frames[snapshots].event.as_str(), frames[snapshots].id), ("closed", Some(303)));
}

#[test]
fn a_job_that_has_ended_is_shown_once() {
    let server = TestServer::start();
    let admin = server.client(Role::Admin);
    let events =
        json!([task_job("a"), event("job.cancelled", "a", json!({})), noted("a", "after the end"), task_job("b")]);
    admin.append(&events).expect(201);
    for path in ["/ledger/jobs/a", "/api/v1/jobs/a", "/api/v1/jobs/a/progress"] {
        let frames = admin.tail(path, &[]).rest();
        let shown: Vec<_> = frames.iter().map(|frame| (frame.event.as_str(), frame.id)).collect();
        assert_eq!(shown, [("snapshot", Some(3)), ("closed", Some(3))], "{path}");
    }
}

#[test]
fn large_output_is_one_line_of_a_frame() {
    let server = TestServer::start();
    let admin = server.client(Role::Admin);
    admin.append(&json!([task_job("a"), started("a"), output("a", &"line\r\n".repeat(5000))])).expect(201);
    let frame = admin.tail("/ledger/jobs/a", &[]).event();
    assert_eq!(frame.data, admin.get("/ledger/jobs/a").expect(200).line());
    assert_eq!(frame.json()["hook"]["output"].as_str().unwrap().len(), 30_000);
}

#[test]
fn a_live_read_of_an_unknown_job_is_not_found() {
    let server = TestServer::start();
    let admin = server.client(Role::Admin);
    admin.append(&json!([task_job("task"), rule_job("rule", &["one"])])).expect(201);
    let not_found = |path: &str| {
        let answer = admin.get_with(path, &[("accept", "text/event-stream")]).expect(404);
        (answer.header("content-type").to_owned(), answer.json())
    };
    let json = "application/json".to_owned();
    assert_eq!(not_found(&format!("/dbroles/jobs/{ROLES}")), (json.clone(), json!({"message": "job not found"})));
    // A job with this id exists, and has another kind.
    for path in ["/api/v1/jobs/rule", "/api/v1/jobs/rule/progress", "/api/v1/jobs/none"] {
        let expected = json!({"error": {"code": "NOT_FOUND", "message": "no such job"}});
        assert_eq!(not_found(path), (json.clone(), expected), "{path}");
    }
    for path in ["/authorization/rules/jobs/task", "/authorization/rules/jobs/task/state"] {
        let (content_type, body) = not_found(path);
        assert_eq!(content_type, "application/vnd.sas.error+json", "{path}");
        assert_eq!(
            (body["httpStatusCode"].as_u64(), body["details"][0].as_str()),
            (Some(404), Some(&*format!("path: {path}")))
        );
    }
    let (content_type, body) = not_found("/ledger/jobs/none");
    assert_eq!((content_type.as_str(), body["code"].as_str()), ("application/problem+json", Some("no-such-job")));
}

#[test]
fn a_live_read_takes_no_moment_and_minds_its_role() {
    let server = TestServer::start();
    let admin = server.client(Role::Admin);
    admin.append(&task_job("a")).expect(201);
    let stream = [("accept", "text/event-stream")];
    for path in ["/ledger/jobs/a?as_of=1", "/api/v1/jobs/a?as_of=1"] {
        let answer = admin.get_with(path, &stream).expect(400);
        assert!(answer.text().contains("parameter `as_of`"), "{path}");
    }
    server.client(Role::Viewer).get_with("/api/v1/jobs/a", &stream).expect(403);
    server.anonymous().get_with("/ledger/jobs/a", &stream).expect(401);
}

#[test]
fn a_stream_goes_on_without_a_turn_and_ends_with_its_token() {
    let dir = tempfile::tempdir().unwrap();
    // No turn ever comes.
    let server = TestServer::open(dir.path(), Options { turns: 0, clock: system_clock(), ..Options::default() });
    let admin = server.client(Role::Admin);
    admin.append(&json!([role_job(ROLES), started(ROLES)])).expect(201);
    let mut live = server.client(Role::Viewer).tail(&format!("/dbroles/jobs/{ROLES}"), &[]);
    assert_eq!(live.event().id, Some(2));
    // A large job is rendered in turns.
    let notes: Vec<Value> = (0..5).map(|_| noted(ROLES, &"x".repeat(16_000))).collect();
    admin.append(&json!(notes)).expect(201);
    let refused = || -> u64 {
        let text = admin.get("/metrics").expect(200).text();
        let name = "jobledger_limit_refusals_total{limit=\"histories\"} ";
        text.lines().find_map(|line| line.strip_prefix(name)).unwrap().parse().unwrap()
    };
    until("the stream tries again", || refused() >= 2);
    server.access().revoke(OrgId::default(), "viewer", system_clock()()).unwrap();
    assert_eq!(live.rest(), []);
}
