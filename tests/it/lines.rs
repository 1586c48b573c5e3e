//! Answers of the ledger's own API are lines of text for a terminal, and messages use the singular for one.

use jobledger::access::Role;
use serde_json::json;
use ureq::http::Method;

use crate::support::cli::{cli, on};
use crate::support::{ROLE_JOB, TestServer, event, role_job, rule_job, started, task_job};

#[test]
fn only_answers_of_the_ledgers_own_api_end_with_a_newline() {
    let server = TestServer::start();
    let admin = server.client(Role::Admin);
    let output = event("job.hook_output", "a", json!({"output": "no line end"}));
    let appended =
        admin.append(&json!([task_job("a"), role_job(ROLE_JOB), rule_job("r", &["x"]), started("a"), output]));
    assert!(appended.expect(201).text().ends_with("}\n"));
    let rebuilt = admin.send(Method::POST, "/ledger/rebuild", &[], b"");
    assert!(rebuilt.text().ends_with("}\n"), "{}", rebuilt.text());
    for path in [
        "/ledger/events",
        "/ledger/events?limit=1000",
        "/ledger/events/1",
        "/ledger/events/99",
        "/ledger/events?limit=0",
        "/ledger/jobs",
        "/ledger/jobs/a",
        "/ledger/jobs/a?as_of=1",
        "/ledger/jobs/a/events",
        "/ledger/jobs/a/diff?from=1",
        "/ledger/jobs/none",
        "/ledger/consistency?from=1&to=2",
        "/ledger/checkpoints",
        "/healthz",
        "/readyz",
        "/nowhere",
        "/openapi.json",
        "/schema/events/job.created.v1.json",
    ] {
        let text = admin.get(path).text();
        assert!(text.ends_with("}\n") && !text.ends_with("\n\n"), "{path}: {text:?}");
    }
    let problem = server.anonymous().get("/ledger/jobs").expect(401).text();
    assert!(problem.ends_with("}\n"), "{problem:?}");
    for path in [
        "/ledger/events/1/leaf",
        "/ledger/jobs/a/output",
        "/api/v1/jobs",
        "/api/v1/jobs/a",
        "/api/v1/jobs/running",
        "/api/v1/jobs/a/progress",
        "/api/v1/jobs/none",
        "/dbroles/jobs/67d7d053-3caf-430e-97ba-6d4933d3fd5b",
        "/dbroles/jobs/none",
        "/authorization/rules/jobs/r",
        "/authorization/rules/jobs/r/state",
        "/authorization/rules/jobs/none",
    ] {
        let text = admin.get(path).text();
        assert!(!text.is_empty() && !text.ends_with('\n'), "{path}: {text:?}");
    }
    // A client that asks for one event or a job live gets the line's content in one frame.
    let mut live = admin.tail("/ledger/jobs/a", &[]);
    assert_eq!(format!("{}\n", live.event().data), admin.get("/ledger/jobs/a").expect(200).text());
}

#[test]
fn messages_use_the_singular_for_one() {
    let dir = tempfile::tempdir().unwrap();
    let (data, copy, file) = (dir.path().join("data"), dir.path().join("copy"), dir.path().join("export"));
    let events = dir.path().join("events");
    std::fs::write(&events, task_job("a").to_string()).unwrap();
    on(&data, "token create", &["--name", "w", "--role", "worker"]).expect(0);
    let append = || on(&data, "append", &["--actor", "w", events.to_str().unwrap()]).expect(0).stdout;
    assert_eq!(append(), "appended 1 event, 0 were there before; newest position 1\n");
    assert_eq!(append(), "appended 0 events, 1 was there before; newest position 1\n");
    let exported = on(&data, "export", &["--after", "0", "-o", file.to_str().unwrap()]).expect(0);
    assert_eq!(exported.stdout, "exported 1 event\n");
    on(&data, "export", &["-o", file.to_str().unwrap()]).expect(0);
    let imported = on(&copy, "import", &[file.to_str().unwrap()]).expect(0).stdout;
    assert_eq!(imported, "imported 2 events; the newest position is 1\n");
    let verified = cli(["verify", "db"]).arg(&data).run();
    assert!(verified.stdout.contains("anchor       2 events"), "{verified:?}");
    assert_eq!(jobledger::job::plural(1, "entry", "entries"), "1 entry");
}
