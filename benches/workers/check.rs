//! The check at the end: what the ledger says of each job is what the workers really did.

use std::collections::HashMap;

use serde_json::Value;

use crate::Truth;
use crate::asking::Asking;

/// What the ledger has, counted.
#[derive(Default)]
pub struct Found {
    pub jobs: u64,
    pub completed: u64,
    pub failed: u64,
    pub lost: u64,
    pub cancelled: u64,
    pub repeated: u64,
}

/// Checks every job. `created` is the number of jobs without those that repeat one.
pub fn check(asking: &Asking<'_>, truth: &Truth, created: usize) -> Found {
    let mut found = Found::default();
    let jobs = all(asking, "/ledger/jobs?first=1000", "jobs");
    for job in &jobs {
        check_job(job, truth, &mut found);
    }
    found.jobs = jobs.len() as u64;
    assert_eq!(found.jobs, created as u64 + found.repeated, "jobs that were created, and those that repeat one");
    let mut ends: HashMap<String, u32> = HashMap::new();
    let path = "/ledger/events?limit=1000&type=job.completed&type=job.failed&type=job.cancelled";
    for event in all(asking, path, "events") {
        *ends.entry(event["subject"].as_str().expect("a job").to_owned()).or_default() += 1;
    }
    assert_eq!(ends.len(), jobs.len(), "every job has an outcome");
    assert!(ends.values().all(|count| *count == 1), "a job has two outcomes");
    found
}

fn check_job(job: &Value, truth: &Truth, found: &mut Found) {
    let id = job["id"].as_str().expect("an id");
    let is_lost = job["worker_lost"] == true;
    let (known, counted) = match job["status"].as_str() {
        Some("completed") => (truth.completed.lock().contains(id), &mut found.completed),
        Some("failed") if is_lost => (truth.lost.lock().contains(id), &mut found.lost),
        Some("failed") => (truth.failed.lock().contains(id), &mut found.failed),
        Some("cancelled") => (truth.cancelled.lock().contains(id), &mut found.cancelled),
        _ => panic!("a job has not ended: {job}"),
    };
    assert!(known, "an outcome that did not happen: {job}");
    *counted += 1;
    let repeats = job.get("retry_of").is_some();
    found.repeated += u64::from(repeats);
    // The first job asks for one retry, and the job that repeats it for none.
    let is_repeated = job["status"] == "failed" && !repeats;
    assert_eq!(job.get("retried_as").is_some(), is_repeated, "{job}");
    // The last record of a job that ended meanwhile may have been processed and not reported.
    let done = truth.records.lock().get(id).copied().unwrap_or(0);
    let told = job["records_processed"].as_u64().unwrap_or(0);
    let unreported = if job["status"] == "completed" { 0 } else { 1 };
    assert!((told..=told + unreported).contains(&done), "{done} records were processed: {job}");
}

/// All pages of a list.
fn all(asking: &Asking<'_>, path: &str, member: &str) -> Vec<Value> {
    let (mut all, mut page) = (Vec::new(), asking.get(path));
    loop {
        all.extend(page[member].as_array().expect("a list").iter().cloned());
        page = match &page["next"] {
            Value::Null => return all,
            Value::String(next) => asking.get(&format!("{path}&after={next}")),
            next => asking.get(&format!("{path}&after={next}")),
        };
    }
}
