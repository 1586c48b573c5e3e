//! `min_position`: a reader says how new the answer must be.

use jobledger::access::Role;
use serde_json::{Value, json};

use crate::support::{TestServer, created};

const DB_JOB: &str = "67d7d053-3caf-430e-97ba-6d4933d3fd5b";

/// Every read that takes it.
fn reads() -> Vec<String> {
    let description: Value = serde_json::from_str(&jobledger::server::openapi()).unwrap();
    let takes_it = |says: &Value| {
        says["parameters"].as_array().is_some_and(|all| all.iter().any(|parameter| parameter["name"] == "min_position"))
    };
    let paths = description["paths"].as_object().unwrap().iter().filter(|(_, item)| takes_it(&item["get"]));
    paths
        .map(|(path, _)| match path.split_once('/').unwrap().1 {
            database if database.starts_with("dbroles") => path.replace("{id}", DB_JOB),
            rule if rule.starts_with("authorization") => path.replace("{jobId}", "rule"),
            _ => path.replace("{id}", "task"),
        })
        .collect()
}

#[test]
fn a_position_that_the_log_does_not_have_is_nothing_to_wait_for() {
    let server = TestServer::start();
    let admin = server.client(Role::Admin);
    let job = |id: &str, data: Value| {
        let event = json!({"id": id, "subject": id, "data": data});
        let mut whole = created(id);
        whole.as_object_mut().unwrap().extend(event.as_object().unwrap().clone());
        whole
    };
    let dbrole = json!({"kind": "dbrole", "spec": {"db_arn": "arn:a", "db_engine": "postgres"}});
    let rule = json!({"kind": "rule", "spec": {"actions": [{"type": "create", "rule": {}}]}});
    admin.append(&json!([created("task"), job(DB_JOB, dbrole), job("rule", rule)])).expect(201);
    let reads = reads();
    assert!(reads.len() >= 12, "{reads:?}");
    for read in reads {
        let there = admin.get(&format!("{read}?min_position=3")).expect(200);
        assert_eq!(there.header("ledger-position"), "3", "{read}");
        let beyond = admin.get(&format!("{read}?min_position=4")).expect(400);
        assert!(
            beyond.text().contains("expected `min_position` at or before 3, the newest there is, found 4"),
            "{read}"
        );
        admin.get(&format!("{read}?min_position=-1")).expect(400);
    }
}
