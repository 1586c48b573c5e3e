//! `jobledger show`: one job of a running server, now or as it stood.

use std::collections::BTreeMap;

use clap::Args;
use serde_json::Value;

use super::Outcome;
use super::client::Remote;
use super::output::{say, shown};
use super::server::{Server, job_path};
use crate::job::{JobId, OrgId, plural};
use crate::ledger::AsOf;
use crate::model::SHOWN_OUTPUT;

/// Most items that the command names: those that did not succeed come first.
const MOST_ITEMS: usize = 50;
/// Most characters of a spec.
const MOST_OF_SPEC: usize = 500;

/// Show one job of a running server, now or as it stood at an earlier moment
///
/// Of a job with many items the command shows 50, those that failed first. --json has everything.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  jobledger show sync-9
  jobledger show sync-9 --as-of 2026-01-31T14:03:00Z --json")]
pub(super) struct Show {
    /// The job
    #[arg(value_name = "JOB")]
    job: JobId,

    #[command(flatten)]
    remote: Remote,

    /// The job's organisation, for auditors
    #[arg(long, env = "JOBLEDGER_ORG", value_name = "UUID")]
    org: Option<OrgId>,

    /// The job at this moment: a position, or an RFC 3339 time of recording
    #[arg(long, value_name = "POSITION|TIME")]
    as_of: Option<AsOf>,

    /// Print the job as JSON, as the API shows it
    #[arg(long, env = "JOBLEDGER_JSON")]
    json: bool,
}

impl Show {
    pub(super) fn run(self) -> Outcome {
        let server = Server::new(self.remote)?;
        let as_of = self.as_of.map(|moment| match moment {
            AsOf::Position(position) => position.to_string(),
            AsOf::Time(time) => time.with_micros(),
        });
        let org = self.org.map(|org| ("org", org.to_string()));
        let query: Vec<_> = org.into_iter().chain(as_of.map(|moment| ("as_of", moment))).collect();
        if self.json {
            say!("{}", server.json_text(&job_path(&self.job), &query)?.trim_end());
            return Ok(());
        }
        let job = server.json(&job_path(&self.job), &query)?;
        for line in as_lines(&job) {
            say!("{line}");
        }
        Ok(())
    }
}

/// The job as lines. No text of an event ends a line.
fn as_lines(job: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().map(|text| shown(text).into_owned());
    let mut lines =
        vec![[&job["id"], &job["kind"], &job["status"]].map(|value| text(value).unwrap_or_default()).join("  ")];
    let mut add = |name: &str, value: Option<String>| {
        lines.extend(value.map(|value| format!("  {name:<11}{value}")));
    };
    let by = |what: &Value, text_of: &str| {
        let said = text(&what[text_of]).map(|said| format!(": {said}")).unwrap_or_default();
        Some(format!("{} by {}{said}", text(&what["at"])?, text(&what["by"])?))
    };
    let created = text(&job["created_at"]).zip(text(&job["created_by"]));
    add("created", created.map(|(at, by)| format!("{at} for {by}")));
    add("started", text(&job["started_at"]));
    add("ended", text(&job["ended_at"]));
    add("cancelled", by(&job["cancelled"], "reason"));
    add("progress", Some(progress(job)));
    add("step", text(&job["current_step"]));
    add("message", text(&job["message"]));
    add("labels", labels(&job["labels"]));
    add("spec", Some(spec(&job["spec"])));
    let items = job["items"].as_array().map_or(&[][..], Vec::as_slice);
    add("items", counted(items));
    add("hook", hook(&job["hook"]));
    add("position", Some(job["position"].to_string()));
    lines.extend(items_as_lines(items));
    for (name, said) in [("notes", "text"), ("redactions", "reason")] {
        for part in job[name].as_array().into_iter().flatten() {
            lines.extend(by(part, said).map(|line| format!("  {name}: {line}")));
        }
    }
    lines
}

fn progress(job: &Value) -> String {
    let number = |name: &str| job[name].as_u64();
    let records = match (number("records_processed"), number("total_records")) {
        (Some(processed), Some(total)) => format!(", {processed} of {total} records"),
        (Some(processed), None) => format!(", {}", plural(processed, "record", "records")),
        (None, Some(total)) => format!(", {} to process", plural(total, "record", "records")),
        (None, None) => String::new(),
    };
    let changed = ["created", "updated", "deleted"]
        .map(|what| number(&format!("records_{what}")).map(|count| format!(", {count} {what}")).unwrap_or_default());
    format!("{}%{records}{}", job["progress"], changed.concat())
}

fn labels(labels: &Value) -> Option<String> {
    let labels = labels.as_object().filter(|labels| !labels.is_empty())?;
    let pairs = labels.iter().map(|(name, value)| format!("{name}:{}", value.as_str().unwrap_or_default()));
    Some(shown(&pairs.collect::<Vec<_>>().join(" ")).into_owned())
}

fn spec(spec: &Value) -> String {
    let text = shown(&spec.to_string()).into_owned();
    match text.char_indices().nth(MOST_OF_SPEC) {
        Some((end, _)) => format!("{}… (--json has all of it)", &text[..end]),
        None => text,
    }
}

/// `3, of which 2 succeeded, 1 failed`.
fn counted(items: &[Value]) -> Option<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    items.iter().for_each(|item| *counts.entry(item["status"].as_str().unwrap_or("-")).or_default() += 1);
    let each: Vec<String> = counts.iter().map(|(status, count)| format!("{count} {status}")).collect();
    (!items.is_empty()).then(|| shown(&format!("{}: {}", items.len(), each.join(", "))).into_owned())
}

fn hook(hook: &Value) -> Option<String> {
    let output = hook["output"].as_str()?;
    let ended = match (hook["exit_code"].as_i64(), hook["execution_time_sec"].as_u64()) {
        (Some(code), seconds) => format!("exit code {code} after {} s", seconds.unwrap_or(0)),
        (None, _) => "runs".into(),
    };
    // The answer has the beginning of a longer output, cut on a character.
    let more = if output.len() + char::MAX.len_utf8() > SHOWN_OUTPUT { "more than " } else { "" };
    Some(format!("{ended}, {more}{} lines of output", output.lines().count()))
}

/// The items, those that failed first.
fn items_as_lines(items: &[Value]) -> Vec<String> {
    let rank = |item: &Value| match item["status"].as_str() {
        Some("failed") => 0,
        Some("pending") => 1,
        _ => 2,
    };
    let mut ranked: Vec<&Value> = items.iter().collect();
    ranked.sort_by_key(|item| rank(item));
    let line = |item: &&Value| {
        let text = |name: &str| item[name].as_str().unwrap_or_default();
        let line = format!("{}  {}  {}", text("item"), text("status"), text("message"));
        format!("    {}", shown(line.trim_end()))
    };
    let mut lines: Vec<String> = ranked.iter().take(MOST_ITEMS).map(line).collect();
    if let Some(left) = items.len().checked_sub(MOST_ITEMS).filter(|left| *left > 0) {
        lines.push(format!("    … and {left} more (--json has all)"));
    }
    lines
}
