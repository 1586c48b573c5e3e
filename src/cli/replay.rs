//! `jobledger replay`: a job's life, event by event, with what each changed.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{Failure, Outcome};
use crate::http::JobModel;
use crate::job::{Fact, Job, JobId, JobKey, OrgId, Position, Time};
use crate::kinds;
use crate::ledger::{AsOf, Folder};
use crate::log::{Reader, Row};
use crate::wire::{self, ExportLine, Leaf};

/// Events read at a time.
const STEP: u64 = 1000;

/// Replay one job, from a data folder (beside a running server too) or straight from an export
#[derive(Debug, Args)]
pub(super) struct Replay {
    /// The job
    #[arg(value_name = "JOB")]
    job: JobId,

    /// The data folder
    #[arg(long, env = "JOBLEDGER_DATA", value_name = "DIR")]
    data: Option<PathBuf>,

    /// An export instead of a data folder
    #[arg(long, value_name = "EXPORT")]
    file: Option<PathBuf>,

    /// The job's organisation
    #[arg(long, env = "JOBLEDGER_ORG", default_value_t = OrgId::default(), value_name = "UUID")]
    org: OrgId,

    /// Only how the job stood then: a position, or an RFC 3339 time of recording
    #[arg(long, value_name = "POSITION|TIME", value_parser = as_of)]
    as_of: Option<AsOf>,

    /// The read model of the job's documented API at each step, one JSON object a line
    #[arg(long, env = "JOBLEDGER_JSON")]
    json: bool,
}

/// One step: the event, when it was recorded, and the job after it.
struct Step {
    event_type: &'static str,
    actor: String,
    time: Time,
    job: Job,
}

impl Replay {
    pub(super) fn run(self) -> Outcome {
        let key = JobKey { org: self.org, id: self.job.clone() };
        let mut out = std::io::stdout().lock();
        let mut before = Value::Null;
        let mut last = None;
        self.steps(&key, |step| {
            if self.as_of.is_none() {
                let text = if self.json { as_json(&step) } else { as_text(&step, &mut before) };
                writeln!(out, "{text}")?;
            }
            last = Some(step);
            Ok(())
        })?;
        let Some(last) = last else {
            let then = if self.as_of.is_some() { " at that moment" } else { "" };
            return Err(Failure::Refused(format!("no job `{}` in this organisation{then}", self.job)));
        };
        if self.as_of.is_some() {
            let text = if self.json { as_json(&last) } else { format!("{:#}", model(&last.job)) };
            writeln!(out, "{text}")?;
        }
        Ok(())
    }

    fn steps(&self, key: &JobKey, mut each: impl FnMut(Step) -> Outcome) -> Outcome {
        let mut job: Option<Job> = None;
        let mut fold = |fact: Fact| {
            let (event_type, actor, time) = (fact.event.type_name(), fact.actor.clone(), fact.time);
            let next = Job::evolve(job.take(), fact)?;
            job = Some(next.clone());
            each(Step { event_type, actor, time, job: next })
        };
        match (&self.file, &self.data) {
            (Some(file), _) => self.read_export(file, key, &mut fold),
            (None, Some(data)) => self.read_log(&Folder::new(data), key, &mut fold),
            (None, None) => Err(Failure::CouldNotRun("expected --data or --file".into())),
        }
    }

    fn read_log(&self, folder: &Folder, key: &JobKey, fold: &mut impl FnMut(Fact) -> Outcome) -> Outcome {
        let conn = Reader::open(&folder.log())?;
        let log = Reader::new(&conn);
        let head = log.head()?;
        let upto = match self.as_of {
            None => head,
            Some(AsOf::Time(time)) => log.at_time(time)?,
            Some(AsOf::Position(position)) if position > head => {
                return Err(Failure::Refused(format!("--as-of: expected a position up to {head}, found {position}")));
            }
            Some(AsOf::Position(position)) => position,
        };
        let Some(stream) = log.stream(key.org, &key.id)? else { return Ok(()) };
        let mut after = Position::GENESIS;
        loop {
            let mut facts = Vec::new();
            log.scan_job(stream, after, upto, STEP, |row: Row<'_>| {
                facts.extend(wire::fact(row.position, row.leaf, row.data)?);
                Ok::<(), Failure>(())
            })?;
            let Some(last) = facts.last() else { return Ok(()) };
            after = last.position;
            facts.into_iter().try_for_each(&mut *fold)?;
        }
    }

    fn read_export(&self, file: &Path, key: &JobKey, fold: &mut impl FnMut(Fact) -> Outcome) -> Outcome {
        let cannot_read =
            |error: std::io::Error| Failure::CouldNotRun(format!("cannot read `{}`: {error}", file.display()));
        let reader = BufReader::new(std::fs::File::open(file).map_err(cannot_read)?);
        for (number, line) in reader.lines().enumerate() {
            let wrong = |why: String| Failure::Refused(format!("`{}`, line {}: {why}", file.display(), number + 1));
            let line = ExportLine::parse(&line.map_err(cannot_read)?).map_err(|error| wrong(error.to_string()))?;
            let leaf = Leaf::parse(&line.leaf).map_err(|error| wrong(error.to_string()))?;
            let position = leaf.position().map_err(|error| wrong(error.to_string()))?;
            let past = match self.as_of {
                None => false,
                Some(AsOf::Position(upto)) => position > upto,
                Some(AsOf::Time(time)) => leaf.recorded().map_err(|error| wrong(error.to_string()))? > time,
            };
            if past {
                return Ok(());
            }
            // An export may hold many jobs; only this one's events are read further.
            if leaf.subject.as_deref() != Some(key.id.as_str()) || leaf.org().ok().flatten() != Some(key.org) {
                continue;
            }
            let data = line.content.as_ref().map(|(_, data)| data.as_slice());
            let fact = wire::fact(position, &line.leaf, data).map_err(|error| wrong(crate::log::chain(&error)))?;
            fact.map_or(Ok(()), &mut *fold)?;
        }
        Ok(())
    }
}

fn as_of(text: &str) -> Result<AsOf, String> {
    if text.bytes().all(|b| b.is_ascii_digit()) {
        text.parse().map(AsOf::Position).map_err(|error| format!("{error}"))
    } else {
        text.parse().map(AsOf::Time).map_err(|error| format!("{error}"))
    }
}

/// A step as a line; the read model is kept as its API writes it.
#[derive(Serialize)]
struct StepLine<'a> {
    position: u64,
    #[serde(rename = "type")]
    event_type: &'a str,
    time: String,
    actor: &'a str,
    job: Box<RawValue>,
}

fn as_json(step: &Step) -> String {
    let model = String::from_utf8(kinds::read_model(&step.job)).expect("JSON is UTF-8");
    let line = StepLine {
        position: step.job.position.get(),
        event_type: step.event_type,
        time: step.time.to_string(),
        actor: &step.actor,
        job: RawValue::from_string(model).expect("read models are JSON"),
    };
    serde_json::to_string(&line).expect("text, numbers and JSON")
}

/// The event and, below it, each field that it changed.
fn as_text(step: &Step, before: &mut Value) -> String {
    let after = model(&step.job);
    let mut text = format!("#{} {} {} by {}", step.job.position, step.time, step.event_type, step.actor);
    changes("", before, &after, &mut text);
    *before = after;
    text
}

fn model(job: &Job) -> Value {
    // The first 4096 bytes of hook output: enough to see it change.
    let output = job.hook.as_ref().map(|hook| hook.head.clone()).unwrap_or_default();
    serde_json::to_value(JobModel::new(job, output)).expect("the model is JSON")
}

/// Appends a line for each field that differs; lists are compared place by place.
fn changes(path: &str, before: &Value, after: &Value, text: &mut String) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match (before, after) {
        _ if before == after || path == "position" => {}
        (Value::Object(old), Value::Object(new)) => {
            for (name, value) in new {
                changes(&below(name), old.get(name).unwrap_or(&Value::Null), value, text);
            }
        }
        (Value::Array(old), Value::Array(new)) if !path.is_empty() => {
            for (n, value) in new.iter().enumerate() {
                changes(&below(&n.to_string()), old.get(n).unwrap_or(&Value::Null), value, text);
            }
        }
        (Value::Null, Value::Object(new)) if path.is_empty() => {
            // A new job: what it has, not what it lacks.
            let empty = |value: &Value| matches!(value, Value::Null) || *value == json!([]) || *value == json!({});
            for (name, value) in new.iter().filter(|(name, value)| *name != "position" && !empty(value)) {
                text.push_str(&format!("\n    {name}: {value}"));
            }
        }
        (Value::Null, after) => text.push_str(&format!("\n    {path}: {after}")),
        (before, after) => text.push_str(&format!("\n    {path}: {before} → {after}")),
    }
}
