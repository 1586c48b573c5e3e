//! `jobledger wait`: ends when jobs have ended, with an exit code that says how.

use std::str::FromStr;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::{Value, json};

use super::client::{Remote, unexpected};
use super::duration::some_time;
use super::exit::Exit;
use super::follow::{Follow, Message};
use super::output::{on_stderr, say};
use super::server::{Server, job_path};
use super::{Failure, Outcome};
use crate::job::{EventType, JobId, OrgId, Status, plural};

/// Most jobs that one command waits for.
const MOST: usize = 1000;
/// The events that change a job's state.
const TYPES: [EventType; 4] = [EventType::Started, EventType::Completed, EventType::Failed, EventType::Cancelled];

/// Wait until jobs of a running server have ended, or have reached a state
///
/// Reads what has happened before it follows what happens, so a fast job is not missed, and goes on after a restart of the
/// server. Prints a line a job.
///
/// Exit codes: 0 every job completed (with --for state=STATE: reached it), 3 a job failed, 4 a job was cancelled, 5 the time of
/// --timeout was over. Of several jobs the first that applies in the order 5, 3, 4. 1: there is no such job, or a job that
/// completed never reaches the state. 2: could not run.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  jobledger wait sync-9 sync-10 --timeout 10m
  jobledger wait sync-9 --for state=running --timeout 30s")]
pub(super) struct Wait {
    /// The jobs, at most 1000
    #[arg(value_name = "JOB", required = true)]
    jobs: Vec<JobId>,

    #[command(flatten)]
    remote: Remote,

    /// What to wait for. ended: each job has ended. completed: the same, but stop at the first job that failed or was
    /// cancelled. state=STATE: each job is or was pending, running, completed, failed or cancelled
    #[arg(long = "for", value_name = "ended|completed|state=STATE", default_value = "ended")]
    goal: Goal,

    /// Wait at most so long, such as 30s, 10m or 1h; without --timeout as long as the jobs need
    #[arg(long, value_name = "DURATION", value_parser = some_time)]
    timeout: Option<Duration>,

    /// The jobs' organisation, for auditors
    #[arg(long, env = "JOBLEDGER_ORG", value_name = "UUID")]
    org: Option<OrgId>,

    /// Print one JSON object a job
    #[arg(long, env = "JOBLEDGER_JSON")]
    json: bool,
}

/// What a command waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Goal {
    Ended,
    Completed,
    State(Status),
}

/// A text that is no goal.
#[derive(Debug, thiserror::Error)]
#[error("expected `ended`, `completed` or `state=` and pending, running, completed, failed or cancelled")]
struct NoGoal;

impl FromStr for Goal {
    type Err = NoGoal;

    fn from_str(text: &str) -> Result<Goal, NoGoal> {
        match (text, text.strip_prefix("state=")) {
            ("ended", _) => Ok(Goal::Ended),
            ("completed", _) => Ok(Goal::Completed),
            (_, Some(state)) => state.parse().map(Goal::State).map_err(|_| NoGoal),
            _ => Err(NoGoal),
        }
    }
}

impl Goal {
    /// The exit code for a job in `state`, which was started or not; `None` while the goal is open.
    fn judge(self, state: Status, was_started: bool) -> Option<Exit> {
        let missed = match state {
            Status::Pending | Status::Running => None,
            Status::Completed => Some(Exit::Refused),
            Status::Failed => Some(Exit::JobFailed),
            Status::Cancelled => Some(Exit::JobCancelled),
        };
        match self {
            Goal::Ended | Goal::Completed if state == Status::Completed => Some(Exit::Done),
            Goal::Ended | Goal::Completed => missed,
            Goal::State(Status::Pending) => Some(Exit::Done),
            Goal::State(Status::Running) if was_started => Some(Exit::Done),
            Goal::State(goal) if goal == state => Some(Exit::Done),
            Goal::State(_) => missed,
        }
    }
}

/// A command with the exit codes and positions that its jobs have reported so far.
struct Waiting<'w> {
    command: &'w Wait,
    /// The exit code of each job, once it is known.
    known: Vec<Option<Exit>>,
    until: Option<Instant>,
}

impl Wait {
    pub(super) fn run(self) -> Outcome {
        if self.jobs.len() > MOST {
            let found = self.jobs.len();
            return Err(Failure::CouldNotRun(format!("expected at most {MOST} jobs, found {found}")));
        }
        // A timeout beyond the clock's range is none.
        let until = self.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let server = Server::new(self.remote.clone())?;
        let mut waiting = Waiting { command: &self, known: vec![None; self.jobs.len()], until };
        while !waiting.is_over() {
            let Some((position, org)) = waiting.read(&server)? else { break };
            if waiting.is_over() || waiting.follow(position, org)? {
                break;
            }
        }
        waiting.verdict()
    }
}

impl Waiting<'_> {
    /// Whether no event can change the verdict.
    fn is_over(&self) -> bool {
        let stops = |known: &Exit| self.command.goal == Goal::Completed && *known != Exit::Done;
        self.known.iter().flatten().any(stops) || self.known.iter().all(Option::is_some)
    }

    /// Reads the jobs that are still waited for. Returns the position after which to follow, and the organisation; `None` if the
    /// time is over.
    fn read(&mut self, server: &Server) -> Result<Option<(u64, String)>, Failure> {
        let (mut from, mut org) = (u64::MAX, String::new());
        let query: Vec<_> = self.command.org.map(|org| ("org", org.to_string())).into_iter().collect();
        for (at, job) in self.command.jobs.iter().enumerate() {
            if self.known[at].is_some() {
                continue;
            }
            let found = server.patient_json(&job_path(job), &query, self.until);
            let Some(found) = found.map_err(|failure| failure.within(job.as_str()))? else { return Ok(None) };
            let state = found["status"].as_str().and_then(|state| state.parse().ok());
            let (Some(state), Some(position)) = (state, found["position"].as_u64()) else {
                return Err(unexpected("expected a job with a status and a position"));
            };
            // Each later event of the job is after this position.
            from = from.min(position);
            org = found["org_id"].as_str().unwrap_or_default().to_owned();
            self.learn(at, state, !found["started_at"].is_null(), position);
        }
        Ok(Some((from, org)))
    }

    /// Follows the jobs. Returns false if the tail has ended, so that the jobs must be read again.
    fn follow(&mut self, position: u64, org: String) -> Result<bool, Failure> {
        let mut query = vec![("after", position.to_string()), ("org", org)];
        query.extend(TYPES.map(|event_type| ("type", event_type.to_string())));
        if let [job] = &self.command.jobs[..] {
            query.push(("job", job.to_string()));
        }
        let mut events = Follow::new(&self.command.remote, query, on_stderr)?.by(self.until);
        while !self.is_over() {
            match events.next(self.until)? {
                None => return Ok(true),
                Some(Message::Closed | Message::Reset) => return Ok(self.is_over()),
                Some(Message::Event(data)) => self.take(&serde_json::from_str(&data)?),
            }
        }
        Ok(true)
    }

    fn take(&mut self, event: &Value) {
        let state = match event["type"].as_str().and_then(EventType::named) {
            Some(EventType::Started) => Status::Running,
            Some(EventType::Completed) => Status::Completed,
            Some(EventType::Failed) => Status::Failed,
            Some(EventType::Cancelled) => Status::Cancelled,
            _ => return,
        };
        let position = event["position"].as_str().and_then(|position| position.parse().ok()).unwrap_or(0);
        for at in 0..self.known.len() {
            let is_it = event["subject"] == self.command.jobs[at].as_str();
            if is_it && self.known[at].is_none() {
                // A tail shows the start of a job before its end, so only the start itself says that it was started.
                self.learn(at, state, state == Status::Running, position);
            }
        }
    }

    fn learn(&mut self, at: usize, state: Status, was_started: bool, position: u64) {
        let Some(exit) = self.command.goal.judge(state, was_started) else { return };
        self.known[at] = Some(exit);
        let job = &self.command.jobs[at];
        match self.command.json {
            true => say!("{}", json!({ "job": job.as_str(), "status": state.as_str(), "position": position })),
            false => say!("{job} {state}"),
        }
    }

    fn verdict(&self) -> Outcome {
        let is = |exit: Exit| self.known.iter().filter(|known| **known == Some(exit)).count() as u64;
        let verdict = |exit, text: String| Err(Failure::Verdict(exit, text));
        if !self.is_over() {
            let open = self.known.iter().filter(|known| known.is_none()).count();
            let all = plural(self.known.len() as u64, "job", "jobs");
            return verdict(Exit::TimedOut, format!("the time is over, and {open} of {all} not there yet"));
        }
        let jobs = |count| plural(count, "job", "jobs");
        match (is(Exit::JobFailed), is(Exit::JobCancelled), is(Exit::Refused)) {
            (0, 0, 0) => Ok(()),
            (0, 0, other) => Err(Failure::Refused(format!("{} completed before", jobs(other)))),
            (0, cancelled, _) => verdict(Exit::JobCancelled, format!("{} cancelled", jobs(cancelled))),
            (failed, _, _) => verdict(Exit::JobFailed, format!("{} failed", jobs(failed))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_goal_has_its_ends() {
        use Status::{Cancelled, Completed, Failed, Pending, Running};
        let ends = |goal: &str| {
            let goal: Goal = goal.parse().unwrap();
            [(Pending, false), (Running, true), (Completed, true), (Failed, true), (Failed, false), (Cancelled, true)]
                .map(|(state, started)| goal.judge(state, started).map(Exit::code))
        };
        assert_eq!(ends("ended"), [None, None, Some(0), Some(3), Some(3), Some(4)]);
        assert_eq!(ends("completed"), ends("ended"));
        assert_eq!(ends("state=pending"), [Some(0); 6]);
        assert_eq!(ends("state=running"), [None, Some(0), Some(0), Some(0), Some(3), Some(0)]);
        assert_eq!(ends("state=completed"), ends("ended"));
        assert_eq!(ends("state=failed"), [None, None, Some(1), Some(0), Some(0), Some(4)]);
        assert_eq!(ends("state=cancelled"), [None, None, Some(1), Some(3), Some(3), Some(0)]);
        for text in ["", "running", "state=", "state=lost"] {
            assert!(text.parse::<Goal>().is_err(), "{text}");
        }
    }
}
