//! The evidence of a very large job.

use jobledger::access::Role;
use serde_json::json;

use crate::support::bundles::{both, verify};
use crate::support::cli::{cli, on};
use crate::support::{TestServer, completed, event, rule_job, started};

#[test]
fn a_job_of_ten_thousand_actions_is_proven_event_by_event() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    let ids: Vec<String> = (0..10_000).map(|n| format!("a{n}")).collect();
    worker.append(&rule_job("big", &ids.iter().map(String::as_str).collect::<Vec<_>>())).expect(201);
    worker.append(&started("big")).expect(201);
    for ids in ids.chunks(1000) {
        let result = |id: &String| event("job.item_result", "big", json!({"item": id, "status": "completed"}));
        worker.append(&ids.iter().map(result).collect()).expect(201);
    }
    worker.append(&completed("big")).expect(201);
    let dir = tempfile::tempdir().unwrap();
    let shown = on(server.path(), "key show", &[]).expect(0).stdout;
    let key = shown.lines().next().unwrap();
    let path = dir.path().join("evidence.tar");
    cli(["evidence", "big", "--data"]).arg(server.path()).arg("-o").arg(&path).run().expect(0);
    assert_eq!(both(&path, Some(key)), 0);
    let report = &verify(&path, &[]).expect(7).json_lines()[0]["report"];
    assert_eq!((&report["job"]["events"], &report["job"]["ended"]["position"]), (&json!(10_003), &json!(10_003)));
}
