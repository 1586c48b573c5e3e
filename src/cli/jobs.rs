//! `jobledger jobs`: the list of jobs of a running server.

use std::borrow::Cow;

use clap::{Args, ValueEnum};
use serde_json::Value;

use super::client::{Remote, unexpected};
use super::filters::Filters;
use super::output::say;
use super::server::{Parameter, Server};
use super::table::{age, lines};
use super::{Failure, Outcome};
use crate::job::OrgId;

/// Most jobs that the command asks for in one request.
const PAGE: u64 = 1000;

/// List the jobs of a running server
///
/// Filters combine. The list searches the whole ledger and shows the first jobs that match.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  jobledger jobs --status running --quiet-for 15m
  jobledger jobs --label ticket:OPS-7 --first 1000 --json")]
pub(super) struct Jobs {
    #[command(flatten)]
    remote: Remote,

    #[command(flatten)]
    filters: Filters,

    /// Only jobs of this organisation, for auditors
    #[arg(long, env = "JOBLEDGER_ORG", value_name = "UUID")]
    org: Option<OrgId>,

    /// Which jobs come first, by their creation
    #[arg(long, value_name = "ORDER", default_value = "newest")]
    order: Order,

    /// Show at most so many jobs
    #[arg(long, value_name = "NUMBER", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    first: u64,

    /// Print one job as JSON on each line, as the API shows it
    #[arg(long, env = "JOBLEDGER_JSON")]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Order {
    Newest,
    Oldest,
}

impl Jobs {
    pub(super) fn run(self) -> Outcome {
        let server = Server::new(self.remote)?;
        let order = if matches!(self.order, Order::Newest) { "newest" } else { "oldest" };
        let org = self.org.map(|org| ("org", org.to_string()));
        let query = [self.filters.query(), vec![("order", order.to_owned())], org.into_iter().collect()].concat();
        let mut rows = Vec::new();
        let more = each_job(&server, &query, self.first, |job| {
            match self.json {
                true => say!("{job}"),
                false => rows.push(row(&job)),
            }
            Ok(())
        })?;
        if self.json {
            return Ok(());
        }
        if rows.is_empty() {
            say!("no job matches");
            return Ok(());
        }
        for line in lines(["JOB", "KIND", "STATE", "DONE", "AGE", "QUIET", "FOR", "NOW"], &rows) {
            say!("{line}");
        }
        if more {
            say!("… and more; --first NUMBER shows more");
        }
        Ok(())
    }
}

/// Gives `each` the jobs of a list, `most` at most. Returns whether there are more.
pub(super) fn each_job(
    server: &Server,
    query: &[Parameter],
    most: u64,
    mut each: impl FnMut(Value) -> Outcome,
) -> Result<bool, Failure> {
    let (mut left, mut after) = (most, None);
    loop {
        let mut query = query.to_vec();
        query.push(("first", left.min(PAGE).to_string()));
        query.extend(after.take().map(|after| ("after", after)));
        let mut page = server.json("/ledger/jobs", &query)?;
        let Value::Array(jobs) = page["jobs"].take() else { return Err(unexpected("expected a list of jobs")) };
        left = left.saturating_sub(jobs.len() as u64);
        let is_empty = jobs.is_empty();
        jobs.into_iter().try_for_each(&mut each)?;
        match page["next"].as_str() {
            Some(_) if left == 0 || is_empty => return Ok(true),
            Some(next) => after = Some(next.to_owned()),
            None => return Ok(false),
        }
    }
}

fn row(job: &Value) -> [String; 8] {
    let text = |name: &str| job[name].as_str().unwrap_or("-").to_owned();
    let quiet = if job["status"] == "running" { age(&text("last_event_at")) } else { "-".into() };
    let done = format!("{}%", job["progress"]);
    [
        text("id"),
        text("kind"),
        text("status"),
        done,
        age(&text("created_at")),
        quiet,
        text("created_by"),
        now(job).into(),
    ]
}

/// What a job does, or how it ended.
fn now(job: &Value) -> Cow<'_, str> {
    let cancelled = &job["cancelled"];
    if let Some(by) = cancelled["by"].as_str() {
        let reason = cancelled["reason"].as_str().map(|reason| format!(": {reason}")).unwrap_or_default();
        return format!("cancelled by {by}{reason}").into();
    }
    let running = job["status"] == "running";
    let step = job["current_step"].as_str().filter(|_| running);
    step.or(job["message"].as_str()).unwrap_or_default().into()
}
