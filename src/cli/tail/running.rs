//! A job of the board: what its events say of its progress.

use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use serde_json::Value;

use crate::cli::output::shown;
use crate::cli::table::span;

/// Cells of a bar.
const CELLS: u64 = 20;
/// Columns of a job's id. A longer id is cut.
const ID: usize = 24;

/// A running job.
pub(super) struct Running {
    id: String,
    /// Records to process, or actions of a rule job.
    total: Option<u64>,
    /// Records processed, or items with a result.
    done: u64,
    /// The percentage that a report states.
    percent: Option<u64>,
    step: String,
    since: Instant,
    /// It is never drawn: it estimates the rate and the time that is left.
    estimate: ProgressBar,
}

impl Running {
    /// A job, from its `job.created` event or from a row of a list.
    pub(super) fn new(id: &str) -> Running {
        let estimate = ProgressBar::hidden();
        let (id, step, since) = (shown(id).into_owned(), String::new(), Instant::now());
        Running { id, total: None, done: 0, percent: None, step, since, estimate }
    }

    /// Takes the members that a row of a list and the data of an event share.
    pub(super) fn report(&mut self, said: &Value) {
        let number = |name: &str| said[name].as_u64();
        let spec = &said["spec"];
        let declared =
            spec["total_records"].as_u64().or(spec["actions"].as_array().map(|actions| actions.len() as u64));
        let counted = number("records_processed").is_some() || number("total_records").is_some();
        self.total = number("total_records").or(declared).or(self.total);
        self.done = number("records_processed").unwrap_or(self.done);
        // The newest of a percentage and counts wins; an event with both means its percentage.
        self.percent = number("progress").or(self.percent.filter(|_| !counted));
        for name in ["message", "current_step"] {
            if let Some(text) = said[name].as_str() {
                self.step = shown(text).into_owned();
            }
        }
        self.estimated();
    }

    /// An item of the job has a result.
    pub(super) fn item(&mut self, said: &Value) {
        if said["status"] != "pending" {
            self.done += 1;
            self.estimated();
        }
    }

    /// Begins the estimate where the job stands now: what happened before has no rate.
    pub(super) fn begin(&mut self) {
        self.estimated();
        self.estimate.reset_eta();
        self.since = Instant::now();
    }

    fn estimated(&self) {
        let (done, total) = match (self.percent, self.total) {
            (Some(percent), _) => (percent, Some(100)),
            (None, total) => (self.done, total),
        };
        self.estimate.set_length(total.unwrap_or(0));
        self.estimate.set_position(done);
    }

    /// The line of the job: id, bar, percentage, rate, time left, step.
    pub(super) fn line(&self) -> String {
        let id: String = match self.id.chars().count() > ID {
            true => self.id.chars().take(ID - 1).chain(['…']).collect(),
            false => self.id.clone(),
        };
        let percent =
            self.percent.or_else(|| (100 * self.done).checked_div(self.total?)).map(|percent| percent.min(100));
        let filled = percent.unwrap_or(0) * CELLS / 100;
        let bar: String = (0..CELLS).map(|cell| if cell < filled { '█' } else { '░' }).collect();
        let percent = percent.map_or("   -".into(), |percent| format!("{percent:>3}%"));
        let rate = match self.estimate.per_sec() {
            // A percentage has no rate that a reader could use.
            _ if self.percent.is_some() => "-".into(),
            rate if rate > 0.05 => format!("{rate:.1}/s"),
            _ => "-".into(),
        };
        let left = match self.estimate.eta() {
            left if self.total.or(self.percent).is_some() && left > Duration::ZERO => {
                format!("{} left", span(left.as_secs()))
            }
            _ => format!("for {}", span(self.since.elapsed().as_secs())),
        };
        format!("{id:<ID$} {bar} {percent} {rate:>9} {left:>10}  {}", self.step).trim_end().to_owned()
    }
}
