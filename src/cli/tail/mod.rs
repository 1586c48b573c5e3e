//! `jobledger tail`: follows the log of a running server, as lines or as a board of the running jobs.
//!
//! Not here: connections, which `follow` makes again, and what a terminal must not obey (`output`).

mod board;
mod running;

use std::io::{IsTerminal, stdout};

use clap::{Args, ValueEnum};
use console::is_dumb;
use serde_json::Value;

use self::board::Board;
use super::client::Remote;
use super::follow::{Follow, Message};
use super::output::{self, on_stderr, shown};
use super::server::Parameter;
use super::{Failure, Outcome};
use crate::job::{JobId, Kind, OrgId};

/// Follow the log of a running server; after a broken connection, connect again and miss no event
///
/// On a terminal: a board with a line for each running job (bar, rate, time left, step); jobs that end scroll above it. In a
/// pipe, or with --type: a line for each event. Starts at the head, or after the position --after (0 prints the whole log
/// first). With --job the command ends when the job ends.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  jobledger tail --job sync-9 --after 0
  jobledger tail --type job.failed --type job.cancelled --json")]
pub(super) struct Tail {
    #[command(flatten)]
    remote: Remote,

    /// Only this job's events; ends with the job. An auditor adds --org, because other organisations may use the same id
    #[arg(long, value_name = "ID")]
    job: Option<JobId>,

    /// Only jobs of this kind: dbrole, task, rule or generic
    #[arg(long, value_name = "KIND")]
    kind: Option<Kind>,

    /// Only events of this type; may repeat
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,

    /// Only events of this organisation, for auditors
    #[arg(long, env = "JOBLEDGER_ORG", value_name = "UUID")]
    org: Option<OrgId>,

    /// Start after this position
    #[arg(long, value_name = "POSITION")]
    after: Option<u64>,

    /// What to show. tty: the board. plain: a line for each event. quiet: nothing. auto: the board on a terminal, else lines
    #[arg(long, env = "JOBLEDGER_PROGRESS", value_name = "WHAT", default_value = "auto")]
    progress: Progress,

    /// Print one CloudEvent as JSON on each line
    #[arg(long, env = "JOBLEDGER_JSON")]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Progress {
    Auto,
    Tty,
    Plain,
    Quiet,
}

impl Tail {
    pub(super) fn run(self) -> Outcome {
        // A terminal that cannot move its cursor shows no board.
        let is_terminal = stdout().is_terminal() && !is_dumb();
        match self.progress {
            Progress::Tty if self.json => {
                Err(Failure::CouldNotRun("expected --progress tty or --json, found both".into()))
            }
            Progress::Tty if !self.types.is_empty() => Err(Failure::CouldNotRun(
                "expected --progress tty or --type, found both: a board needs all types".into(),
            )),
            Progress::Tty if !is_terminal => {
                Err(Failure::CouldNotRun("--progress tty: expected a terminal as stdout, and its name in TERM".into()))
            }
            Progress::Tty => self.board(),
            Progress::Auto if is_terminal && !self.json && self.types.is_empty() => self.board(),
            Progress::Auto | Progress::Plain | Progress::Quiet => self.lines(),
        }
    }

    fn board(&self) -> Outcome {
        let filters = [self.pair_of("kind", &self.kind), self.pair_of("org", &self.org)].concat();
        Board::open(&self.remote, self.job.as_ref(), filters, self.query(), self.after)?.run()
    }

    /// A line for each event.
    fn lines(&self) -> Outcome {
        let mut events = Follow::new(&self.remote, self.query(), on_stderr)?;
        while let Some(message) = events.next(None)? {
            match message {
                Message::Event(data) if self.print(&data)? => {}
                Message::Reset => {}
                // The job has ended, or stdout is closed.
                Message::Event(_) | Message::Closed => return Ok(()),
            }
        }
        Ok(())
    }

    fn pair_of(&self, name: &'static str, value: &Option<impl ToString>) -> Vec<Parameter> {
        value.iter().map(|value| (name, value.to_string())).collect()
    }

    fn query(&self) -> Vec<Parameter> {
        let types = self.types.iter().map(|name| ("type", name.clone())).collect();
        let (job, kind) = (self.pair_of("job", &self.job), self.pair_of("kind", &self.kind));
        [job, kind, types, self.pair_of("org", &self.org), self.pair_of("after", &self.after)].concat()
    }

    /// Prints an event. Returns `false` if stdout is closed.
    fn print(&self, data: &str) -> Result<bool, Failure> {
        // With --json too: data that is no JSON is no event.
        let event: Value = serde_json::from_str(data)?;
        match (self.progress, self.json) {
            (Progress::Quiet, _) => Ok(true),
            (_, true) => Ok(output::line(format_args!("{data}"))),
            (_, false) => Ok(output::line(format_args!("{}", as_line(&event)))),
        }
    }
}

/// `1042 2026-01-31T14:03:00Z sync-7 job.progress by worker-1 {"progress":40}`
fn as_line(event: &Value) -> String {
    let text = |name: &str| event[name].as_str().unwrap_or("-");
    let data: String = event["data"].to_string().chars().take(200).collect();
    let line = [text("position"), text("time"), text("subject"), text("type"), "by", text("actor"), &data].join(" ");
    shown(&line).into_owned()
}
