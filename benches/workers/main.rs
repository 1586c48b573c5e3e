//! Workers: many of them claim jobs, work, fail, are killed and cancelled, while the server is killed too. At the end every job has
//! exactly one outcome, and each outcome and count is what the workers really did. The bench fails otherwise.
//!
//! `cargo bench --bench workers [-- --quick]`

#[path = "../support/mod.rs"]
mod support;

mod asking;
mod check;
mod worker;

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use jobledger::access::Role;
use parking_lot::Mutex;
use serde_json::json;

use asking::Asking;
use support::{Serving, Table, folder, size, token};

/// The lease of every job, in seconds.
const LEASE_SEC: u32 = 5;
/// The longest run. Then the bench fails.
const LONGEST: Duration = Duration::from_secs(600);

/// How large the run is.
#[derive(Clone, Copy)]
struct Plan {
    workers: usize,
    jobs_each: usize,
    /// From one kill of the server to the next.
    kill_every: Duration,
    /// How often at most the server is killed.
    kills: u32,
}

/// What really happened, as the workers and the killers know it.
#[derive(Default)]
struct Truth {
    /// The records that workers processed, by job.
    records: Mutex<HashMap<String, u64>>,
    completed: Mutex<HashSet<String>>,
    failed: Mutex<HashSet<String>>,
    /// The jobs whose worker was killed, or heard that its lease is lost.
    lost: Mutex<HashSet<String>>,
    cancelled: Mutex<HashSet<String>>,
    killed_workers: AtomicU64,
    killed_servers: AtomicU64,
    requests: AtomicU64,
    /// Whether every job has ended.
    over: AtomicBool,
}

fn main() {
    let plan = size(
        Plan { workers: 200, jobs_each: 50, kill_every: Duration::from_secs(15), kills: 6 },
        Plan { workers: 50, jobs_each: 20, kill_every: Duration::from_secs(6), kills: 2 },
        Plan { workers: 8, jobs_each: 6, kill_every: Duration::from_secs(1), kills: 1 },
    );
    let folder = folder();
    let path = folder.path().join("ledger");
    let serving = Serving::start(&path, &[]);
    let token = token(&path, Role::Worker);
    let address = serving.address.to_string();
    let (truth, begun) = (Truth::default(), Instant::now());
    let asking = Asking::new(&address, &token, &truth.requests);
    create_jobs(&asking, plan);
    // The last server lives until every worker has its last answer.
    let serving = thread::scope(|scope| {
        let killer = scope.spawn(|| kill_servers(serving, &path, &address, plan, &truth));
        scope.spawn(|| cancel_some(&asking, plan, &truth));
        for name in 0..plan.workers {
            let (asking, truth) = (&asking, &truth);
            scope.spawn(move || worker::work(name, asking, truth));
        }
        // Between a failure and its retry no job is open, for a moment.
        let mut all_ended = 0;
        while all_ended < 3 {
            assert!(begun.elapsed() < LONGEST, "jobs are still open after {LONGEST:?}");
            all_ended = if asking.open_jobs() == 0 { all_ended + 1 } else { 0 };
            thread::sleep(Duration::from_millis(300));
        }
        truth.over.store(true, Ordering::SeqCst);
        killer.join().expect("a server that was killed starts again")
    });
    let took = begun.elapsed();
    let found = check::check(&asking, &truth, plan.workers * plan.jobs_each);
    drop(serving);
    print(plan, &truth, &found, took);
}

fn print(plan: Plan, truth: &Truth, found: &check::Found, took: Duration) {
    println!("\n{} workers, {} jobs, and those that repeat one; every outcome is true", plan.workers, found.jobs);
    let mut table = Table::new([
        "s",
        "requests",
        "completed",
        "failed",
        "lost",
        "cancelled",
        "repeated",
        "workers killed",
        "servers killed",
    ]);
    let count = |number: u64| number.to_string();
    table.row([
        format!("{:.0}", took.as_secs_f64()),
        count(truth.requests.load(Ordering::SeqCst)),
        count(found.completed),
        count(found.failed),
        count(found.lost),
        count(found.cancelled),
        count(found.repeated),
        count(truth.killed_workers.load(Ordering::SeqCst)),
        count(truth.killed_servers.load(Ordering::SeqCst)),
    ]);
    table.print();
}

/// Creates the jobs, each of which asks for one retry.
fn create_jobs(asking: &Asking<'_>, plan: Plan) {
    let names: Vec<usize> = (0..plan.workers * plan.jobs_each).collect();
    for some in names.chunks(500) {
        let created = some.iter().map(|n| {
            let data = json!({
                "kind": "task", "spec": {"job_type": "account_sync"}, "retry": {"max": 1, "backoff_sec": 0},
            });
            asking.event(&format!("create-{n}"), "job.created", &format!("job-{n}"), data)
        });
        let answer = asking.append(&json!(created.collect::<Vec<_>>()), None);
        assert_eq!(answer.status, 201, "{}", answer.body);
    }
}

/// Kills the server from time to time, and starts it again at once on the same port. Returns the last server.
fn kill_servers(mut serving: Serving, path: &Path, address: &str, plan: Plan, truth: &Truth) -> Serving {
    for _ in 0..plan.kills {
        let until = Instant::now() + plan.kill_every;
        while Instant::now() < until && !truth.over.load(Ordering::SeqCst) {
            thread::sleep(Duration::from_millis(50));
        }
        if truth.over.load(Ordering::SeqCst) {
            break;
        }
        // Dropping the value kills the process.
        drop(serving);
        serving = Serving::on(path, address, &[]);
        truth.killed_servers.fetch_add(1, Ordering::SeqCst);
    }
    serving
}

/// Cancels a job at random, again and again. Most have ended already, and their cancellation is refused.
fn cancel_some(asking: &Asking<'_>, plan: Plan, truth: &Truth) {
    let mut tries = 0;
    while !truth.over.load(Ordering::SeqCst) {
        let job = format!("job-{}", fastrand::usize(..plan.workers * plan.jobs_each));
        let event = asking.event(&format!("cancel-{tries}"), "job.cancelled", &job, json!({}));
        // 200 after a kill of the server: the first answer was lost.
        if asking.append(&event, None).status < 300 {
            truth.cancelled.lock().insert(job);
        }
        tries += 1;
        thread::sleep(Duration::from_millis(100));
    }
}
