//! `GET /api/v1/jobs`: filters, pages, cursors.

use jobledger::access::Role;
use serde_json::{Value, json};

use crate::support::{Client, TestServer, at, completed, event, role_job, rule_job, started, task_job};

/// The ids on a page, and the cursor of the next page, if there is one.
#[track_caller]
fn page(client: &Client, query: &str) -> (Vec<String>, Option<String>) {
    let page = client.get(&format!("/api/v1/jobs?{query}")).expect(200).json();
    let ids = page["jobs"].as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap().to_owned()).collect();
    let cursor = page["pageInfo"]["endCursor"].as_str().map(str::to_owned);
    (ids, cursor.filter(|_| page["pageInfo"]["hasNextPage"] == true))
}

fn ids(client: &Client, query: &str) -> Vec<String> {
    page(client, query).0
}

/// Checks that the request is refused with a message that names the parameter.
#[track_caller]
fn refused(client: &Client, parameter: &str, value: &str) {
    let answer = client.get(&format!("/api/v1/jobs?{parameter}={value}")).expect(400).json();
    assert_eq!(answer["error"]["code"], "VALIDATION_ERROR");
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(message.contains(&format!("`{parameter}`")), "{message}");
}

#[test]
fn an_empty_ledger_has_an_empty_page() {
    let server = TestServer::start();
    let answer = server.client(Role::Admin).get("/api/v1/jobs").expect(200);
    assert_eq!(answer.text(), r#"{"jobs":[],"pageInfo":{"hasNextPage":false,"endCursor":null}}"#);
}

#[test]
fn a_cursor_holds_its_place_while_jobs_come_and_change() {
    let server = TestServer::start();
    let admin = server.client(Role::Admin);
    let jobs: Vec<Value> = (1..=5).map(|n| task_job(&format!("j{n}"))).collect();
    admin.append(&json!(jobs)).expect(201);
    let (first, cursor) = page(&admin, "first=2");
    assert_eq!(first, ["j5", "j4"]);
    let cursor = cursor.unwrap();
    admin.append(&json!([task_job("new"), started("j3"), started("j5"), completed("j3")])).expect(201);
    admin.delete("/api/v1/jobs/j2").expect(204);
    let (second, next) = page(&admin, &format!("first=2&after={cursor}"));
    assert_eq!(second, ["j3", "j2"]);
    let (third, end) = page(&admin, &format!("first=2&after={}", next.unwrap()));
    assert_eq!((third, end), (vec!["j1".to_owned()], None));
    assert_eq!(
        ids(&admin, &format!("first=1000&after={cursor}")),
        ["j3", "j2", "j1"],
        "another size is no other filter"
    );
}

#[test]
fn a_cursor_is_refused_with_other_filters() {
    let server = TestServer::start();
    let admin = server.client(Role::Admin);
    admin.append(&json!([task_job("a"), task_job("b"), started("a"), started("b")])).expect(201);
    let (_, plain) = page(&admin, "first=1");
    let (_, filtered) = page(&admin, "first=1&status=running");
    let (plain, filtered) = (plain.unwrap(), filtered.unwrap());
    assert_eq!(ids(&admin, &format!("status=running&after={filtered}")), ["a"]);
    for after in [
        format!("{plain}&status=running"),
        format!("{plain}&start_date=2024-01-01"),
        filtered.clone(),
        format!("{filtered}&status=pending"),
        format!("{filtered}&status=running&job_type=full_sync"),
        String::new(),
        "x".into(),
        "cursor-token".into(),
        format!("{plain}A"),
        plain[1..].to_owned(),
        format!("{}!", &plain[1..]),
    ] {
        refused(&admin, "after", &after);
    }
    let org = "37eebc20-d8df-416b-8ac2-01b6eb456318".parse().unwrap();
    let other = Client::new(&server.url, Some(&server.token("other", Role::Admin, org)));
    refused(&other, "after", &plain);
}

#[test]
fn the_last_page_has_no_cursor() {
    let server = TestServer::start();
    let admin = server.client(Role::Admin);
    let jobs: Vec<Value> = (0..51).map(|n| task_job(&format!("j{n}"))).collect();
    admin.append(&json!(jobs)).expect(201);
    let (first, cursor) = page(&admin, "");
    assert_eq!(first.len(), 50, "the default");
    assert_eq!(page(&admin, &format!("after={}", cursor.unwrap())), (vec!["j0".to_owned()], None));
    assert_eq!(page(&admin, "first=51").1, None);
    assert!(page(&admin, "first=50").1.is_some());
    assert_eq!(ids(&admin, "first=1"), ["j50"]);
}

#[test]
fn the_refusal_of_a_parameter_names_it() {
    let server = TestServer::start();
    let admin = server.client(Role::Admin);
    for (parameter, values) in [
        ("first", &["0", "1001", "-1", "+1", "1.5", "ten", ""][..]),
        ("status", &["canceled", "Running", ""]),
        ("job_type", &["sync", ""]),
        ("start_date", &["today", "2024-02-30", "2024-02-01T10:00:00", "2024-2-1", "10:00", ""]),
        ("end_date", &["today", "1706781600"]),
        ("min_position", &["x"]),
        ("limit", &["5"]),
        ("as_of", &["0"]),
        ("org", &["00000000-0000-0000-0000-000000000000"]),
    ] {
        for value in values {
            refused(&admin, parameter, value);
        }
    }
    refused(&admin, "status", "running&status=running");
    admin.get("/api/v1/jobs/running?first=1").expect(400);
}

#[test]
fn the_list_is_filtered_by_status_and_type() {
    let server = TestServer::start();
    let admin = server.client(Role::Admin);
    let types = [
        "full_sync",
        "incremental_sync",
        "account_sync",
        "owner_sync",
        "group_sync",
        "application_sync",
        "role_generation",
        "policy_analysis",
        "manager_resolution",
        "enrichment",
    ];
    let task = |t: &str| event("job.created", t, json!({"kind": "task", "spec": {"job_type": t}}));
    admin.append(&json!(types.map(task))).expect(201);
    for job_type in types {
        assert_eq!(ids(&admin, &format!("job_type={job_type}")), [job_type]);
    }
    let ended = json!([
        started("full_sync"),
        started("owner_sync"),
        completed("owner_sync"),
        event("job.failed", "group_sync", json!({"message": "m"})),
        event("job.cancelled", "enrichment", json!({})),
    ]);
    admin.append(&ended).expect(201);
    for (status, job) in
        [("running", "full_sync"), ("completed", "owner_sync"), ("failed", "group_sync"), ("cancelled", "enrichment")]
    {
        assert_eq!(ids(&admin, &format!("status={status}")), [job]);
        assert_eq!(ids(&admin, &format!("status={status}&job_type={job}")), [job]);
    }
    assert_eq!(ids(&admin, "status=pending").len(), 6);
    assert_eq!(ids(&admin, "status=running&job_type=owner_sync"), Vec::<String>::new());
}

#[test]
fn jobs_of_other_kinds_are_not_listed() {
    let server = TestServer::start();
    let admin = server.client(Role::Admin);
    let role = "0f8fad5b-d9cb-469f-a165-70867728950e";
    admin.append(&json!([role_job(role), rule_job("r", &["a"]), task_job("a")])).expect(201);
    assert_eq!(ids(&admin, ""), ["a"]);
}

#[test]
fn dates_filter_by_the_start_and_exclude_the_date_itself() {
    let server = TestServer::start();
    let admin = server.client(Role::Admin);
    let make = |job: &str| at("2024-02-01T08:00:00Z", task_job(job));
    let start = |job: &str, time: &str| json!([make(job), at(time, started(job))]);
    admin.append(&start("midnight", "2024-02-02T00:00:00Z")).expect(201);
    admin.append(&start("ten", "2024-02-01T10:00:00Z")).expect(201);
    admin.append(&start("later", "2024-02-01T10:00:00.000000001Z")).expect(201);
    let cancelled = at("2024-02-01T10:00:00Z", event("job.cancelled", "stopped", json!({})));
    admin.append(&json!([make("waits"), make("stopped"), cancelled])).expect(201);
    for (query, shown) in [
        ("start_date=2024-02-01T10:00:00Z", &["later", "midnight"][..]),
        ("start_date=2024-02-01T09:59:59.999999999Z", &["later", "ten", "midnight"]),
        ("end_date=2024-02-01T10:00:00Z", &[]),
        ("end_date=2024-02-01T10:00:00.000000001Z", &["ten"]),
        ("end_date=2024-02-01T10:00:00.000000002Z", &["later", "ten"]),
        ("start_date=2024-02-01", &["later", "ten", "midnight"]),
        ("start_date=2024-02-02", &[]),
        ("end_date=2024-02-02", &["later", "ten"]),
        ("start_date=2024-02-01T12:00:00%2B02:00", &["later", "midnight"]),
        ("start_date=2024-02-01T12:00:00+02:00", &["later", "midnight"]),
        ("start_date=2024-02-01T10:00:00Z&end_date=2024-02-02T00:00:00Z", &["later"]),
        ("start_date=2000-01-01&end_date=2100-01-01", &["later", "ten", "midnight"]),
        ("start_date=2000-01-01&status=pending", &[]),
    ] {
        assert_eq!(ids(&admin, query), shown, "{query}");
    }
}
