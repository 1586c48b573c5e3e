//! The board of running jobs on a terminal. It follows the events, and draws at most four times a second.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use console::{Term, truncate_str};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;

use super::as_line;
use super::running::Running;
use crate::cli::client::Remote;
use crate::cli::follow::{Follow, Message};
use crate::cli::jobs::each_job;
use crate::cli::output::shown;
use crate::cli::server::{Parameter, Server, job_path};
use crate::cli::{Failure, Outcome};
use crate::job::JobId;

/// Most jobs that the board knows at once. Jobs beyond them are not counted.
const MOST: u64 = 10_000;
/// The pause between two drawings.
const TICK: Duration = Duration::from_millis(250);
/// Lines of ended jobs that are drawn again after the size of the terminal has changed.
const KEPT: usize = 200;

/// The organisation and id of a job.
type Key = (String, String);

/// A job that was created and has not ended.
struct Known {
    runs: bool,
    job: Running,
}

fn key(row: &Value, org: &str, id: &str) -> Key {
    let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
    (text(org), text(id))
}

/// The board.
pub(super) struct Board {
    terminal: Term,
    drawn: MultiProgress,
    slots: Vec<ProgressBar>,
    /// Rows and columns at the last drawing.
    size: (u16, u16),
    events: Follow,
    jobs: BTreeMap<Key, Known>,
    /// The running ones, in the order in which they started.
    running: VecDeque<Key>,
    ended: VecDeque<String>,
}

impl Board {
    /// The board with the jobs that run now. With `after` it begins empty, and shows what happened after that position.
    pub(super) fn open(
        remote: &Remote,
        job: Option<&JobId>,
        filters: Vec<Parameter>,
        mut query: Vec<Parameter>,
        after: Option<u64>,
    ) -> Result<Board, Failure> {
        // A drawing goes out whole.
        let terminal = Term::buffered_stdout();
        let drawn = MultiProgress::with_draw_target(ProgressDrawTarget::term(terminal.clone(), 20));
        let mut rows = Vec::new();
        if after.is_none() {
            let server = Server::new(remote.clone())?;
            // Each event that the rows do not show comes after this position.
            query.push(("after", server.head()?.to_string()));
            match job {
                Some(job) => rows.extend(server.found(&job_path(job), &filters)?),
                None => {
                    let running = [&filters[..], &[("status", "running".into()), ("order", "oldest".into())]].concat();
                    each_job(&server, &running, MOST, |row| {
                        rows.push(row);
                        Ok(())
                    })?;
                }
            }
        }
        let over = drawn.clone();
        let events = Follow::new(remote, query, move |text| drop(over.println(shown(&text.to_string()))))?;
        let (slots, jobs, running, ended) = (Vec::new(), BTreeMap::new(), VecDeque::new(), VecDeque::new());
        let mut board = Board { size: terminal.size(), terminal, drawn, slots, events, jobs, running, ended };
        rows.iter().for_each(|row| board.know(row));
        Ok(board)
    }

    pub(super) fn run(mut self) -> Outcome {
        let mut next = Instant::now();
        loop {
            if next <= Instant::now() {
                self.draw()?;
                next = Instant::now() + TICK;
            }
            match self.events.next(Some(next))? {
                Some(Message::Event(data)) => self.take(&serde_json::from_str(&data)?),
                Some(Message::Closed) => return Ok(self.drawn.clear()?),
                // The log was restored from an older copy: what the board knows may never have happened.
                Some(Message::Reset) => {
                    self.jobs.clear();
                    self.running.clear();
                }
                None => {}
            }
        }
    }

    /// The job of this key; `None` if it is new and the board is full.
    fn job(&mut self, key: &Key) -> Option<&mut Known> {
        if self.jobs.len() as u64 >= MOST && !self.jobs.contains_key(key) {
            return None;
        }
        Some(self.jobs.entry(key.clone()).or_insert_with(|| Known { runs: false, job: Running::new(&key.1) }))
    }

    /// Takes a row of the list, or a whole job.
    fn know(&mut self, row: &Value) {
        let key = key(row, "org_id", "id");
        let status = row["status"].as_str().unwrap_or_default();
        match status {
            "pending" | "running" => {
                if let Some(known) = self.job(&key) {
                    known.job.report(row);
                }
                if status == "running" {
                    self.begin(key);
                }
            }
            ended => self.end(format!("{} {ended}", key.1)),
        }
    }

    /// A job runs.
    fn begin(&mut self, key: Key) {
        let Some(known) = self.job(&key) else { return };
        if !std::mem::replace(&mut known.runs, true) {
            known.job.begin();
            self.running.push_back(key);
        }
    }

    /// A job has ended.
    fn end(&mut self, line: String) {
        // The board goes on if the terminal takes nothing just now.
        let _ = self.drawn.println(shown(&line));
        self.ended.push_back(line);
        if self.ended.len() > KEPT {
            self.ended.pop_front();
        }
    }

    fn take(&mut self, event: &Value) {
        let (key, data) = (key(event, "orgid", "subject"), &event["data"]);
        let kind = event["type"].as_str().unwrap_or_default();
        match kind {
            "job.created" | "job.started" | "job.progress" | "job.item_result" => {
                let Some(known) = self.job(&key) else { return };
                if kind == "job.item_result" {
                    known.job.item(data)
                } else {
                    known.job.report(data)
                }
                if kind != "job.created" {
                    self.begin(key);
                }
            }
            "job.completed" | "job.failed" | "job.cancelled" => {
                self.jobs.remove(&key);
                self.running.retain(|running| *running != key);
                self.end(as_line(event));
            }
            _ => {}
        }
    }

    /// Draws a line for each running job, as many as fit, and how many more there are.
    fn draw(&mut self) -> Outcome {
        let size = self.terminal.size();
        if size != self.size {
            self.size = size;
            self.begin_again()?;
        }
        let (rows, columns) = (usize::from(size.0), usize::from(size.1));
        let most = rows.saturating_sub(2).max(1);
        let shown = self.running.iter().filter_map(|key| self.jobs.get(key));
        let mut lines: Vec<String> = shown.take(most).map(|known| known.job.line()).collect();
        if let Some(more) = self.running.len().checked_sub(most).filter(|more| *more > 0) {
            lines.push(format!("+{more} more"));
        }
        while self.slots.len() > lines.len() {
            self.slots.pop().into_iter().for_each(|slot| self.drawn.remove(&slot));
        }
        if lines.is_empty() {
            // No bar is left that would draw over the last one.
            self.drawn.clear()?;
        }
        while self.slots.len() < lines.len() {
            let style = ProgressStyle::with_template("{msg}").expect("a fixed template");
            self.slots.push(self.drawn.add(ProgressBar::no_length().with_style(style)));
        }
        for (slot, line) in self.slots.iter().zip(lines) {
            let line = truncate_str(&line, columns.saturating_sub(1), "…");
            // Each change draws the whole board.
            if slot.message() != line {
                slot.set_message(line.into_owned());
            }
        }
        Ok(())
    }

    /// Clears the screen and draws again what belongs on it. Some terminals break the lines of a window that got narrower anew and
    /// others cut them, so the place of the old lines is not known.
    fn begin_again(&mut self) -> Outcome {
        for slot in self.slots.drain(..) {
            self.drawn.remove(&slot);
        }
        self.drawn.clear()?;
        self.terminal.clear_screen()?;
        self.terminal.flush()?;
        let fit = usize::from(self.size.0).saturating_sub(self.running.len() + 2).min(self.ended.len());
        for line in self.ended.range(self.ended.len() - fit..) {
            self.drawn.println(shown(line))?;
        }
        Ok(())
    }
}
