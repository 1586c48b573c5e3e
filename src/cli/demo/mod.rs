//! `jobledger demo`: a ledger in a temporary folder that plays recorded histories, beside real jobs.
//!
//! Not here: the recorded histories themselves (`replay-fixtures`).

mod real;

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::signal::unix::SignalKind;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use uuid::Uuid;

use self::real::RealJobs;
use super::exit::Exit;
use super::listen::Listen;
use super::output::say;
use super::stop::stop_signal;
use super::{Failure, Outcome, logging};
use crate::access::{Access, NewToken, Role};
use crate::http::{HttpOptions, OnceLink};
use crate::job::OrgId;
use crate::ledger::{Append, AppendError, Folder, Identity, Ledger, Options};
use crate::server::Server;
use crate::wire;

/// Recorded requests of workers; see `replay-fixtures/README.md`.
const HISTORIES: [&str; 6] = [
    include_str!("../../../replay-fixtures/task.sample/sent.ndjson"),
    include_str!("../../../replay-fixtures/dbrole.vault/sent.ndjson"),
    include_str!("../../../replay-fixtures/rule.failed/sent.ndjson"),
    include_str!("../../../replay-fixtures/dbrole.vault-failed/sent.ndjson"),
    include_str!("../../../replay-fixtures/task.cancelled-half-way/sent.ndjson"),
    include_str!("../../../replay-fixtures/dbrole.hook-failed/sent.ndjson"),
];
/// The id of a job that runs until a user cancels it.
const LASTING: &str = "cancel-me";
/// How long answers may take to end once the demo ends.
const DRAIN: Duration = Duration::from_millis(500);
/// How long after the signal the process ends, even if a thread of the demo never does.
const PATIENCE: Duration = Duration::from_secs(3);
/// Pause after a history that was refused.
const AFTER_REFUSAL: Duration = Duration::from_secs(1);

/// Start a ledger in a temporary folder, play recorded histories live, and print what to try
///
/// Beside the histories the demo runs a small script as a job, with `jobledger exec`. Ctrl-C ends the demo and deletes the folder.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  jobledger demo
  jobledger demo --listen 127.0.0.1:8347 --pace 100")]
pub(super) struct Demo {
    /// Where to listen; port 0 takes a free one
    #[arg(long, env = "JOBLEDGER_LISTEN", default_value = "127.0.0.1:0", value_name = "ADDRESS:PORT", value_parser = Listen::parse)]
    listen: Listen,

    /// Milliseconds between two events of a history
    #[arg(long, env = "JOBLEDGER_PACE", default_value_t = 700, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=60_000))]
    pace: u64,
}

impl Demo {
    pub(super) fn run(self) -> Outcome {
        if !self.listen.is_loopback() {
            return Err(Failure::CouldNotRun("a demo listens on this machine only; use `jobledger serve`".into()));
        }
        logging::start("warn", false)?;
        let dir = tempfile::Builder::new().prefix("jobledger-demo-").tempdir()?;
        let stopping = stopping(dir.path().to_owned())?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let played = runtime.block_on(self.play(dir, stopping));
        runtime.shutdown_background();
        played
    }

    async fn play(self, dir: TempDir, stopping: watch::Receiver<bool>) -> Outcome {
        let listener = self.listen.bind()?;
        let once = OnceLink::new();
        let (dropped_lines, link) = (logging::dropped(), Some(once.clone()));
        let http = HttpOptions { drain: DRAIN, dropped_lines, once: link, ..HttpOptions::default() };
        let options = Options { end: logging::end, ..Options::default() };
        let url = format!("http://{}", listener.local_addr()?);
        let server = Server::open(Folder::new(dir.path()), options, http, stopping.clone())?;
        let ledger = server.ledger().clone();
        // A demo that fails closes the ledger, because its threads use the runtime, which ends soon.
        let tokens = tokens(&server).inspect_err(|_| ledger.close())?;
        start_lasting(&ledger).await.inspect_err(|_| ledger.close())?;
        once.give(tokens[&Role::Admin].clone());
        say!("watch it: {url}{}", once.path());
        say!("          this link signs in once; later, sign in at {url} with a token from below\n");
        print_help(&url, &tokens, dir.path(), &ledger.identity());
        let pace = Duration::from_millis(self.pace);
        let players = (0..2).map(|lane| tokio::spawn(play_for_ever(ledger.clone(), lane, pace)));
        let players: Vec<_> = players.chain([tokio::spawn(keep_lasting(ledger.clone(), pace))]).collect();
        let real = RealJobs::start(&url, &tokens[&Role::Worker], dir.path(), pace);
        tokio::spawn(end(players, stopping));
        server.run(listener).await;
        drop(real);
        say!("\nthe demo has ended, and its ledger is deleted");
        Ok(())
    }
}

/// Ends the players at the signal, so that they append nothing to a ledger that closes.
async fn end(players: Vec<JoinHandle<()>>, mut stopping: watch::Receiver<bool>) {
    // An error means that the sender is gone, and the demo with it.
    let _ = stopping.wait_for(|stopping| *stopping).await;
    players.iter().for_each(JoinHandle::abort);
}

/// Turns true at the first signal. The signals have a thread of their own, which no other work of the demo can keep busy. If the
/// demo has not ended [`PATIENCE`] after the first one, the thread deletes `folder` and ends the process.
fn stopping(folder: PathBuf) -> Result<watch::Receiver<bool>, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // The demo also ends when its terminal closes (SIGHUP).
    let stopping = runtime.block_on(async { stop_signal(Some(SignalKind::hangup())) })?;
    let mut signalled = stopping.clone();
    std::thread::spawn(move || {
        runtime.block_on(async {
            if signalled.wait_for(|stopping| *stopping).await.is_ok() {
                tokio::time::sleep(PATIENCE).await;
                // Whether or not the folder can be deleted, the demo ends.
                let _ = std::fs::remove_dir_all(&folder);
                std::process::exit(Exit::Interrupted.code().into());
            }
        });
    });
    Ok(stopping)
}

/// A token for each role, shown once.
fn tokens(server: &Server) -> Result<HashMap<Role, String>, Failure> {
    let now = server.ledger().now();
    let access = Access::open(&server.ledger().folder().access())?;
    let make = |role: &Role| {
        let token = NewToken::new(format!("demo-{role}"), *role, OrgId::default());
        Ok((*role, access.create(&token, now)?.reveal().to_owned()))
    };
    Role::ALL.iter().map(make).collect()
}

fn print_help(url: &str, tokens: &HashMap<Role, String>, dir: &std::path::Path, identity: &Identity) {
    say!("listening on {url}\n");
    say!("a ledger in {}; the demo plays recorded histories, and Ctrl-C ends it and deletes the ledger", dir.display());
    say!("new ledger `{}`, verifier key {}", identity.origin, identity.verifier_key());
    say!("the API is described at {url}/docs\n");
    say!("tokens for the lines below, shown only here:\n");
    for role in Role::ALL {
        say!("  export {}={}", role.as_str().to_uppercase(), tokens[role]);
    }
    say!("\ntry:\n");
    let line = |what: &str, curl: String| say!("  # {what}\n  {curl}\n");
    let get = |role: &str, path: &str| format!("curl -s -H \"Authorization: Bearer ${role}\" '{url}{path}'");
    line("jobs of all kinds, newest first", get("VIEWER", "/ledger/jobs?first=3"));
    line("one job, in full", get("VIEWER", &format!("/ledger/jobs/{LASTING}")));
    line("the documented list of background jobs", get("ADMIN", "/api/v1/jobs"));
    let tail =
        format!("curl -sN -H \"Authorization: Bearer $VIEWER\" -H 'Accept: text/event-stream' '{url}/ledger/events'");
    line("everything, as it happens (a tail)", tail);
    let cancel = format!("curl -si -X DELETE -H \"Authorization: Bearer $ADMIN\" '{url}/api/v1/jobs/{LASTING}'");
    line("cancel a running job; the ledger records who did it", cancel);
    line("the same job as the ledger stood at position 2", get("VIEWER", &format!("/ledger/jobs/{LASTING}?as_of=2")));
}

/// Creates and starts the job that lasts: positions 1 and 2.
async fn start_lasting(ledger: &Ledger) -> Result<(), Failure> {
    let created = json!({"kind": "task", "spec": {"job_type": "enrichment", "total_records": 100_000}});
    let both = [event("job.created", LASTING, &created), event("job.started", LASTING, &json!({}))];
    append(ledger, &both).await.map_err(|error| Failure::CouldNotRun(error.to_string()))
}

/// Reports progress of the lasting job until the ledger refuses a report, because a user cancelled the job.
async fn keep_lasting(ledger: Ledger, pace: Duration) {
    for n in 1..=100_000_u64 {
        tokio::time::sleep(pace * 2).await;
        let progress = json!({"records_processed": n, "current_step": "waiting to be cancelled"});
        if append(&ledger, &[event("job.progress", LASTING, &progress)]).await.is_err() {
            return;
        }
    }
}

/// Plays every other history, again and again.
async fn play_for_ever(ledger: Ledger, lane: usize, pace: Duration) {
    for round in 1.. {
        for history in HISTORIES.iter().skip(lane).step_by(2) {
            match play_once(&ledger, history, round, pace).await {
                Ok(()) => {}
                Err(AppendError::Stopping) => return,
                // A mistake in the demo, or a ledger in trouble. The pause lets other tasks run, and keeps the log short.
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "a history of the demo was refused");
                    tokio::time::sleep(AFTER_REFUSAL).await;
                }
            }
        }
    }
}

async fn play_once(ledger: &Ledger, history: &str, round: u64, pace: Duration) -> Result<(), AppendError> {
    let mut names = HashMap::new();
    for line in history.lines() {
        let sent: Value = serde_json::from_str(line).expect("a recorded line is JSON");
        for event in live_events(&sent, round, &mut names) {
            append(ledger, &[event]).await?;
            tokio::time::sleep(pace).await;
        }
    }
    Ok(())
}

/// The events of a recorded request, with new ids and for a job of this round. Empty if the recorded request was refused.
fn live_events(sent: &Value, round: u64, names: &mut HashMap<String, String>) -> Vec<Value> {
    let mut job = |name: &str, is_uuid: bool| {
        let fresh = || {
            if is_uuid {
                Uuid::new_v4().to_string()
            } else {
                format!("{name}-{round}-{}", &Uuid::new_v4().simple().to_string()[..4])
            }
        };
        names.entry(name.to_lowercase()).or_insert_with(fresh).clone()
    };
    if let Some(path) = sent["delete"].as_str() {
        if sent["expect"] != 204 || path.contains('?') {
            return Vec::new();
        }
        let name = path.rsplit('/').next().unwrap_or(path);
        return vec![event("job.cancelled", &job(name, false), &json!({}))];
    }
    if sent["expect"] != 201 {
        return Vec::new();
    }
    let events = sent["events"].as_array().map_or(&[][..], Vec::as_slice);
    let live = |recorded: &Value| {
        let name = recorded["subject"].as_str().unwrap_or("job");
        let subject = job(name, Uuid::try_parse(name).is_ok());
        event(recorded["type"].as_str().unwrap_or(""), &subject, &recorded["data"])
    };
    events.iter().map(live).collect()
}

fn event(event_type: &str, job: &str, data: &Value) -> Value {
    json!({"specversion": "1.0", "id": Uuid::now_v7(), "source": "/demo", "type": event_type, "subject": job, "data": data})
}

async fn append(ledger: &Ledger, events: &[Value]) -> Result<(), AppendError> {
    let body = serde_json::to_vec(events).expect("JSON values");
    let events = wire::batch(&body, ledger.mask()).map_err(|refused| AppendError::Refused {
        index: 0,
        refusal: crate::job::Refusal::Invalid { pointer: "", detail: refused.to_string() },
        standing: None,
    })?;
    let append = Append { org: OrgId::default(), actor: "demo-worker".into(), events, guard: None, lease: None };
    ledger.append(append).await.map(|_| ())
}
