//! A ledger that is worth looking at: jobs of each kind, in each state, with an output, notes and failures.

use chrono::{Duration, SecondsFormat, Utc};
use serde_json::{Value, json};

use crate::support::{Client, at, event, named, noted, output, result, rule_job};

/// The job that runs, with output, items and notes.
pub const RUNNING: &str = "nightly-access-review";

/// Appends the jobs. The newest is [`RUNNING`].
pub fn fill(worker: &Client) {
    let tasks = [
        ("account_sync", "completed"),
        ("account_sync", "failed"),
        ("enrichment", "completed"),
        ("application_sync", "cancelled"),
        ("account_sync", "completed"),
        ("full_sync", "pending"),
    ];
    for (n, (job_type, ending)) in tasks.iter().enumerate() {
        let job = format!("{}-{}", job_type.replace('_', "-"), 40 + n);
        worker.append(&task(&job, job_type, ending)).expect(201);
    }
    let rule = "quarterly-revocations";
    let refused =
        json!({"item": "revoke-build-admin", "status": "failed", "message": "the target refused: policy is attached"});
    let events = json!([
        rule_job(rule, &["revoke-finance-ro", "revoke-build-admin", "grant-auditor"]),
        event("job.started", rule, json!({"message": "three actions"})),
        result(rule, "revoke-finance-ro", "completed"),
        event("job.item_result", rule, refused),
        event("job.failed", rule, json!({"message": "1 of 3 actions failed"})),
    ]);
    worker.append(&events).expect(201);
    worker.append(&running()).expect(201);
}

/// The events of a task that ends as `ending` says, or stays `pending`.
fn task(job: &str, job_type: &str, ending: &str) -> Value {
    let spec = json!({"job_type": job_type, "total_records": 1200});
    let data = json!({"kind": "task", "spec": spec, "created_by": "marta.k", "labels": {"team": "identity"}});
    let created = event("job.created", job, data);
    if ending == "pending" {
        return json!([created]);
    }
    let end = match ending {
        "completed" => json!({"records_processed": 1200, "message": "1,200 accounts are up to date"}),
        "failed" => json!({"message": "ldap://directory.internal: connection reset after 480 of 1200"}),
        _ => json!({"reason": "the wrong directory was named in the request"}),
    };
    json!([
        created,
        event("job.started", job, json!({"message": "reading the directory"})),
        event("job.progress", job, json!({"records_processed": 480, "current_step": "comparing accounts"})),
        event(&format!("job.{ending}"), job, end),
    ])
}

/// The 34 events of [`RUNNING`].
fn running() -> Value {
    let labels = json!({"team": "identity", "ticket": "OPS-4711"});
    let created = json!({"kind": "generic", "spec": {"job_type": "access_review"}, "created_by": "access-governance", "labels": labels});
    let mut events = vec![
        event("job.created", RUNNING, created),
        event("job.started", RUNNING, json!({"total_records": 4000, "message": "reviewing four sources"})),
    ];
    for n in 1..=26 {
        let progress = json!({"records_processed": n * 100, "current_step": format!("batch {n} of 40")});
        events.push(event("job.progress", RUNNING, progress));
    }
    for (source, status) in [("workday", "completed"), ("active-directory", "failed"), ("postgres-prod", "completed")] {
        events.push(result(RUNNING, source, status));
    }
    events.push(output(RUNNING, "\u{1b}[1mreview\u{1b}[0m of 4 sources\n\u{1b}[32mok\u{1b}[0m   workday: 1,204 entitlements\n\u{1b}[31mfail\u{1b}[0m active-directory: bind refused\n"));
    events.push(output(RUNNING, "\u{1b}[33mwarn\u{1b}[0m postgres-prod: 3 roles without an owner\n"));
    events.push(noted(RUNNING, "The directory team knows about the refused bind; they look at it before noon."));
    // The times of the worker make a line of progress over forty minutes, which end a minute ago.
    let end = Utc::now() - Duration::seconds(60);
    let count = events.len() as i64;
    let timed = events.into_iter().zip(0..).map(|(event, n)| {
        let time = end - Duration::seconds((count - n) * 75);
        at(&time.to_rfc3339_opts(SecondsFormat::Micros, true), event)
    });
    timed.collect()
}

/// Events that bear their number as text, so that a test can count them.
pub fn numbered(job: &str, numbers: std::ops::RangeInclusive<u64>) -> Value {
    let report = |n| {
        let step = json!({"current_step": format!("step {n}")});
        named(&format!("{job}-{n}"), event("job.progress", job, step))
    };
    numbers.map(report).collect()
}
