//! `jobledger exec`: runs a command as a job.
//!
//! The main thread gathers what the command writes into events, a few times a second, and puts them into the spool. The courier
//! thread takes them from there to the server. So the command never waits for the server.
//!
//! Not here: leases. If `exec` itself is killed, the job stays running until an administrator cancels it.

mod courier;
mod gather;
mod leftovers;
mod lines;
mod marks;
mod program;
mod run;
mod spool;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::mpsc::channel;
use std::time::Duration;

use clap::Args;
use rustix::fs::Mode;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use self::gather::Gather;
use self::program::Program;
use self::run::{Manner, Run};
use self::spool::Spool;
use super::client::Remote;
use super::duration::up_to;
use super::logins::user_folder;
use super::output::remark;
use super::server::Server;
use super::size::size;
use super::telling::Source;
use super::{Failure, Outcome};
use crate::job::{JobId, JobType, Kind};

/// Longest `--grace` and `--deliver-timeout`.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// The variable in which the command finds the id of its job.
pub(super) const JOB_VARIABLE: &str = "JOBLEDGER_JOB_ID";

/// Run a command as a job
///
/// Creates a job, starts it, and records what the command writes as the output of its hook. The job completes if the command ends
/// with exit code 0, and fails otherwise. The exit code of `exec` is that of the command, or 128 and the number of the signal that
/// ended it.
///
/// If the job is cancelled in the ledger, the command's process group gets SIGTERM, and SIGKILL after --grace. While the server is
/// away, reports wait in a file of --spool, in order. The ledger records each of them once, however often it is sent.
///
/// These lines on the command's stdout are reports: `::progress records_processed=650 total_records=1000 step="Accounts"`,
/// `::item NAME completed message="…"` (or running, or failed), and `::note TEXT`.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  jobledger exec --job-type nightly -- ./enrich.sh
  jobledger exec --kind task --job-type full_sync --label ticket:A-17 -- python3 sync.py --all")]
pub(super) struct Exec {
    /// The command and its arguments, after --
    #[arg(required = true, last = true, value_name = "COMMAND")]
    command: Vec<OsString>,

    #[command(flatten)]
    remote: Remote,

    #[command(flatten)]
    source: Source,

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
        let server = Server::new(self.remote.clone())?;
        let job = match &self.job {
            Some(job) => job.clone(),
            None => {
                let job = Uuid::now_v7().to_string();
                remark!("jobledger: job {job}");
                job.parse().expect("a UUID is an id of a job")
            }
        };
        let mut created = json!({ "kind": self.kind.as_str(), "spec": self.spec()? });
        if !self.labels.is_empty() {
            created["labels"] = self.labels.iter().cloned().collect::<Map<_, _>>().into();
        }
        let gather = Gather::new(self.source.clone(), job.clone());
        let first = [gather.event("job.created", created), gather.event("job.started", json!({}))];
        let folder =
            self.spool.clone().or_else(|| Some(user_folder("XDG_STATE_HOME", ".local/state")?.join("jobledger/spool")));
        let spool = Spool::new(folder.as_deref(), self.spool_limit);
        if let Err(failure) = courier::begin(&server, &spool, &first) {
            spool.remove();
            return Err(failure);
        }
        let (done, all_done) = channel();
        if let Some(folder) = &folder {
            leftovers::deliver(&self.remote, folder, done.clone())?;
        }
        rustix::process::umask(callers_umask);
        let manner = Manner { has_marks: !self.no_commands, grace: self.grace, deliver_timeout: self.deliver_timeout };
        let run = Run::new(gather, spool, manner);
        run.run(Program::start(&self.command, &job), server, done, &all_done)
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
