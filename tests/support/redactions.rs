//! Jobs with text to redact in every place, their redactions, and a search for the text in files.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::events::event;
use super::jobs::ROLE_JOB;

/// The name to redact. Every text of every event of [`lives`] holds it.
pub const NAME: &str = "Wilhelmina";

/// The jobs of [`lives`].
pub const REDACTED_JOBS: [&str; 3] = ["t", ROLE_JOB, "r"];

/// The redaction of the event at `position`.
pub fn redacted(job: &str, position: u64) -> Value {
    event("job.redacted", job, json!({"position": position, "reason": "asked for by the person"}))
}

/// The events of three jobs, one of each kind with a documented API: every type of event, with text in every member that takes text.
/// Each event can be redacted, and each has [`NAME`] in it.
pub fn lives() -> Vec<Value> {
    let name = |what: &str| format!("{what} of {NAME}");
    let task = json!({"job_type": "account_sync", "total_records": 40});
    let labels = json!({"Wilhelmina/is": "a", "ticket": name("ticket")});
    let spec = json!({"account_arn": name("arn"), "db_arn": name("arn"), "db_engine": name("engine"), "db_name": name("db"),
                      "db_tags": [{"key": name("key"), "value": name("value")}]});
    let vault = json!({"credentials_info": {"secrets_manager_provider": "vault", "secret_id": name("id"), "secret_keys": [name("HOST")]}});
    let rule = json!({"id": name("rule"), "type": "grant", "permissions": ["read"], "version": 3, "enabled": true,
                      "matchParams": null, "description": name("all"), NAME: [1, {"x": NAME}]});
    let actions = json!([{"id": "one", "type": "update", "priority": 7, "rule": rule}, {"id": "two", "type": "create", "rule": {"type": "prohibit", "x": NAME}}]);
    // So long that SQLite stores it on overflow pages, and longer than the part of the output that a job keeps.
    let output = name("Zeile\n").repeat(3000);
    vec![
        event("job.created", "t", json!({"kind": "task", "spec": task, "created_by": NAME, "labels": labels})),
        event("job.started", "t", json!({"message": name("start"), "total_records": 50})),
        event(
            "job.progress",
            "t",
            json!({"progress": 5, "records_processed": 10, "records_created": 3, "current_step": name("accounts"), "message": name("m")}),
        ),
        event("job.item_result", "t", json!({"item": "i", "status": "failed", "message": name("item")})),
        event("job.hook_output", "t", json!({"output": output, "stream": "stderr"})),
        event("job.hook_output", "t", json!({"output": name("end"), "exit_code": 3, "execution_time_sec": 4})),
        event("job.completed", "t", json!({"message": name("done"), "records_processed": 49})),
        event("job.noted", "t", json!({"text": name("note")})),
        event("job.created", ROLE_JOB, json!({"kind": "dbrole", "spec": spec})),
        event("job.started", ROLE_JOB, json!({"message": name("start")})),
        event(
            "job.item_result",
            ROLE_JOB,
            json!({"item": "hoop_ro", "status": "completed", "message": name("m"), "detail": vault}),
        ),
        event("job.failed", ROLE_JOB, json!({"message": name("failed")})),
        event(
            "job.created",
            "r",
            json!({"kind": "rule", "spec": {"actions": actions}, "created_by": name("by"), "labels": {NAME: NAME}}),
        ),
        event("job.cancelled", "r", json!({"reason": name("reason")})),
    ]
}

/// The events of a generic job `g`, with [`NAME`] in each, as in [`lives`].
pub fn generic_life() -> [Value; 4] {
    let name = |what: &str| format!("{what} of {NAME}");
    let parameters = json!({"for": [name("first"), {NAME: 1}], "count": 2});
    let spec = json!({"job_type": NAME, "parameters": parameters, "total_records": 3});
    let detail = json!({NAME: [name("detail"), 7]});
    let result = json!({"item": "i", "status": "completed", "message": name("item"), "detail": detail});
    [
        event("job.created", "g", json!({"kind": "generic", "spec": spec})),
        event("job.started", "g", json!({"message": name("start")})),
        event("job.item_result", "g", result),
        event("job.failed", "g", json!({"message": name("failed")})),
    ]
}

/// The redactions of all events of [`lives`], if the first of them is at the position after `before`.
pub fn redactions(before: u64) -> Vec<Value> {
    let lives = lives().into_iter().zip(before + 1..);
    lives.map(|(event, position)| redacted(event["subject"].as_str().unwrap(), position)).collect()
}

/// Every file in `folder` and below that has `text` anywhere in its bytes. Another process reads the files: if this process opened and
/// closed a database file, the operating system would drop the locks of its own SQLite connections.
pub fn files_with(folder: &Path, text: &str) -> Vec<PathBuf> {
    let found = Command::new("grep").args(["-rlaF", "--", text]).arg(folder).output().unwrap();
    assert!(found.status.code() <= Some(1), "{}", String::from_utf8_lossy(&found.stderr));
    String::from_utf8(found.stdout).unwrap().lines().map(PathBuf::from).collect()
}
