//! `jobledger replay`: shows a job event by event, at one moment, or as the difference of two moments.

use std::str::FromStr;

use clap::Args;
use serde::Serialize;
use serde_json::value::RawValue;

use super::history::History;
use super::output::{say, shown};
use super::target::Origin;
use super::{Failure, Outcome};
use crate::job::{Fact, Job, JobId, JobKey, OrgId, Position};
use crate::kinds;
use crate::ledger::{AsOf, NotAMoment};
use crate::model::{ChangeTracker, Differ, Difference, FieldChange, JobDiff, model};

/// Replay one job from a data folder, even while a server runs, from an export, or from a running server
///
/// Shows the stored events and checks no signature. `jobledger verify` checks that the ledger recorded and signed them.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  jobledger replay sync-9 --data ledger
  jobledger replay sync-9 --server prod --diff 3..")]
pub(super) struct Replay {
    /// The job
    #[arg(value_name = "JOB")]
    job: JobId,

    #[command(flatten)]
    origin: Origin,

    /// The job's organisation. Default: with --url that of the token, else the default organisation
    #[arg(long, env = "JOBLEDGER_ORG", value_name = "UUID")]
    org: Option<OrgId>,

    /// Show only the job at this moment: a position, or an RFC 3339 time of recording
    #[arg(long, value_name = "POSITION|TIME")]
    as_of: Option<AsOf>,

    /// Show only the fields that differ between two such moments, and the events that changed them. TO defaults to the newest
    /// event
    #[arg(long, value_name = "FROM..[TO]", conflicts_with = "as_of")]
    diff: Option<Between>,

    /// Print one JSON object a line: after each event, the job as its documented API shows it. With --diff, the server's answer
    #[arg(long, env = "JOBLEDGER_JSON")]
    json: bool,
}

/// `FROM..TO`.
#[derive(Debug, Clone, Copy)]
struct Between {
    from: AsOf,
    to: Option<AsOf>,
}

impl FromStr for Between {
    type Err = NotAMoment;

    fn from_str(text: &str) -> Result<Between, NotAMoment> {
        let (from, to) = text.split_once("..").unwrap_or((text, ""));
        let to = Some(to).filter(|to| !to.is_empty()).map(str::parse).transpose()?;
        Ok(Between { from: from.parse()?, to })
    }
}

impl Replay {
    pub(super) fn run(self) -> Outcome {
        let history = History::open(&self.origin, &self.job, self.org)?;
        let org = self.org.or(history.org()?).unwrap_or_default();
        let key = JobKey { org, id: self.job.clone() };
        let done = match (self.diff, self.as_of) {
            (Some(between), _) => self.diff(&history, &key, between)?,
            (None, Some(moment)) => self.stood(&history, &key, moment)?,
            (None, None) => self.steps(&history, &key)?,
        };
        let then = if self.as_of.is_some() || self.diff.is_some() { " at that moment" } else { "" };
        let missing = || Failure::Refused(format!("no job `{}` in this organisation{then}", self.job));
        done.ok_or_else(missing)
    }

    /// Prints every step; `None` if there is no such job.
    fn steps(&self, history: &History<'_>, key: &JobKey) -> Result<Option<()>, Failure> {
        let mut job = ChangeTracker::new(None);
        history.facts(key, Position::GENESIS, Position::MAX, |fact| {
            let step = Step::of(&fact);
            let changed = job.take(fact)?;
            let text = match job.job().filter(|_| self.json) {
                Some(job) => step.as_json(job),
                None => step.as_text(&changed),
            };
            say!("{text}");
            Ok(())
        })?;
        Ok(job.job().map(|_| ()))
    }

    fn stood(&self, history: &History<'_>, key: &JobKey, moment: AsOf) -> Result<Option<()>, Failure> {
        let upto = history.place("--as-of", Some(moment))?.position;
        let mut last: Option<(Step, Job)> = None;
        history.facts(key, Position::GENESIS, upto, |fact| {
            let step = Step::of(&fact);
            last = Some((step, Job::fold(last.take().map(|(_, job)| job), fact)?));
            Ok(())
        })?;
        let Some((step, job)) = last else { return Ok(None) };
        let text = if self.json { step.as_json(&job) } else { format!("{:#}", model(&job)) };
        say!("{text}");
        Ok(Some(()))
    }

    fn diff(&self, history: &History<'_>, key: &JobKey, between: Between) -> Result<Option<()>, Failure> {
        let from = history.place("--diff", Some(between.from))?;
        let to = history.place("--diff", between.to)?;
        // Without TO the later moment is the newest event, even if the clock is behind.
        if from > to && between.to.is_some() {
            return Err(Failure::Refused("--diff: expected FROM at or before TO".into()));
        }
        let mut before = None;
        history.facts(key, Position::GENESIS, from.position, |fact| {
            before = Some(Job::fold(before.take(), fact)?);
            Ok(())
        })?;
        let mut differ = Differ::new(before);
        history.facts(key, from.position, to.position, |fact| Ok(differ.take(fact)?))?;
        let Some(diff) = differ.finish(from, to) else { return Ok(None) };
        let text = if self.json { serde_json::to_string(&diff)? } else { diff_as_text(&diff) };
        say!("{text}");
        Ok(Some(()))
    }
}

/// One step of a job's life.
struct Step {
    position: u64,
    event_type: &'static str,
    time: String,
    actor: String,
}

/// A step as a JSON line. It holds the text of the read model unchanged.
#[derive(Serialize)]
struct StepLine<'a> {
    position: u64,
    #[serde(rename = "type")]
    event_type: &'a str,
    time: &'a str,
    actor: &'a str,
    job: Box<RawValue>,
}

impl Step {
    fn of(fact: &Fact) -> Step {
        Step {
            position: fact.position.get(),
            event_type: fact.event.event_type().as_str(),
            time: fact.time.to_string(),
            actor: fact.actor.clone(),
        }
    }

    fn as_json(&self, job: &Job) -> String {
        let model = String::from_utf8(kinds::read_model(job)).expect("JSON is UTF-8");
        let line = StepLine {
            position: self.position,
            event_type: self.event_type,
            time: &self.time,
            actor: &self.actor,
            job: RawValue::from_string(model).expect("read models are JSON"),
        };
        serde_json::to_string(&line).expect("text, numbers and JSON")
    }

    /// The event and, below it, each field that it changed.
    fn as_text(&self, changed: &[Difference]) -> String {
        let mut text = event_as_text(self.position, &self.time, self.event_type, &self.actor);
        for Difference { pointer, from, to } in changed {
            text.push_str(&format!("\n    {}", change_as_text(pointer, from, to)));
        }
        text
    }
}

fn diff_as_text(JobDiff { job, from, to, changes }: &JobDiff) -> String {
    let mut text = format!("{job} from {} ({}) to {} ({})", from.position, from.time, to.position, to.time);
    if changes.is_empty() {
        text.push_str("\nnothing differs");
    }
    for FieldChange { pointer, item, from, to, by, more } in changes {
        let item = item.as_ref().map(|item| format!(" ({})", shown(item))).unwrap_or_default();
        text.push_str(&format!("\n{}{item}", change_as_text(pointer, from, to)));
        text.push_str(if *more { "\n    … and earlier ones" } else { "" });
        for by in by {
            text.push_str(&format!("\n    {}", event_as_text(by.position, &by.time, by.event_type, &by.actor)));
        }
    }
    text
}

fn event_as_text(position: u64, time: &str, event_type: &str, actor: &str) -> String {
    format!("#{position} {time} {event_type} by {}", shown(actor))
}

/// Leaves `from` out if it is null.
fn change_as_text(pointer: &str, from: &serde_json::Value, to: &serde_json::Value) -> String {
    let name = shown(pointer.trim_start_matches('/'));
    if from.is_null() { format!("{name}: {to}") } else { format!("{name}: {from} → {to}") }
}
