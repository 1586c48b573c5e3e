//! Events of all three kinds, and lives made of them.

use serde_json::{Value, json};

use super::event;

/// A database-role job, created. The id is a UUID.
pub fn dbrole(job: &str) -> Value {
    let spec = json!({"db_arn": "arn:aws:rds:us-west-2:123456789012:db:my-instance", "db_engine": "postgres"});
    event("job.created", job, json!({"kind": "dbrole", "spec": spec}))
}

/// A rule job, created, with one action of each of these ids.
pub fn rule(job: &str, actions: &[&str]) -> Value {
    let rule = json!({"type": "grant", "permissions": ["read"]});
    let action = |id: &&str| json!({"id": id, "type": "create", "priority": 1, "rule": rule});
    let actions: Vec<Value> = actions.iter().map(action).collect();
    event("job.created", job, json!({"kind": "rule", "spec": {"actions": actions}}))
}

/// The job was started.
pub fn started(job: &str) -> Value {
    event("job.started", job, json!({}))
}

/// So many records were processed.
pub fn processed(job: &str, records: u64) -> Value {
    event("job.progress", job, json!({"records_processed": records}))
}

/// An item has a result.
pub fn result(job: &str, item: &str, status: &str) -> Value {
    event("job.item_result", job, json!({"item": item, "status": status}))
}

/// The hook wrote something.
pub fn output(job: &str, text: &str) -> Value {
    event("job.hook_output", job, json!({"output": text}))
}

/// A remark.
pub fn noted(job: &str, text: &str) -> Value {
    event("job.noted", job, json!({"text": text}))
}

/// The job ended well.
pub fn completed(job: &str) -> Value {
    event("job.completed", job, json!({}))
}

/// So many reports of a running job, in requests of 1000.
pub fn reports(job: &str, count: usize) -> Vec<Value> {
    let report = |n: usize| event("job.progress", job, json!({"current_step": n.to_string()}));
    let all: Vec<Value> = (0..count).map(report).collect();
    all.chunks(1000).map(|chunk| Value::Array(chunk.to_vec())).collect()
}
