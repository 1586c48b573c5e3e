//! Query parameters: no route ignores one.

use jobledger::access::Role;
use serde_json::{Value, json};

use crate::support::{TestServer, started, task_job};

/// The routes that ignore parameters.
const IGNORE_PARAMETERS: [&str; 7] =
    ["/healthz", "/metrics", "/openapi.json", "/readyz", "/schema/events/{name}", "/session", "/sign-out"];

#[test]
fn every_route_refuses_a_parameter_that_it_does_not_know() {
    let server = TestServer::start();
    let admin = server.client(Role::Admin);
    let rule = json!({"kind": "rule", "spec": {"actions": [{"type": "create", "rule": {}}]}});
    admin.append(&json!([task_job("67d7d053-3caf-430e-97ba-6d4933d3fd5b")])).expect(201);
    let mut of_rule = task_job("rule");
    of_rule["data"] = rule;
    admin.append(&of_rule).expect(201);
    let description: Value = serde_json::from_str(&jobledger::server::openapi()).unwrap();
    let mut asked = 0;
    for (path, item) in description["paths"].as_object().unwrap() {
        if IGNORE_PARAMETERS.contains(&path.as_str()) {
            continue;
        }
        let filled = path.replace("{id}", "67d7d053-3caf-430e-97ba-6d4933d3fd5b");
        let filled = filled
            .replace("{jobId}", "rule")
            .replace("{position}", "1")
            .replace("{level}", "0")
            .replace("{index}", "000.p/1");
        for method in item.as_object().unwrap().keys() {
            let method = method.to_uppercase().parse().unwrap();
            let answer = admin.send(method, &format!("{filled}?as-of=1"), &[], b"");
            assert!(answer.status == 400 && answer.text().contains("`as-of`"), "{path}: {}", answer.text());
            asked += 1;
        }
    }
    assert!(asked >= 15, "{asked}");
}

#[test]
fn a_job_is_not_cancelled_as_of_another_moment() {
    let server = TestServer::start();
    let admin = server.client(Role::Admin);
    admin.append(&task_job("a")).expect(201);
    let refused = admin.delete("/api/v1/jobs/a?as_of=1").expect(400);
    assert!(refused.json()["error"]["message"].as_str().unwrap().contains("`as_of`"), "{}", refused.text());
    admin.delete("/api/v1/jobs/a?min_position=1").expect(400);
    assert_eq!(admin.get("/api/v1/jobs/a").expect(200).json()["status"], "pending");
    admin.delete("/api/v1/jobs/a").expect(204);
}

#[test]
fn repeated_parameters_are_bounded_and_duplicates_count_once() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&json!([task_job("a"), started("a")])).expect(201);
    let many = |name: &str, times| format!("/ledger/events?{}", format!("{name}&").repeat(times));
    for times in [1, 64] {
        assert_eq!(worker.positions(&"&type=job.started".repeat(times)), [2], "{times}");
    }
    let refused = worker.get(&many("type=job.started", 2500)).expect(400);
    assert!(refused.text().contains("`type`") && refused.text().contains("2500"), "{}", refused.text());
    worker.get(&many("type=job.started", 65)).expect(400);
    worker.get(&many("limit=1", 2)).expect(400);
}
