//! A worker: it claims a job, processes records, and ends the job by a fate that it draws.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use ureq::http::Method;
use uuid::Uuid;

use crate::asking::{Answer, Asking};
use crate::{LEASE_SEC, Truth};

/// How the work on a job ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Completes,
    Fails,
    /// The worker is killed in the middle.
    Dies,
}

/// Claims jobs until every job has ended.
pub fn work(name: usize, asking: &Asking<'_>, truth: &Truth) {
    while !truth.over.load(Ordering::SeqCst) {
        let claim = json!({
            "id": Uuid::now_v7(), "kind": "task", "worker": format!("worker-{name}"), "lease_sec": LEASE_SEC, "wait_sec": 1,
        });
        let claimed = asking.ask(Method::POST, "/ledger/claims", None, Some(&claim));
        match claimed.status {
            201 => run(asking, truth, &claimed.body),
            204 => {}
            // The job of the claim has ended before its answer arrived.
            409 => {}
            status => panic!("a claim is answered {status}: {}", claimed.body),
        }
    }
}

/// Works on a claimed job.
fn run(asking: &Asking<'_>, truth: &Truth, claimed: &Value) {
    let job = claimed["job"]["id"].as_str().expect("an id");
    let lease = claimed["lease"]["token"].as_str().expect("a token");
    let fate = match fastrand::u32(..100) {
        0..80 => Fate::Completes,
        80..90 => Fate::Fails,
        _ => Fate::Dies,
    };
    let records = fastrand::u64(1..5);
    for record in 1..=records {
        thread::sleep(Duration::from_millis(fastrand::u64(20..300)));
        if fate == Fate::Dies && record == records {
            truth.killed_workers.fetch_add(1, Ordering::SeqCst);
            truth.lost.lock().insert(job.to_owned());
            return;
        }
        *truth.records.lock().entry(job.to_owned()).or_default() += 1;
        let progress = json!({ "records_processed": record });
        let event = asking.event(&format!("{job}/{record}"), "job.progress", job, progress);
        if !is_recorded(&asking.append(&event, Some(lease)), truth, job) {
            return;
        }
    }
    let (event_type, data) = match fate {
        Fate::Fails => ("job.failed", json!({ "message": "drawn" })),
        _ => ("job.completed", json!({ "records_processed": records })),
    };
    let event = asking.event(&format!("{job}/end"), event_type, job, data);
    if is_recorded(&asking.append(&event, Some(lease)), truth, job) {
        let ended = if fate == Fate::Fails { &truth.failed } else { &truth.completed };
        assert!(ended.lock().insert(job.to_owned()), "two workers ended {job}");
    }
}

/// Whether a report is in the ledger. A worker that hears of a lost lease, or of a cancellation, stops.
fn is_recorded(answer: &Answer, truth: &Truth, job: &str) -> bool {
    match (answer.status, answer.body["code"].as_str(), answer.body["state"].as_str()) {
        (200 | 201, ..) => true,
        (409, Some("lease-lost"), _) => {
            truth.lost.lock().insert(job.to_owned());
            false
        }
        (409, Some("lifecycle"), Some("cancelled")) => false,
        _ => panic!("a report on {job} is answered {}: {}", answer.status, answer.body),
    }
}
