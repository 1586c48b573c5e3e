//! Events of jobs of each kind, as workers send them.

use serde_json::{Value, json};

use super::events::event;

/// The id of the database-role job in the document, in lower case.
pub const ROLE_JOB: &str = "67d7d053-3caf-430e-97ba-6d4933d3fd5b";

/// Creates a database-role job. Its id must be a UUID.
pub fn role_job(job: &str) -> Value {
    event("job.created", job, json!({"kind": "dbrole", "spec": {"db_arn": "arn:db", "db_engine": "postgres"}}))
}

/// Creates a background job.
pub fn task_job(job: &str) -> Value {
    event("job.created", job, json!({"kind": "task", "spec": {"job_type": "full_sync"}}))
}

/// Creates a rule job with an action for each of `actions`.
pub fn rule_job(job: &str, actions: &[&str]) -> Value {
    let actions: Vec<Value> = actions
        .iter()
        .map(|id| json!({"id": id, "type": "create", "priority": 1, "rule": {"type": "grant"}}))
        .collect();
    event("job.created", job, json!({"kind": "rule", "spec": {"actions": actions}}))
}

/// A database-role job as hoop's web page asks for it.
pub fn role_document() -> Value {
    json!({
        "agent_id": "a1b2c3d4-e5f6-7890-abcd-ef1234567890",
        "aws": {
            "instance_arn": "arn:aws:rds:us-west-2:123456789012:db:my-instance",
            "default_security_group": {"ingress_cidr": "192.168.1.0/24"},
        },
        "connection_prefix_name": "prod-postgres-",
        "job_steps": ["create-connections", "send-webhook"],
        "vault_provider": {"secret_id": "dbsecrets/data"},
    })
}

/// A rule job as a client of SAS Viya asks for it.
pub fn rule_document() -> Value {
    let rule = json!({"type": "grant", "permissions": ["read"], "principal": "ann", "objectUri": "/test/**"});
    let update = json!({"id": "0ee67d20-7b22-4d0f-af3e-fe29ef5b72ed", "type": "prohibit", "enabled": true});
    json!({
        "status": "notStarted", "version": 2, "state": "pending",
        "actions": [
            {"rule": rule, "type": "create", "status": "notStarted", "state": "pending", "priority": 1},
            {"rule": update, "type": "update", "status": "notStarted", "state": "pending", "priority": 1},
        ],
    })
}

/// The job is started.
pub fn started(job: &str) -> Value {
    event("job.started", job, json!({}))
}

/// The job has ended well.
pub fn completed(job: &str) -> Value {
    event("job.completed", job, json!({}))
}

/// A note, which the ledger accepts for a job in every state.
pub fn noted(job: &str, text: &str) -> Value {
    event("job.noted", job, json!({"text": text}))
}

/// A running job reports how many records it has processed so far.
pub fn processed(job: &str, records: u64) -> Value {
    event("job.progress", job, json!({"records_processed": records}))
}

/// `count` reports of a running job, in batches of 1000.
pub fn reports(job: &str, count: usize) -> Vec<Value> {
    let report = |n: usize| event("job.progress", job, json!({"current_step": n.to_string()}));
    let all: Vec<Value> = (0..count).map(report).collect();
    all.chunks(1000).map(|chunk| Value::Array(chunk.to_vec())).collect()
}

/// The hook's program writes `text`.
pub fn output(job: &str, text: &str) -> Value {
    event("job.hook_output", job, json!({"output": text}))
}

/// An item's result.
pub fn result(job: &str, item: &str, status: &str) -> Value {
    event("job.item_result", job, json!({"item": item, "status": status}))
}

/// The same event, which happened at `time`.
pub fn at(time: &str, event: Value) -> Value {
    with(event, "time", json!(time))
}

/// The same event with the id `id`.
pub fn named(id: &str, event: Value) -> Value {
    with(event, "id", json!(id))
}

/// The same event with another value of one attribute. The value `null` removes the attribute.
pub fn with(mut event: Value, attribute: &str, value: Value) -> Value {
    if value.is_null() {
        event.as_object_mut().unwrap().remove(attribute);
    } else {
        event[attribute] = value;
    }
    event
}
