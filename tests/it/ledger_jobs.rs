//! Jobs of all kinds in the ledger's own API: lists, and reads of one job.

use jobledger::access::Role;
use serde_json::{Value, json};

use crate::support::{
    Client, HandClock, TestServer, completed, event, noted, output, result, role_job, rule_job, started, task_job,
};

const ROLES: &str = "67d7d053-3caf-430e-97ba-6d4933d3fd5b";
const SECOND: i64 = 1_000_000;

fn ids(page: &Value) -> Vec<&str> {
    page["jobs"].as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap()).collect()
}

fn task(job: &str, job_type: &str, more: Value) -> Value {
    let mut data = json!({"kind": "task", "spec": {"job_type": job_type}});
    data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    event("job.created", job, data)
}

/// Five jobs, a minute apart from noon on: pending, running, completed, cancelled, pending.
fn five_jobs(clock: &HandClock, worker: &Client) {
    let events = [
        json!([task("sync-1", "full_sync", json!({"created_by": "ann", "labels": {"ticket": "AC-1"}}))]),
        json!([task("sync-2", "enrichment", json!({"labels": {"ticket": "AC-2", "x": "a:b"}})), started("sync-2")]),
        json!([role_job(ROLES), started(ROLES), completed(ROLES)]),
        json!([rule_job("rules", &["one"]), event("job.cancelled", "rules", json!({}))]),
        json!([task("sync_3", "full_sync", json!({"created_by": "ann", "labels": {"ticket": "AC-1"}}))]),
    ];
    for events in events {
        worker.append(&events).expect(201);
        clock.pass(60 * SECOND);
    }
}

#[test]
fn each_filter_of_the_list_selects_its_jobs() {
    let clock = HandClock::new();
    let server = TestServer::start_with(clock.clock());
    let worker = server.client(Role::Worker);
    five_jobs(&clock, &worker);
    let all = ["sync_3", "rules", ROLES, "sync-2", "sync-1"];
    let filters: [(&str, &[&str]); 28] = [
        ("", &all),
        ("kind=task", &["sync_3", "sync-2", "sync-1"]),
        ("kind=dbrole", &[ROLES]),
        ("kind=rule", &["rules"]),
        ("status=pending", &["sync_3", "sync-1"]),
        ("status=running", &["sync-2"]),
        ("status=completed", &[ROLES]),
        ("status=failed", &[]),
        ("status=cancelled", &["rules"]),
        ("job_type=full_sync", &["sync_3", "sync-1"]),
        ("job_type=enrichment&status=running", &["sync-2"]),
        ("job_type=enrichment&status=pending", &[]),
        ("job_type=certificates.renew", &[]),
        ("label=ticket:AC-1", &["sync_3", "sync-1"]),
        ("label=x:a:b", &["sync-2"]),
        ("label=x:a", &[]),
        ("created_by=ann", &["sync_3", "sync-1"]),
        ("created_by=worker", &["rules", ROLES, "sync-2"]),
        ("id_prefix=sync-", &["sync-2", "sync-1"]),
        ("id_prefix=sync", &["sync_3", "sync-2", "sync-1"]),
        ("id_prefix=sync-1", &["sync-1"]),
        ("id_prefix=67d7", &[ROLES]),
        ("id_prefix=67D7D053-3CAF-430E-97BA-6D4933D3FD5B", &[ROLES]),
        // Strictly after and before, to the instant.
        ("created_after=2025-03-01T12:01:00Z", &["sync_3", "rules", ROLES]),
        ("created_after=2025-03-01T13:01:00%2B01:00&kind=task", &["sync_3"]),
        ("created_before=2025-03-01T12:01:00Z", &["sync-1"]),
        ("created_after=2025-03-01T12:00:59.999999Z&created_before=2025-03-01T12:01:00.000001Z", &["sync-2"]),
        ("kind=task&created_by=ann&label=ticket:AC-1&status=pending&created_after=2025-03-01T12:00:00Z", &["sync_3"]),
    ];
    for (filter, expected) in filters {
        let page = worker.get(&format!("/ledger/jobs?{filter}")).expect(200).json();
        assert_eq!(ids(&page), expected, "{filter}");
        assert_eq!(page["next"], Value::Null, "{filter}");
    }
}

#[test]
fn the_newest_by_position_is_first_even_if_its_time_is_older() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    for (job, time) in [("a", "2025-03-01T12:00:00Z"), ("b", "2024-01-01T00:00:00Z"), ("c", "2025-01-01T00:00:00Z")] {
        let mut event = task_job(job);
        event["time"] = json!(time);
        worker.append(&event).expect(201);
    }
    worker.append(&started("a")).expect(201);
    assert_eq!(ids(&worker.get("/ledger/jobs").expect(200).json()), ["c", "b", "a"]);
}

#[test]
fn a_cursor_keeps_its_place_while_jobs_come_and_change() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    let jobs: Vec<Value> = (0..7).map(|n| task_job(&format!("job-{n}"))).collect();
    worker.append(&Value::Array(jobs)).expect(201);
    let page = |query: &str| worker.get(&format!("/ledger/jobs?{query}")).expect(200).json();
    let first = page("first=3&kind=task");
    assert_eq!(ids(&first), ["job-6", "job-5", "job-4"]);
    worker.append(&json!([task_job("new"), started("job-3"), started("job-5")])).expect(201);
    let cursor = first["next"].as_str().unwrap();
    let second = page(&format!("first=3&kind=task&after={cursor}"));
    assert_eq!(ids(&second), ["job-3", "job-2", "job-1"]);
    assert_eq!(second["jobs"][0]["status"], "running");
    // The size of a page is no filter, so it may change from page to page.
    let third = page(&format!("first=1000&kind=task&after={}", second["next"].as_str().unwrap()));
    assert_eq!((ids(&third), &third["next"]), (vec!["job-0"], &Value::Null));
    // A page with exactly the remaining jobs has no next page.
    assert_eq!(page("first=8")["next"], Value::Null);
    assert!(page("first=7")["next"].is_string());
    for query in ["", "&kind=rule", "&kind=task&status=pending", "&kind=task&label=a:b"] {
        let problem = worker.get(&format!("/ledger/jobs?after={cursor}{query}")).expect(400).json();
        assert!(problem["detail"].as_str().unwrap().contains("same filters"), "{query}: {problem}");
    }
}

#[test]
fn the_list_refuses_unknown_parameters_by_name() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    let bad = [
        "kind=x",
        "status=canceled",
        "job_type=a%20b",
        "label=x",
        "created_after=yesterday",
        "created_before=2025-13-01",
        "first=0",
        "first=1001",
        "first=x",
        "after=x",
        "after=",
        "after=AAAA",
        "org=x",
        "min_position=-1",
        "as_of=1",
        "limit=1",
        "type=job.created",
        "created_by=a&created_by=b",
    ];
    for query in bad {
        let problem = worker.get(&format!("/ledger/jobs?{query}")).expect(400).json();
        let name = query.split('=').next().unwrap();
        assert_eq!(problem["code"], "bad-parameter", "{query}");
        assert!(problem["detail"].as_str().unwrap().starts_with(&format!("parameter `{name}`")), "{query}: {problem}");
    }
}

#[test]
fn a_job_shows_everything_that_is_known_of_it() {
    let clock = HandClock::new();
    let server = TestServer::start_with(clock.clock());
    let worker = server.client(Role::Worker);
    let spec = json!({"db_arn": "arn:db", "db_engine": "postgres", "db_tags": [{"key": "squad", "value": "banking"}]});
    let data = json!({"kind": "dbrole", "spec": spec, "created_by": "ann", "labels": {"ticket": "AC-1", "b": "é"}});
    let credentials =
        json!({"secrets_manager_provider": "vault", "secret_id": "dbsecrets/x", "secret_keys": ["HOST", "PORT"]});
    let detail = json!({"credentials_info": credentials});
    let vault = json!({"item": "hoop_ro", "status": "completed", "message": "saved", "detail": detail});
    let counts = json!({"progress": 40, "current_step": "roles", "records_processed": 2, "total_records": 5,
        "records_created": 1, "records_updated": 0, "records_deleted": 9_007_199_254_740_992_u64, "message": "so far"});
    let exit = json!({"output": "end", "stream": "stderr", "exit_code": -1, "execution_time_sec": 5});
    let life = [
        event("job.created", ROLES, data),
        event("job.started", ROLES, json!({"message": "off"})),
        event("job.progress", ROLES, counts),
        result(ROLES, "hoop_rw", "running"),
        event("job.item_result", ROLES, vault),
        output(ROLES, "begin "),
        event("job.hook_output", ROLES, exit),
        event("job.cancelled", ROLES, json!({"reason": "enough"})),
        noted(ROLES, "a remark"),
    ];
    for event in life {
        worker.append(&event).expect(201);
        clock.pass(SECOND);
    }
    let answer = worker.get(&format!("/ledger/jobs/{ROLES}")).expect(200);
    assert_eq!((answer.header("etag"), answer.header("ledger-position")), ("\"9\"", "9"));
    let expected = json!({
        "id": ROLES, "org_id": "00000000-0000-0000-0000-000000000000", "kind": "dbrole", "status": "cancelled",
        "created_at": "2025-03-01T12:00:00Z", "started_at": "2025-03-01T12:00:01Z", "ended_at": "2025-03-01T12:00:07Z",
        "created_by": "ann", "labels": {"b": "é", "ticket": "AC-1"}, "spec": spec,
        "message": "so far", "progress": 40, "current_step": "roles",
        "records_processed": 2, "total_records": 5, "records_created": 1, "records_updated": 0,
        "records_deleted": 9_007_199_254_740_992_u64,
        "items": [
            {"item": "hoop_rw", "status": "running", "message": null, "detail": null, "at": "2025-03-01T12:00:03Z"},
            {"item": "hoop_ro", "status": "completed", "message": "saved", "detail": detail, "at": "2025-03-01T12:00:04Z"},
        ],
        "hook": {"output": "begin end", "exit_code": -1, "execution_time_sec": 5},
        "cancelled": {"by": "worker", "reason": "enough", "at": "2025-03-01T12:00:07Z"},
        "notes": [{"text": "a remark", "by": "worker", "at": "2025-03-01T12:00:08Z"}],
        "last_event_at": "2025-03-01T12:00:08.000000Z", "position": 9,
    });
    assert_eq!(answer.json(), expected);
    // A list shows the same, without the parts.
    let mut entry = expected;
    for part in ["spec", "items", "hook", "notes"] {
        entry.as_object_mut().unwrap().remove(part);
    }
    assert_eq!(worker.get("/ledger/jobs").expect(200).json(), json!({"jobs": [entry], "next": null}));
}

#[test]
fn a_new_job_shows_null_for_unknown_members() {
    let clock = HandClock::new();
    let server = TestServer::start_with(clock.clock());
    let worker = server.client(Role::Worker);
    worker.append(&rule_job("r", &["one", "two"])).expect(201);
    let pending = |item: &str| json!({"item": item, "status": "pending", "message": null, "detail": null, "at": null});
    let shown = worker.get("/ledger/jobs/r").expect(200).json();
    assert_eq!(
        (&shown["items"], &shown["spec"]["actions"][1]["id"]),
        (&json!([pending("one"), pending("two")]), &json!("two"))
    );
    let unknown = [
        "started_at",
        "ended_at",
        "message",
        "current_step",
        "records_processed",
        "total_records",
        "records_created",
        "records_updated",
        "records_deleted",
        "hook",
        "cancelled",
    ];
    for field in unknown {
        assert_eq!(shown.get(field), Some(&Value::Null), "{field}");
    }
    assert_eq!((&shown["labels"], &shown["notes"], &shown["progress"]), (&json!({}), &json!([]), &json!(0)));
    assert_eq!((shown["created_by"].as_str(), shown["status"].as_str()), (Some("worker"), Some("pending")));
    worker.append(&event("job.cancelled", "r", json!({}))).expect(201);
    let cancelled = worker.get("/ledger/jobs/r").expect(200).json()["cancelled"].clone();
    assert_eq!(cancelled, json!({"by": "worker", "reason": null, "at": "2025-03-01T12:00:00Z"}));
}

#[test]
fn hook_output_is_shown_to_a_mebibyte_and_served_whole() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&json!([task_job("a"), started("a")])).expect(201);
    let whole = |job: &str| {
        let answer = worker.get(&format!("/ledger/jobs/{job}/output")).expect(200);
        assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
        answer.text()
    };
    assert_eq!(whole("a"), "");
    // Each event has seven bytes, two of them one character. The first mebibyte ends inside such a character.
    let chunk = "héllo\n".repeat(40_000);
    let parts = [format!("ab{chunk}"), chunk.clone(), chunk.clone(), chunk];
    for part in &parts {
        worker.append(&output("a", part)).expect(201);
    }
    let text = parts.concat();
    assert!(!text.is_char_boundary(1 << 20));
    assert_eq!(whole("a"), text);
    let shown = worker.get("/ledger/jobs/a").expect(200).json();
    let cut = text.floor_char_boundary(1 << 20);
    assert_eq!(shown["hook"]["output"].as_str(), Some(&text[..cut]));
    assert_eq!(shown["hook"]["exit_code"], Value::Null);
    // A read as of an earlier moment shows less output.
    let earlier = worker.get("/ledger/jobs/a/output?as_of=3").expect(200);
    assert_eq!((earlier.text(), earlier.header("ledger-position")), (parts[0].clone(), "3"));
    worker.get("/ledger/jobs/a/output?as_of=0").expect(404);
    worker.get("/ledger/jobs/none/output").expect(404);
    worker.get("/ledger/jobs/a/output?first=1").expect(400);
}

#[test]
fn a_read_is_conditional_and_says_what_it_shows() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&json!([task_job("a"), task_job("b")])).expect(201);
    let job = worker.get("/ledger/jobs/a").expect(200);
    // The revision is the position of the job's newest event. `Ledger-Position` is that of the log.
    assert_eq!((job.header("etag"), job.header("ledger-position")), ("\"1\"", "2"));
    for tag in ["\"1\"", "W/\"1\"", "\"7\", \"1\"", "*"] {
        let answer = worker.get_with("/ledger/jobs/a", &[("if-none-match", tag)]).expect(304);
        assert_eq!((answer.body.len(), answer.header("etag"), answer.header("ledger-position")), (0, "\"1\"", "2"));
    }
    worker.append(&started("a")).expect(201);
    worker.get_with("/ledger/jobs/a", &[("if-none-match", "\"1\"")]).expect(200);
    worker.get("/ledger/jobs/a?min_position=3").expect(200);
    for query in ["min_position=x", "limit=1", "as_of=", "as_of=1&as_of=1"] {
        assert_eq!(
            worker.get(&format!("/ledger/jobs/a?{query}")).expect(400).json()["code"],
            "bad-parameter",
            "{query}"
        );
    }
    // A read waits for a position that the log does not have yet, for a limited time.
    let late = worker.get("/ledger/jobs/a?min_position=4").expect(503);
    assert!(!late.header("retry-after").is_empty());
}
