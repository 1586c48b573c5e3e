//! `jobledger exec`: runs a command as a job.
//!
//! The main thread gathers what the command writes into events, a few times a second, and puts them into the spool. The courier
//! thread takes them from there to the server. So the command never waits for the server.
//!
//! The job runs under a lease, which a thread renews. If `exec` itself is killed, the lease runs out, and the ledger ends the job.
//!
//! Not here: how the ledger hands out jobs and ends those of lost workers (`workers`).

mod claims;
mod courier;
mod gather;
mod lease;
mod leftovers;
mod lines;
mod marks;
mod program;
mod run;
mod signals;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::time::Duration;

use clap::Args;
use rustix::fs::Mode;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use self::courier::Courier;
use self::gather::Gather;
use self::program::{Program, Task};
use self::run::{Manner, Run};
use super::client::Remote;
use super::duration::{BadDuration, up_to};
use super::logins::user_folder;
use super::output::{remark, shown};
use super::server::Server;
use super::size::size;
use super::telling::Source;
use super::{Failure, Outcome};
use crate::client::{HeldLease, MAX_BATCH, Spool};
use crate::job::{JobId, JobType, Kind};

/// Longest `--grace` and `--deliver-timeout`.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// The variables in which the command finds its job begin with this.
pub(super) const JOB_VARIABLES: &str = "JOBLEDGER_JOB_";
// What a spool sends in one request, the ledger takes.
const _: () = assert!(MAX_BATCH == crate::wire::MAX_BATCH);
/// Most commands at once with `--claim`.
const MOST_AT_ONCE: u32 = 256;

/// Run a command as a job
///
/// Creates a job, starts it, and records what the command writes as the output of its hook. The job completes if the command ends
/// with exit code 0, and fails otherwise. The exit code of `exec` is that of the command, or 128 and the number of the signal that
/// ended it.
///
/// If the job is cancelled in the ledger, the command's process group gets SIGTERM, and SIGKILL after --grace. While the server is
/// away, reports wait in a file of --spool, in order. The ledger records each of them once, however often it is sent.
///
/// The job runs under a lease, which `exec` renews: if `exec` dies, the ledger ends the job after --lease. If the ledger has ended the
/// job meanwhile, the command gets SIGTERM too.
///
/// With --claim, `exec` runs the command for each pending job that fits, until a signal ends it. The command finds the job as JSON on
/// its stdin, and its id, kind and type in JOBLEDGER_JOB_ID, JOBLEDGER_JOB_KIND and JOBLEDGER_JOB_TYPE.
///
/// These lines on the command's stdout are reports: `::progress records_processed=650 total_records=1000 step="Accounts"`,
/// `::item NAME completed message="…"` (or running, or failed), and `::note TEXT`.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  jobledger exec --job-type nightly -- ./enrich.sh
  jobledger exec --claim --kind task --job-type full_sync --concurrency 4 -- ./sync.sh")]
pub(super) struct Exec {
    /// The command and its arguments, after --
    #[arg(required = true, last = true, value_name = "COMMAND")]
    command: Vec<OsString>,

    #[command(flatten)]
    remote: Remote,

    #[command(flatten)]
    source: Source,

    /// Run the command for each pending job of this kind, type and labels, instead of creating a job
    #[arg(long, conflicts_with_all = ["job", "spec"])]
    claim: bool,

    /// With --claim: how many commands run at once
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=MOST_AT_ONCE as i64))]
    concurrency: u32,

    /// With --claim: end after so many jobs
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max_jobs: Option<u64>,

    /// The name under which the job shows this worker. Default: the host's name and the process id
    #[arg(long, env = "JOBLEDGER_WORKER", value_name = "NAME")]
    worker: Option<String>,

    /// How long the ledger waits for a sign of life before it ends the job: 1s to 1day, in whole seconds
    #[arg(long, env = "JOBLEDGER_LEASE", value_name = "TIME", default_value = "30s", value_parser = lease_seconds)]
    lease: u32,

    /// The id of the job. Default: a new UUID, which is the first line on stderr
    #[arg(long, value_name = "JOB")]
    job: Option<JobId>,

    /// The kind of the job: dbrole, task, rule or generic
    #[arg(long, value_name = "KIND", default_value = "generic")]
    kind: Kind,

    /// The type of the job. Default for a generic job: the name of the command
    #[arg(long, value_name = "TYPE", conflicts_with = "spec")]
    job_type: Option<JobType>,

    /// The spec of the job, as a JSON object
    #[arg(long, value_name = "JSON", value_parser = object)]
    spec: Option<Map<String, Value>>,

    /// A label of the job; may be given several times
    #[arg(long = "label", value_name = "NAME:VALUE", value_parser = label)]
    labels: Vec<(String, Value)>,

    /// How long a cancelled command may take to end after SIGTERM
    #[arg(long, env = "JOBLEDGER_GRACE", value_name = "TIME", default_value = "10s", value_parser = |text: &str| up_to(DAY, text))]
    grace: Duration,

    /// How long to wait for the server after the command has ended
    #[arg(long, env = "JOBLEDGER_DELIVER_TIMEOUT", value_name = "TIME", default_value = "60s", value_parser = |text: &str| up_to(DAY, text))]
    deliver_timeout: Duration,

    /// The folder for reports that are not delivered yet; a later `exec` with the same folder delivers them [default: `jobledger/spool`
    /// in the user's folder of states]
    #[arg(long, env = "JOBLEDGER_SPOOL", value_name = "DIR")]
    spool: Option<PathBuf>,

    /// Most bytes of reports that wait. Output beyond is left out, and a note on the job says how much
    #[arg(long, env = "JOBLEDGER_SPOOL_LIMIT", value_name = "SIZE", default_value = "1GiB", value_parser = size)]
    spool_limit: u64,

    /// Lines that begin with `::` are output, not reports
    #[arg(long, env = "JOBLEDGER_NO_COMMANDS")]
    no_commands: bool,
}

/// A text that is no JSON object.
#[derive(Debug, thiserror::Error)]
#[error("expected a JSON object: {0}")]
struct NotAnObject(#[from] serde_json::Error);

fn object(text: &str) -> Result<Map<String, Value>, NotAnObject> {
    Ok(serde_json::from_str(text)?)
}

/// A time that no lease has.
#[derive(Debug, thiserror::Error)]
enum BadLease {
    #[error(transparent)]
    Unreadable(#[from] BadDuration),
    #[error("expected whole seconds, from 1s to 1day")]
    OutOfRange,
}

fn lease_seconds(text: &str) -> Result<u32, BadLease> {
    let time = up_to(DAY, text)?;
    let seconds = u32::try_from(time.as_secs()).ok().filter(|seconds| *seconds > 0 && time.subsec_nanos() == 0);
    seconds.ok_or(BadLease::OutOfRange)
}

/// A text that is no label.
#[derive(Debug, thiserror::Error)]
#[error("expected `name:value`")]
struct NotALabel;

fn label(text: &str) -> Result<(String, Value), NotALabel> {
    let (name, value) = text.split_once(':').ok_or(NotALabel)?;
    Ok((name.to_owned(), value.into()))
}

impl Exec {
    /// `callers_umask` is the umask for the command.
    pub(super) fn run(self, callers_umask: Mode) -> Outcome {
        let folder =
            self.spool.clone().or_else(|| Some(user_folder("XDG_STATE_HOME", ".local/state")?.join("jobledger/spool")));
        let (done, all_done) = channel();
        if self.claim {
            if let Some(folder) = &folder {
                leftovers::deliver(&self.remote, folder, done)?;
            }
            rustix::process::umask(callers_umask);
            return claims::run(&self, folder.as_deref());
        }
        if self.concurrency > 1 || self.max_jobs.is_some() {
            return Err(Failure::CouldNotRun("--concurrency and --max-jobs need --claim".into()));
        }
        let job = match &self.job {
            Some(job) => job.clone(),
            None => {
                let job = Uuid::now_v7().to_string();
                remark!("jobledger: job {job}");
                job.parse().expect("a UUID is an id of a job")
            }
        };
        let spec = self.spec()?;
        let job_type = spec["job_type"].as_str().map(str::to_owned);
        let mut created = json!({ "kind": self.kind.as_str(), "spec": spec });
        if !self.labels.is_empty() {
            created["labels"] = self.labels.iter().cloned().collect::<Map<_, _>>().into();
        }
        let gather = Gather::new(self.source.clone(), job.clone());
        let started = json!({ "worker": self.worker_name(), "lease_sec": self.lease });
        let first = [gather.event("job.created", created), gather.event("job.started", started)];
        let (server, spool) = (Server::new(self.remote.clone())?, self.new_spool(folder.as_deref()));
        let courier = Courier { server, spool, lease: HeldLease::default(), heard: None };
        if let Err(failure) = courier.begin(&first) {
            courier.remove();
            return Err(failure);
        }
        if let Some(folder) = &folder {
            leftovers::deliver(&self.remote, folder, done.clone())?;
        }
        rustix::process::umask(callers_umask);
        let Courier { server, spool, lease, .. } = courier;
        let run = Run::new(gather, spool, lease, self.manner());
        let task = Task { id: job.to_string(), kind: self.kind.to_string(), job_type, stdin: None };
        run.run(Program::start(&self.command, &task), server, done, &all_done)
    }

    fn manner(&self) -> Manner {
        Manner {
            has_marks: !self.no_commands,
            grace: self.grace,
            deliver_timeout: self.deliver_timeout,
            lease_sec: self.lease,
        }
    }

    /// An empty spool for one job. If the folder cannot be used, reports wait in memory.
    fn new_spool(&self, folder: Option<&Path>) -> Spool {
        let Some(folder) = folder else { return Spool::in_memory(self.spool_limit) };
        Spool::in_folder(folder, self.spool_limit).unwrap_or_else(|error| {
            remark!("jobledger: cannot use `{}`: {error}; reports wait in memory", shown(&folder.to_string_lossy()));
            Spool::in_memory(self.spool_limit)
        })
    }

    /// The worker's name.
    fn worker_name(&self) -> String {
        self.worker.clone().unwrap_or_else(|| {
            let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
            let host = if host.trim().is_empty() { "exec" } else { host.trim() };
            format!("{host}:{}", std::process::id())
        })
    }

    /// The spec of the job.
    fn spec(&self) -> Result<Value, Failure> {
        let wrong = |text: &str| Err(Failure::CouldNotRun(text.into()));
        match (&self.spec, &self.job_type, self.kind) {
            (Some(spec), _, _) => Ok(spec.clone().into()),
            (None, _, Kind::DbRole | Kind::Rule) => {
                wrong("expected --spec, because a job of this kind needs more than a type")
            }
            (None, Some(job_type), _) => Ok(json!({ "job_type": job_type.as_str() })),
            (None, None, Kind::Task) => wrong("expected --job-type, such as full_sync"),
            (None, None, Kind::Generic) => Ok(json!({ "job_type": program::type_of(&self.command) })),
        }
    }
}
