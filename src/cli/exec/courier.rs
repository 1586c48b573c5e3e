//! The courier thread: it takes events from a spool to the server, in order, and tries again while the server is away.

use std::sync::mpsc::SyncSender;
use std::time::Duration;

use serde_json::Value;
use serde_json::value::RawValue;

use super::run::Heard;
use crate::cli::Failure;
use crate::cli::client::{Problem, failed, is_hopeless};
use crate::cli::output::{remark, shown};
use crate::cli::server::Server;
use crate::client::{HeldLease, Spool};

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
    /// The job has ended or its lease is lost, and it takes none of these events.
    Ended { heard: Heard, why: String },
    /// No event can be delivered: for example, the token is not valid.
    Never(Failure),
}

/// Takes events from a spool to the server.
pub(super) struct Courier {
    pub server: Server,
    pub spool: Spool,
    pub lease: HeldLease,
    /// Hears that the job was cancelled, or that its lease is lost.
    pub heard: Option<SyncSender<Heard>>,
}

impl Courier {
    /// Creates and starts the job, before the command starts. If the server is away, the two events wait in the spool.
    ///
    /// # Errors
    /// The server refuses the job, or is none.
    pub(super) fn begin(&self, first: &[Value]) -> Result<(), Failure> {
        kept(self.spool.begin(first));
        match self.send(&serde_json::to_vec(first).expect("JSON")) {
            Sent::Recorded => {
                self.spool.delivered(first.len());
                Ok(())
            }
            Sent::Later(why) => {
                remark!("jobledger: {why}; reports wait {}", place(&self.spool));
                Ok(())
            }
            Sent::Without(_, why) | Sent::Ended { why, .. } => Err(Failure::Refused(why)),
            Sent::Never(failure) => Err(failure),
        }
    }

    /// Removes the file of the spool.
    pub(super) fn remove(&self) {
        if let Err(error) = self.spool.remove() {
            remark!("jobledger: cannot remove the file {}: {error}", place(&self.spool));
        }
    }

    fn set_aside(&self) {
        match self.spool.set_aside() {
            Ok(Some(late)) => {
                remark!("jobledger: reports that came too late are in `{}`", shown(&late.to_string_lossy()))
            }
            Ok(None) => {}
            Err(error) => remark!("jobledger: cannot rename the file {}: {error}", place(&self.spool)),
        }
    }

    /// Delivers events until the spool is closed and empty, and then removes its file. If the lease is lost, the file stays under
    /// another name, because the ledger takes none of its reports.
    pub(super) fn run(&self) {
        loop {
            let events = match self.spool.next() {
                Ok(Some(events)) => events,
                Ok(None) => return self.remove(),
                Err(error) => return remark!("jobledger: cannot read the spool: {error}"),
            };
            let count = events.len();
            match self.deliver(events) {
                Ok(None) => {}
                Ok(Some(told)) => {
                    let is_lost = matches!(told, Heard::Lost);
                    // The main thread may be past listening.
                    let _ = self.heard.as_ref().map(|heard| heard.send(told));
                    if is_lost {
                        return self.set_aside();
                    }
                }
                Err(failure) => return remark!("jobledger: {failure}; reports wait {}", place(&self.spool)),
            }
            self.spool.delivered(count);
        }
    }

    /// Sends events until the ledger has all that it takes. Returns what the main thread is to hear of a job that takes no more.
    fn deliver(&self, mut events: Vec<Box<RawValue>>) -> Result<Option<Heard>, Failure> {
        let mut pause = PAUSES[0];
        while !events.is_empty() {
            match self.send(&serde_json::to_vec(&events).expect("JSON that was just read")) {
                Sent::Recorded => break,
                Sent::Later(why) => {
                    if pause == PAUSES[0] {
                        remark!("jobledger: {why}; reports wait {}", place(&self.spool));
                    }
                    std::thread::sleep(pause);
                    pause = (pause * 2).min(PAUSES[1]);
                }
                Sent::Without(index, why) if index < events.len() => {
                    remark!("jobledger: a report is left out: {why}");
                    events.remove(index);
                }
                Sent::Without(_, why) => return Err(Failure::Refused(why)),
                Sent::Ended { heard, why } => {
                    remark!("jobledger: the ledger takes no more reports: {why}");
                    return Ok(Some(heard));
                }
                Sent::Never(failure) => return Err(failure),
            }
        }
        Ok(None)
    }

    fn send(&self, batch: &[u8]) -> Sent {
        let mut answer = match self.server.post(batch, self.lease.token().as_deref()) {
            Ok(answer) => answer,
            Err(error) if is_hopeless(&error) => return Sent::Never(failed(error)),
            Err(error) => return Sent::Later(shown(&error.to_string()).into_owned()),
        };
        let status = answer.status();
        if status.is_success() {
            // A body that breaks off has no lease for us; the append stands, and the next answer to the same events has it.
            let body = answer.body_mut().read_to_string().ok();
            body.and_then(|text| serde_json::from_str(&text).ok())
                .iter()
                .for_each(|answer| self.lease.take_from(answer));
            return Sent::Recorded;
        }
        let Problem { text, code, state, index } = Problem::of(&mut answer);
        match (status.as_u16(), state, index) {
            (503, ..) if code == "read-only" => Sent::Never(Failure::Refused(text)),
            (429 | 500.., ..) => Sent::Later(text),
            (409, ..) if code == "lease-lost" => Sent::Ended { heard: Heard::Lost, why: text },
            (409, Some(state), _) if matches!(state.as_str(), "completed" | "failed" | "cancelled") => {
                Sent::Ended { heard: Heard::of_state(state), why: text }
            }
            (409 | 422, _, Some(index)) => Sent::Without(usize::try_from(index).unwrap_or(usize::MAX), text),
            _ => Sent::Never(Failure::Refused(text)),
        }
    }
}

/// Says why the file of a spool takes no more events.
pub(super) fn kept(pushed: Result<(), std::io::Error>) {
    if let Err(error) = pushed {
        remark!("jobledger: cannot write the spool: {error}; reports wait in memory");
    }
}

/// Where reports wait, for a message.
pub(super) fn place(spool: &Spool) -> String {
    match spool.path() {
        Some(path) => format!("in `{}`", shown(&path.to_string_lossy())),
        None => "in memory".into(),
    }
}
