//! A ledger that is worth looking at: jobs of each kind, in each state, with an output, notes and failures.

use serde_json::{Value, json};

use crate::support::{Client, at, event, noted, output, result, rule_job, with};

/// The job that runs, with output, items and notes.
pub const RUNNING: &str = "nightly-access-review";

/// Appends the jobs. The newest is [`RUNNING`].
pub fn fill(worker: &Client) {
    for (n, (job_type, ending)) in [
        ("account_sync", "completed"),
        ("account_sync", "failed"),
        ("enrichment", "completed"),
        ("application_sync", "cancelled"),
        ("account_sync", "completed"),
        ("full_sync", "pending"),
    ]
    .iter()
    .enumerate()
    {
        worker
            .append(&Value::Array(task(&format!("{}-{}", job_type.replace('_', "-"), 40 + n), job_type, ending)))
            .expect(201);
    }
    let rule = "quarterly-revocations";
    worker.append(&json!([
        rule_job(rule, &["revoke-finance-ro", "revoke-build-admin", "grant-auditor"]),
        event("job.started", rule, json!({"message": "three actions"})),
        result(rule, "revoke-finance-ro", "completed"),
        event("job.item_result", rule, json!({"item": "revoke-build-admin", "status": "failed", "message": "the target refused: policy is attached"})),
    ])).expect(201);
    worker.append(&json!([event("job.failed", rule, json!({"message": "1 of 3 actions failed"}))])).expect(201);
    running(worker);
}

fn task(job: &str, job_type: &str, ending: &str) -> Vec<Value> {
    let data = json!({"kind": "task", "spec": {"job_type": job_type, "total_records": 1200}, "created_by": "marta.k", "labels": {"team": "identity"}});
    let mut events = vec![event("job.created", job, data)];
    if ending == "pending" {
        return events;
    }
    events.push(event("job.started", job, json!({"message": "reading the directory"})));
    events.push(event("job.progress", job, json!({"records_processed": 480, "current_step": "comparing accounts"})));
    events.push(match ending {
        "completed" => {
            event("job.completed", job, json!({"records_processed": 1200, "message": "1,200 accounts are up to date"}))
        }
        "failed" => event(
            "job.failed",
            job,
            json!({"message": "ldap://directory.internal: connection reset after 480 of 1200"}),
        ),
        _ => event("job.cancelled", job, json!({"reason": "the wrong directory was named in the request"})),
    });
    events
}

fn running(worker: &Client) {
    let created = json!({"kind": "generic", "spec": {"job_type": "access_review"}, "created_by": "access-governance", "labels": {"team": "identity", "ticket": "OPS-4711"}});
    let mut events = vec![
        event("job.created", RUNNING, created),
        event("job.started", RUNNING, json!({"total_records": 4000, "message": "reviewing four sources"})),
    ];
    for n in 1..=26 {
        let progress = json!({"records_processed": n * 100, "current_step": format!("batch {n} of 40")});
        events.push(event("job.progress", RUNNING, progress));
    }
    for (n, source) in ["workday", "active-directory", "postgres-prod"].iter().enumerate() {
        let status = if n == 1 { "failed" } else { "completed" };
        events.push(result(RUNNING, source, status));
    }
    events.push(output(RUNNING, "\u{1b}[1mreview\u{1b}[0m of 4 sources\n\u{1b}[32mok\u{1b}[0m   workday: 1,204 entitlements\n\u{1b}[31mfail\u{1b}[0m active-directory: bind refused\n"));
    events.push(output(RUNNING, "\u{1b}[33mwarn\u{1b}[0m postgres-prod: 3 roles without an owner\n"));
    events.push(noted(RUNNING, "The directory team knows about the refused bind; they look at it before noon."));
    // The times of the worker make a line of progress over forty minutes, which end a minute ago.
    let end = chrono::Utc::now() - chrono::Duration::seconds(60);
    let count = events.len() as i64;
    let timed = events.into_iter().enumerate().map(|(n, one)| {
        let time = end - chrono::Duration::seconds((count - n as i64) * 75);
        at(&time.to_rfc3339_opts(chrono::SecondsFormat::Micros, true), one)
    });
    worker.append(&timed.collect()).expect(201);
}

/// Events that bear their number as text, so that a test can count them.
pub fn numbered(job: &str, numbers: std::ops::RangeInclusive<u64>) -> Value {
    let report = |n| {
        with(
            event("job.progress", job, json!({"current_step": format!("step {n}")})),
            "id",
            json!(format!("{job}-{n}")),
        )
    };
    numbers.map(report).collect()
}
