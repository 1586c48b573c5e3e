//! `exec --claim`: runs the command for each job that the ledger hands out.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;

use super::Exec;
use super::gather::Gather;
use super::program::{Program, Task};
use super::run::Run;
use super::signals;
use crate::cli::client::{Problem, failed, is_hopeless, unexpected};
use crate::cli::output::{remark, shown};
use crate::cli::server::{Server, text};
use crate::cli::{Failure, Outcome};
use crate::client::HeldLease;

/// How long a claim waits for a job, in seconds. A signal ends `exec` after at most this time.
const WAIT_SEC: u64 = 5;
/// The shortest and the longest pause after a claim that got no answer.
const PAUSES: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(5)];

/// What the threads that claim share.
struct Shared {
    /// Whether a signal ends `exec`.
    stops: AtomicBool,
    /// How many jobs may still be claimed.
    left: AtomicU64,
}

impl Shared {
    /// Whether another job may be claimed, which then counts.
    fn one_more(&self) -> bool {
        let one_less = |left: u64| left.checked_sub(1);
        !self.stops.load(Ordering::SeqCst)
            && self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_ok()
    }
}

/// A job that was handed out.
struct Claimed {
    job: Value,
    token: String,
}

/// Runs the command for each job, `--concurrency` at once, until a signal or `--max-jobs` ends it.
///
/// # Errors
/// The server refuses claims.
pub(super) fn run(exec: &Exec, folder: Option<&Path>) -> Outcome {
    let shared =
        Arc::new(Shared { stops: AtomicBool::new(false), left: AtomicU64::new(exec.max_jobs.unwrap_or(u64::MAX)) });
    let stops = shared.clone();
    signals::watch(move |_| {
        stops.stops.store(true, Ordering::SeqCst);
        true
    });
    thread::scope(|scope| {
        let threads: Vec<_> =
            (0..exec.concurrency).map(|_| scope.spawn(|| claim_and_run(exec, folder, &shared))).collect();
        let ended = threads.into_iter().map(|thread| thread.join().expect("a thread that claims does not panic"));
        ended.fold(Ok(()), Outcome::and)
    })
}

fn claim_and_run(exec: &Exec, folder: Option<&Path>, shared: &Shared) -> Outcome {
    while shared.one_more() {
        let server = Server::new(exec.remote.clone())?;
        match claim(exec, &server, shared) {
            Ok(Some(claimed)) => run_one(exec, folder, server, claimed),
            Ok(None) => break,
            Err(failure) => {
                // The other threads would be refused too.
                shared.stops.store(true, Ordering::SeqCst);
                return Err(failure);
            }
        }
    }
    Ok(())
}

/// Waits for a job; `None` if a signal comes first. Every claim has the same id until one is answered with a job.
fn claim(exec: &Exec, server: &Server, shared: &Shared) -> Result<Option<Claimed>, Failure> {
    let labels: Value = exec.labels.iter().cloned().collect::<serde_json::Map<_, _>>().into();
    let wanted = json!({
        "id": Uuid::now_v7(),
        "kind": exec.kind.as_str(),
        "job_type": exec.job_type.as_ref().map(|job_type| job_type.as_str()),
        "labels": labels,
        "worker": exec.worker_name(),
        "lease_sec": exec.lease,
        "wait_sec": WAIT_SEC,
    });
    let mut pause = PAUSES[0];
    while !shared.stops.load(Ordering::SeqCst) {
        let why = match server.claim(&wanted) {
            Ok(answer) if answer.status() == 204 => {
                pause = PAUSES[0];
                continue;
            }
            Ok(answer) if answer.status() == 201 => {
                let answer: Value = serde_json::from_str(&text(answer)?).map_err(|_| unexpected("expected JSON"))?;
                let token = answer["lease"]["token"].as_str().ok_or_else(|| unexpected("expected a lease"))?.to_owned();
                return Ok(Some(Claimed { job: answer["job"].clone(), token }));
            }
            Ok(mut answer) if answer.status().is_client_error() => {
                return Err(Failure::Refused(Problem::of(&mut answer).text));
            }
            Ok(mut answer) => Problem::of(&mut answer).text,
            Err(error) if is_hopeless(&error) => return Err(failed(error)),
            Err(error) => shown(&error.to_string()).into_owned(),
        };
        if pause == PAUSES[0] {
            remark!("jobledger: {why}; trying again");
        }
        thread::sleep(pause);
        pause = (pause * 2).min(PAUSES[1]);
    }
    Ok(None)
}

/// Runs the command for one job. The job's outcome is in the ledger; a failure of the command does not end `exec`.
fn run_one(exec: &Exec, folder: Option<&Path>, server: Server, claimed: Claimed) {
    let Claimed { job, token } = claimed;
    let name = |member: &str| job[member].as_str().unwrap_or_default().to_owned();
    let Ok(id) = name("id").parse() else {
        return remark!("jobledger: the ledger handed out a job without an id");
    };
    let task = Task {
        id: name("id"),
        kind: name("kind"),
        job_type: job["spec"]["job_type"].as_str().map(str::to_owned),
        stdin: Some(format!("{job}\n")),
    };
    remark!("jobledger: job {}", task.id);
    let (done, all_done) = channel();
    let spool = exec.new_spool(folder);
    let lease = HeldLease::default();
    lease.set(&token);
    let run = Run::new(Gather::new(exec.source.clone(), id), spool, lease, exec.manner());
    if let Err(failure) = run.run(Program::start(&exec.command, &task), server, done, &all_done) {
        remark!("jobledger: {failure}");
    }
}
