//! `GET /api/v1/jobs/running`: all running jobs, from rows that the server keeps rendered, with one list for all readers.

use jobledger::access::Role;
use serde_json::{Value, json};
use ureq::http::Method;

use crate::support::answers::admin_of;
use crate::support::wait::until;
use crate::support::{Client, TestServer, completed, event, processed, rule_job, started, task_job};

const JOBS: usize = 3000;

/// How many lists the server made during `read`.
fn lists(client: &Client, read: impl FnOnce()) -> u64 {
    let counted = || -> u64 {
        let text = client.get("/metrics").expect(200).text();
        let name = "jobledger_running_lists_total ";
        text.lines().find_map(|line| line.strip_prefix(name)).unwrap().parse().unwrap()
    };
    let before = counted();
    read();
    counted() - before
}

fn running(client: &Client) -> Vec<Value> {
    let answer = client.get("/api/v1/jobs/running").expect(200);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("content-length"), answer.body.len().to_string());
    assert_eq!(answer.header("ledger-position"), client.head().to_string());
    let body = answer.json();
    assert_eq!(body.as_object().unwrap().len(), 1);
    body["jobs"].as_array().unwrap().clone()
}

fn ids(jobs: &[Value]) -> Vec<&str> {
    jobs.iter().map(|job| job["id"].as_str().unwrap()).collect()
}

#[test]
fn many_running_jobs_are_listed_from_rows_that_are_kept_ready() {
    let server = TestServer::start();
    let admin = server.client(Role::Admin);
    let other = admin_of(&server, "0195b3a0-0000-7000-8000-000000000001");
    assert_eq!(admin.get("/api/v1/jobs/running").expect(200).text(), r#"{"jobs":[]}"#);
    let names: Vec<String> = (0..JOBS).map(|n| format!("j{n}")).collect();
    for some in names.chunks(500) {
        let events: Vec<Value> = some.iter().flat_map(|job| [task_job(job), started(job)]).collect();
        admin.append(&json!(events)).expect(201);
    }
    let newest_first: Vec<&str> = names.iter().rev().map(String::as_str).collect();
    // Many readers at once, twice, share one list.
    let made = lists(&admin, || {
        std::thread::scope(|scope| {
            for _ in 0..20 {
                scope.spawn(|| assert_eq!(ids(&running(&admin)), newest_first));
            }
        });
        assert_eq!(ids(&running(&admin)), newest_first);
    });
    assert_eq!(made, 1);
    let paged = admin.get("/api/v1/jobs?status=running&first=1000").expect(200).json();
    for (row, entry) in running(&admin).iter().zip(paged["jobs"].as_array().unwrap()) {
        assert_eq!(row.as_object().unwrap().len(), 5);
        for (name, value) in row.as_object().unwrap() {
            assert_eq!(*value, entry[name]);
        }
    }
    // An event that changes no row leads to no new list, although the position of the views grows.
    let made = lists(&admin, || {
        other.append(&json!([task_job("j0"), started("j0")])).expect(201);
        admin.append(&json!([task_job("pending"), rule_job("r", &["one"]), started("r")])).expect(201);
        admin.append(&event("job.progress", "j7", json!({"message": "not in the list"}))).expect(201);
        assert_eq!(ids(&running(&admin)), newest_first);
    });
    assert_eq!(made, 0);
    assert_eq!(ids(&running(&other)), ["j0"]);
    // An event that changes a row is in the list at once.
    admin.append(&json!([event("job.progress", "j7", json!({"progress": 41})), completed("j8")])).expect(201);
    admin.append(&started("pending")).expect(201);
    let now = running(&admin);
    assert_eq!((now.len(), &now[0]["id"]), (JOBS, &json!("pending")));
    assert!(!ids(&now).contains(&"j8"));
    assert_eq!(now.iter().find(|job| job["id"] == "j7").unwrap()["progress"], 41);
    // A rebuild replaces the views.
    until("the views are made again", || admin.send(Method::POST, "/ledger/rebuild", &[], b"").status != 202);
    assert_eq!(running(&admin), now);
    admin.append(&processed("j7", 5)).expect(201);
    admin.append(&completed("j7")).expect(201);
    assert_eq!(running(&admin).len(), JOBS - 1);
}
