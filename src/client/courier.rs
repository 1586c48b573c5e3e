//! The courier: it takes events from a spool to the server, in order, and tries again while the server is away.

use std::sync::Arc;
use std::time::Instant;

use serde_json::Value;
use serde_json::value::RawValue;

use super::cancellation::{Cancellation, Stop};
use super::connection::{Answer, Connection};
use super::error::{Error, Refusal};
use super::lease::HeldLease;
use super::request::Tries;
use super::spool::Spool;
use super::status::Status;

/// Takes events from a spool to the server.
pub(super) struct Courier {
    pub connection: Connection,
    pub spool: Spool,
    pub lease: HeldLease,
    pub cancellation: Cancellation,
    pub status: Arc<Status>,
    /// The last try; `None` if the spool alone ends the tries.
    pub until: Option<Instant>,
}

/// How a batch ended.
enum Delivered {
    Taken,
    /// The job takes none of these events.
    Stopped(Stop),
    /// The events stay in the spool.
    Kept,
}

impl Courier {
    /// Delivers events until the spool is closed and empty, and then removes its file. If the lease is lost, the file stays under
    /// another name. Events that cannot be delivered stay in it.
    pub(super) fn run(&self) {
        loop {
            let events = match self.spool.next() {
                Ok(Some(events)) => events,
                Ok(None) => break,
                Err(error) => return self.keep(self.broken(error)),
            };
            let count = events.len();
            match self.deliver(events) {
                Delivered::Taken | Delivered::Stopped(Stop::Cancelled) => self.spool.delivered(count),
                Delivered::Stopped(Stop::LeaseLost) => {
                    if let Err(error) = self.spool.set_aside() {
                        self.status.fatal(self.broken(error));
                    }
                    return;
                }
                Delivered::Kept => return self.spool.give_up(),
            }
        }
        if !self.spool.is_given_up()
            && let Err(error) = self.spool.remove()
        {
            self.status.fatal(self.broken(error));
        }
    }

    /// Sends events until the ledger has all that it takes.
    fn deliver(&self, mut events: Vec<Box<RawValue>>) -> Delivered {
        let (mut tries, mut stopped) = (Tries::until(self.until), None);
        while !events.is_empty() {
            let batch = serde_json::to_vec(&events).expect("JSON that was just read");
            let token = self.lease.token();
            let sent = Instant::now();
            match self.connection.append(&batch, token.as_deref()) {
                Answer::Done(answer) => {
                    self.lease.take_from(&answer);
                    break;
                }
                Answer::Later { why, after } => {
                    self.status.no_answer(sent, why);
                    match tries.pause(after) {
                        Some(pause) if self.spool.pause(pause) => continue,
                        _ => return Delivered::Kept,
                    }
                }
                Answer::Refused(refusal) => {
                    self.status.answered();
                    tries = Tries::until(self.until);
                    if let Some(stop) = refusal.stop() {
                        self.cancellation.set(stop);
                        let before = events.len();
                        // The ledger takes notes on any job.
                        events.retain(|event| is_note(event));
                        stopped = Some(stop);
                        if events.len() == before {
                            break;
                        }
                        continue;
                    }
                    if let Some(error) = self.without(&mut events, refusal) {
                        self.keep(error);
                        return Delivered::Kept;
                    }
                }
                Answer::Never(error) => {
                    self.keep(error);
                    return Delivered::Kept;
                }
            }
        }
        self.status.answered();
        stopped.map_or(Delivered::Taken, Delivered::Stopped)
    }

    /// Leaves the refused event out. Returns the error if the refusal concerns all events.
    fn without(&self, events: &mut Vec<Box<RawValue>>, mut refusal: Refusal) -> Option<Error> {
        let index = refusal.index.filter(|index| *index < events.len());
        match index {
            Some(index) if matches!(refusal.status, 400 | 409 | 422) => {
                let event: Value = serde_json::from_str(events.remove(index).get()).unwrap_or_default();
                refusal.event = event["type"].as_str().map(str::to_owned);
                self.status.refused(refusal);
                None
            }
            _ => Some(Error::Refused(Box::new(refusal))),
        }
    }

    fn keep(&self, error: Error) {
        self.status.fatal(error);
        self.spool.give_up();
    }

    fn broken(&self, error: std::io::Error) -> Error {
        Error::Spool { path: self.spool.path().unwrap_or("".as_ref()).to_owned(), error: Arc::new(error) }
    }
}

fn is_note(event: &RawValue) -> bool {
    serde_json::from_str::<Value>(event.get()).is_ok_and(|event| event["type"] == "job.noted")
}
