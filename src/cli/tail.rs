//! `jobledger tail`: prints events as they happen. Connects again after a broken connection and misses no event.

use std::io::{BufRead, BufReader};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use clap::Args;
use serde_json::Value;

use super::client::{Remote, expect_type, failed, is_hopeless, refused};
use super::output::{self, remark, shown};
use super::{Failure, Outcome};
use crate::job::{JobId, Kind, OrgId};
use crate::wire::Lines;

/// Longest pause between two tries to connect.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How long the command waits for a line before it connects again: three of the server's heartbeats.
const SILENCE: Duration = Duration::from_secs(45);

/// Follow the log of a running server; after a broken connection, connect again and miss no event
///
/// Starts at the head, or after the position --after (0 prints the whole log first). With --job the command ends when the job
/// ends.
#[derive(Debug, Args)]
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

    /// Print one CloudEvent as JSON on each line
    #[arg(long, env = "JOBLEDGER_JSON")]
    json: bool,
}

/// How a connection ended.
enum Ended {
    /// The job has ended, or stdout is closed.
    Closed,
    /// The cursor was beyond the head of the log. Carries the head.
    Reset(u64),
    /// The connection broke; the command continues after the cursor.
    Dropped,
}

impl Tail {
    pub(super) fn run(self) -> Outcome {
        let agent = self.remote.agent(Duration::from_secs(30))?;
        let mut cursor: Option<u64> = None;
        let mut pause = Duration::from_millis(500);
        loop {
            let mut request = agent
                .get(self.remote.at("/ledger/events"))
                .query_pairs(self.query())
                .header("accept", "text/event-stream");
            request = request.header("authorization", self.remote.bearer());
            if let Some(cursor) = cursor {
                request = request.header("last-event-id", cursor.to_string());
            }
            match request.call() {
                Ok(answer) if answer.status() == 204 => return Ok(()),
                Ok(answer) if answer.status() == 200 => {
                    expect_type(&answer, "text/event-stream")?;
                    pause = Duration::from_millis(500);
                    let lines = BufReader::new(answer.into_body().into_reader());
                    match self.follow(lines, &mut cursor)? {
                        Ended::Closed => return Ok(()),
                        Ended::Reset(head) => {
                            let why = match cursor {
                                None => {
                                    "before --after: this position is not recorded yet, or the ledger was restored from an older copy"
                                }
                                Some(_) => "before the last event shown: the ledger was restored from an older copy",
                            };
                            remark!("jobledger: the ledger is at position {head}, {why}; continuing there");
                            cursor = Some(head);
                        }
                        Ended::Dropped => remark!("jobledger: the connection dropped; trying again"),
                    }
                }
                Ok(mut answer) if answer.status().is_client_error() => return Err(refused(&mut answer)),
                Ok(answer) => remark!("jobledger: the server answers {}; trying again", answer.status()),
                Err(error) if is_hopeless(&error) => return Err(failed(error)),
                Err(error) => remark!("jobledger: {error}; trying again"),
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn query(&self) -> impl Iterator<Item = (&'static str, String)> {
        let job = self.job.iter().map(|job| ("job", job.to_string()));
        let kind = self.kind.iter().map(|kind| ("kind", kind.to_string()));
        let types = self.types.iter().map(|name| ("type", name.clone()));
        let org = self.org.iter().map(|org| ("org", org.to_string()));
        let after = self.after.iter().map(|after| ("after", after.to_string()));
        job.chain(kind).chain(types).chain(org).chain(after)
    }

    fn follow(&self, lines: impl BufRead + Send + 'static, cursor: &mut Option<u64>) -> Result<Ended, Failure> {
        let (mut event, mut data, mut id) = (String::new(), String::new(), None);
        let lines = in_a_thread(lines);
        loop {
            // The stream has ended, or the server has vanished: its heartbeats come more often than this.
            let Ok(line) = lines.recv_timeout(SILENCE) else { return Ok(Ended::Dropped) };
            match line.trim_end().split_once(": ") {
                Some(("id", text)) => id = text.parse().ok(),
                Some(("event", text)) => text.clone_into(&mut event),
                Some(("data", text)) => text.clone_into(&mut data),
                Some(_) => {}
                None if line.trim_end().is_empty() => {
                    match event.as_str() {
                        "closed" => return Ok(Ended::Closed),
                        "reset" => return Ok(Ended::Reset(id.unwrap_or(0))),
                        "" => {}
                        _ if self.print(&data)? => {}
                        // stdout is closed.
                        _ => return Ok(Ended::Closed),
                    }
                    // The cursor moves only after the whole event was printed.
                    *cursor = id.or(*cursor);
                    event.clear();
                }
                None => {}
            }
        }
    }

    /// Prints an event. Returns `false` if stdout is closed.
    fn print(&self, data: &str) -> Result<bool, Failure> {
        // With --json too: data that is no JSON is no event.
        let event: Value = serde_json::from_str(data)?;
        let text = if self.json { data.to_owned() } else { as_line(&event) };
        Ok(output::line(format_args!("{text}")))
    }
}

/// Reads lines on a thread until the stream ends. A blocked read cannot be cancelled, but its thread can be left behind.
fn in_a_thread(lines: impl BufRead + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = sync_channel(64);
    std::thread::spawn(move || {
        let mut lines = Lines::new(lines);
        // A line that is no text, or is longer than any event, does not come from a ledger. The stream ends here.
        while let Ok(Some(line)) = lines.next_line() {
            let Ok(line) = line.text() else { return };
            if sender.send(line.to_owned()).is_err() {
                return;
            }
        }
    });
    receiver
}

/// `1042 2026-01-31T14:03:00Z sync-7 job.progress by worker-1 {"progress":40}`
fn as_line(event: &Value) -> String {
    let text = |name: &str| event[name].as_str().unwrap_or("-");
    let data: String = event["data"].to_string().chars().take(200).collect();
    let line = [text("position"), text("time"), text("subject"), text("type"), "by", text("actor"), &data].join(" ");
    shown(&line).into_owned()
}
