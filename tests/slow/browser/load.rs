//! A list of a thousand jobs under a busy stream.

use std::time::{Duration, Instant};

use jobledger::access::Role;
use serde_json::{Value, json};

use super::driven::Browser;
use crate::support::{Client, TestServer, event, started};

/// Requests in a second.
const RATE: usize = 10;
/// The variables that give the load another length in seconds, other jobs, and other events in a second; and what holds without them.
const SECONDS: (&str, usize) = ("JOBLEDGER_BROWSER_LOAD_SECONDS", 10);
const JOBS: (&str, usize) = ("JOBLEDGER_BROWSER_LOAD_JOBS", 1000);
const EVENTS: (&str, usize) = ("JOBLEDGER_BROWSER_LOAD_EVENTS", 300);
/// Most megabytes that the page's scripts may hold more than at the start, and how many times its nodes.
const MORE_MEGABYTES: f64 = 1.0;
const TIMES_NODES: f64 = 2.0;

/// The number in a variable, or the one that holds without it.
fn number((variable, default): (&str, usize)) -> usize {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap())
}

fn job(n: usize) -> String {
    format!("load-{n}")
}

/// Creates and starts so many jobs.
fn begin(worker: &Client, jobs: usize) {
    let created = json!({"kind": "generic", "spec": {"job_type": "load", "total_records": 1_000_000}});
    let events: Vec<Value> =
        (0..jobs).flat_map(|n| [event("job.created", &job(n), created.clone()), started(&job(n))]).collect();
    for batch in events.chunks(1000) {
        worker.append(&json!(batch)).expect(201);
    }
}

/// Reports progress of so many jobs at a steady rate: two of three events are of jobs that the list shows.
fn report(worker: &Client, jobs: usize, length: Duration) {
    let batch = number(EVENTS) / RATE;
    let began = Instant::now();
    let mut random = fastrand::Rng::with_seed(7);
    for n in 0.. {
        let due = Duration::from_secs(n) / RATE as u32;
        if due >= length {
            return;
        }
        // The rate is the load itself. A server that falls behind gets its requests late and one by one.
        std::thread::sleep(due.saturating_sub(began.elapsed()));
        let events: Value = (0..batch)
            .map(|_| {
                let shown = random.u8(..3) > 0;
                let at = if shown { jobs - 1 - random.usize(..50) } else { random.usize(..jobs) };
                let step = format!("step {}", random.u32(..));
                event("job.progress", &job(at), json!({"current_step": step, "progress": random.u8(..=99)}))
            })
            .collect();
        worker.append(&events).expect(201);
    }
}

/// Megabytes of the page's scripts, and the number of the page's nodes, also of those that are detached.
fn size(browser: &Browser) -> (f64, f64) {
    browser.devtools("HeapProfiler.collectGarbage", &json!({}));
    let found = browser.devtools("Performance.getMetrics", &json!({}));
    let metrics = found["metrics"].as_array().unwrap();
    let of = |name: &str| metrics.iter().find(|metric| metric["name"] == name).unwrap()["value"].as_f64().unwrap();
    (of("JSHeapUsedSize") / 1e6, of("Nodes"))
}

#[test]
fn a_list_of_a_thousand_jobs_stays_right_and_small_under_a_busy_stream() {
    let Some(browser) = Browser::start() else { return };
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    let (jobs, length) = (number(JOBS), Duration::from_secs(number(SECONDS) as u64));
    begin(&worker, jobs);
    browser.sign_in(&server.url, "/", &server.client(Role::Viewer).token.unwrap());
    browser.devtools("Performance.enable", &json!({}));
    browser.run(
        "window.longest = 0;
         new PerformanceObserver(list => { for (const task of list.getEntries()) longest = Math.max(longest, task.duration); })
           .observe({ type: 'longtask' });",
    );
    let before = size(&browser);
    report(&worker, jobs, length);
    let jobs = worker.get("/ledger/jobs?first=50").json()["jobs"].take();
    let rows = jobs.as_array().unwrap().iter().map(|job| json!([job["id"], job["status"], job["current_step"]]));
    let rows: Value = rows.collect();
    browser.until(&format!(
        "JSON.stringify([...document.querySelectorAll('tbody tr')].map(row => ['id', 'status', 'doing']
           .map(name => row.querySelector(`[data-field='${{name}}']`).textContent))) === JSON.stringify({rows})"
    ));
    let (after, longest) = (size(&browser), browser.run("return longest"));
    println!("{length:?} of load: {before:?} and then {after:?} MB and nodes; the longest task took {longest} ms");
    assert!(after.0 < before.0 + MORE_MEGABYTES, "{after:?} MB and nodes after {before:?}");
    assert!(after.1 < before.1 * TIMES_NODES, "{after:?} MB and nodes after {before:?}");
    browser.expect_no_fault();
}
