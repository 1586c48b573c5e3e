//! The courier thread: it takes events from a spool to the server, in order, and tries again while the server is away.

use std::sync::mpsc::SyncSender;
use std::time::Duration;

use serde_json::Value;
use serde_json::value::RawValue;

use super::run::Heard;
use super::spool::Spool;
use crate::cli::Failure;
use crate::cli::client::{Problem, failed, is_hopeless};
use crate::cli::output::{remark, shown};
use crate::cli::server::Server;

/// The shortest and the longest pause between two tries.
const PAUSES: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(5)];

/// What a request to append came to.
enum Sent {
    /// The ledger has all events.
    Recorded,
    /// Another try may succeed.
    Later(String),
    /// The ledger refuses one event for itself.
    Without(usize, String),
    /// The job has ended, and takes none of these events.
    Ended { state: String, why: String },
    /// No event can be delivered: for example, the token is not valid.
    Never(Failure),
}

/// Creates and starts the job, before the command starts. If the server is away, the two events wait in the spool.
///
/// # Errors
/// The server refuses the job, or is none.
pub(super) fn begin(server: &Server, spool: &Spool, first: &[Value]) -> Result<(), Failure> {
    match send(server, &serde_json::to_vec(first).expect("JSON")) {
        Sent::Recorded => Ok(()),
        Sent::Later(why) => {
            remark!("jobledger: {why}; reports wait {}", place(spool));
            spool.push(first);
            Ok(())
        }
        Sent::Without(_, why) | Sent::Ended { why, .. } => Err(Failure::Refused(why)),
        Sent::Never(failure) => Err(failure),
    }
}

/// Delivers events until the spool is closed and empty. Tells `heard` if the job was cancelled. Returns whether all events that the
/// ledger takes are delivered.
pub(super) fn run(server: &Server, spool: &Spool, heard: Option<&SyncSender<Heard>>) -> bool {
    loop {
        let events = match spool.next() {
            Ok(Some(events)) => events,
            Ok(None) => return true,
            Err(error) => {
                remark!("jobledger: cannot read the spool: {error}");
                return false;
            }
        };
        let count = events.len();
        match deliver(server, spool, events) {
            Ok(None) => {}
            Ok(Some(state)) => {
                if let Some(heard) = heard.filter(|_| state == "cancelled") {
                    // The main thread may be past listening.
                    let _ = heard.send(Heard::Cancelled);
                }
            }
            Err(failure) => {
                remark!("jobledger: {failure}; reports wait {}", place(spool));
                return false;
            }
        }
        spool.delivered(count);
    }
}

/// Sends events until the ledger has all that it takes. Returns the state of a job that has ended and takes no more.
fn deliver(server: &Server, spool: &Spool, mut events: Vec<Box<RawValue>>) -> Result<Option<String>, Failure> {
    let mut pause = PAUSES[0];
    while !events.is_empty() {
        match send(server, &serde_json::to_vec(&events).expect("JSON that was just read")) {
            Sent::Recorded => break,
            Sent::Later(why) => {
                if pause == PAUSES[0] {
                    remark!("jobledger: {why}; reports wait {}", place(spool));
                }
                std::thread::sleep(pause);
                pause = (pause * 2).min(PAUSES[1]);
            }
            Sent::Without(index, why) if index < events.len() => {
                remark!("jobledger: a report is left out: {why}");
                events.remove(index);
            }
            Sent::Without(_, why) => return Err(Failure::Refused(why)),
            Sent::Ended { state, why } => {
                remark!("jobledger: the job is {state}, so that its ledger takes no more reports: {why}");
                return Ok(Some(state));
            }
            Sent::Never(failure) => return Err(failure),
        }
    }
    Ok(None)
}

fn send(server: &Server, batch: &[u8]) -> Sent {
    let mut answer = match server.post(batch) {
        Ok(answer) => answer,
        Err(error) if is_hopeless(&error) => return Sent::Never(failed(error)),
        Err(error) => return Sent::Later(shown(&error.to_string()).into_owned()),
    };
    let status = answer.status();
    if status.is_success() {
        return Sent::Recorded;
    }
    let Problem { text, code, state, index } = Problem::of(&mut answer);
    match (status.as_u16(), state, index) {
        (503, ..) if code == "read-only" => Sent::Never(Failure::Refused(text)),
        (429 | 500.., ..) => Sent::Later(text),
        (409, Some(state), _) if matches!(state.as_str(), "completed" | "failed" | "cancelled") => {
            Sent::Ended { state, why: text }
        }
        (409 | 422, _, Some(index)) => Sent::Without(usize::try_from(index).unwrap_or(usize::MAX), text),
        _ => Sent::Never(Failure::Refused(text)),
    }
}

/// Where reports wait, for a message.
pub(super) fn place(spool: &Spool) -> String {
    match spool.path() {
        Some(path) => format!("in `{}`", shown(&path.to_string_lossy())),
        None => "in memory".into(),
    }
}
