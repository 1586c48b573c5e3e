//! `jobledger cancel`: cancels jobs by name, or all that filters show.

use std::io::{IsTerminal, Write, stderr, stdin};

use clap::Args;
use serde_json::{Value, json};

use super::client::{Remote, unexpected};
use super::filters::Filters;
use super::jobs::each_job;
use super::output::say;
use super::server::Server;
use super::telling::{Source, Told};
use super::{Failure, Outcome};
use crate::job::{JobId, Status, plural};

/// Most jobs that one command cancels by filters.
const MOST: u64 = 100_000;

/// Cancel jobs of a running server, by name or by filters, as the actor of the token
///
/// Filters choose among the pending and running jobs. The command names their number and asks once; without a terminal it needs
/// --yes. It appends one event a job, prints a line a job, and can be stopped half-way. A job that was cancelled before stays
/// as it is. Exit code 1 if a job could not be cancelled.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  jobledger cancel sync-9 sync-10 --reason \"wrong account\"
  jobledger cancel --kind task --quiet-for 2h --reason \"the worker is gone\" --yes")]
pub(super) struct Cancel {
    /// The jobs
    #[arg(value_name = "JOB")]
    jobs: Vec<JobId>,

    #[command(flatten)]
    remote: Remote,

    #[command(flatten)]
    filters: Filters,

    /// Why; the ledger keeps the reason
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,

    /// Do not ask
    #[arg(long, short)]
    yes: bool,

    #[command(flatten)]
    source: Source,

    /// Print one JSON object a job
    #[arg(long, env = "JOBLEDGER_JSON")]
    json: bool,
}

impl Cancel {
    pub(super) fn run(mut self) -> Outcome {
        let wrong = |text: &str| Err(Failure::CouldNotRun(text.into()));
        let query = self.filters.query();
        match (self.jobs.is_empty(), query.is_empty()) {
            (true, true) => return wrong("expected jobs, or filters that choose them"),
            (false, false) => return wrong("expected jobs or filters, found both"),
            _ => {}
        }
        let server = Server::new(self.remote.clone())?;
        if self.jobs.is_empty() {
            self.jobs = self.matching(&server)?;
            if self.jobs.is_empty() {
                say!("no pending or running job matches");
                return Ok(());
            }
            self.ask()?;
        }
        let reason = self.reason.iter().map(|reason| ("reason".to_owned(), Value::from(reason.as_str())));
        let data: Value = reason.collect::<serde_json::Map<_, _>>().into();
        let mut failed = 0;
        for job in &self.jobs {
            let told = Told::by(&server, &self.source.event("job.cancelled", job, data.clone()))?;
            failed += u64::from(matches!(told, Told::Refused { .. }));
            say!("{}", if self.json { as_json(job, told) } else { as_line(job, told) });
        }
        match failed {
            0 => Ok(()),
            failed => {
                let all = plural(self.jobs.len() as u64, "job", "jobs");
                Err(Failure::Refused(format!("{failed} of {all} could not be cancelled")))
            }
        }
    }

    /// The pending and running jobs that the filters show, oldest first.
    fn matching(&self, server: &Server) -> Result<Vec<JobId>, Failure> {
        let mut query = self.filters.query();
        query.push(("order", "oldest".into()));
        let states = match self.filters.status {
            Some(Status::Pending | Status::Running) => vec![query],
            Some(ended) => {
                return Err(Failure::CouldNotRun(format!("--status: expected pending or running, found {ended}")));
            }
            None => ["pending", "running"].map(|status| [&query[..], &[("status", status.to_owned())]].concat()).into(),
        };
        let mut jobs = Vec::new();
        for query in states {
            let more = each_job(server, &query, MOST - jobs.len() as u64, |job| {
                let id = job["id"].as_str().and_then(|id| id.parse().ok());
                jobs.push(id.ok_or_else(|| unexpected("expected a job with an id"))?);
                Ok(())
            })?;
            if more {
                return Err(Failure::Refused(format!("over {MOST} jobs match; choose fewer by more filters")));
            }
        }
        Ok(jobs)
    }

    /// Names the number of jobs and asks whether to go on.
    fn ask(&self) -> Outcome {
        if self.yes {
            return Ok(());
        }
        let jobs = plural(self.jobs.len() as u64, "job", "jobs");
        if !stdin().is_terminal() {
            return Err(Failure::Refused(format!("{jobs} would be cancelled; --yes cancels without asking")));
        }
        write!(stderr(), "Cancel {jobs}? [y/N] ")?;
        let mut answer = String::new();
        stdin().read_line(&mut answer)?;
        match answer.trim().to_lowercase().as_str() {
            "y" | "yes" => Ok(()),
            _ => Err(Failure::Refused("nothing was cancelled".into())),
        }
    }
}

fn as_line(job: &JobId, told: Told) -> String {
    match told {
        Told::Recorded { position, before: false } => format!("{job} cancelled, at position {position}"),
        Told::Recorded { position, before: true } => format!("{job} was cancelled before, at position {position}"),
        Told::Refused { failure, .. } => format!("{job} not cancelled: {failure}"),
    }
}

fn as_json(job: &JobId, told: Told) -> String {
    let job = job.as_str();
    let line = match told {
        Told::Recorded { position, before } => {
            json!({ "job": job, "cancelled": true, "before": before, "position": position })
        }
        Told::Refused { state, failure } => {
            json!({ "job": job, "cancelled": false, "state": state, "detail": failure.to_string() })
        }
    };
    line.to_string()
}
