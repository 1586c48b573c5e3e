//! A job, as its worker sees it.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::cancellation::Cancellation;
use super::error::Error;
use super::reporting::Reporting;
use super::reports::{Item, Progress, Stream};

/// How long a dropped job waits until its failure is delivered.
const DROPPED: Duration = Duration::from_secs(5);
/// Most bytes of the message of a failure, a little less than the ledger takes.
const MESSAGE: usize = 16_000;

/// A job that this process has created or claimed. [`Job::complete`] or [`Job::fail`] ends it.
///
/// A job that is dropped before its end fails, if this process has started it: `the worker dropped the job before its end`, or `the
/// worker panicked`. The drop waits up to 5 s for the ledger. A job that nothing was reported on stays pending, for a worker that
/// claims it.
///
/// Each report may return the error of an earlier one. After [`Error::Cancelled`] and [`Error::LeaseLost`] every report returns that
/// error, and nothing more is sent. Several threads may report on one job.
#[must_use = "a job that is dropped before its end fails, if it was started"]
pub struct Job {
    reporting: Arc<Reporting>,
    kind: String,
    spec: Value,
    has_ended: bool,
}

impl Job {
    pub(super) fn new(reporting: Reporting, kind: &Value, spec: &Value) -> Job {
        let kind = kind.as_str().unwrap_or_default().to_owned();
        Job { reporting: Arc::new(reporting), kind, spec: spec.clone(), has_ended: false }
    }

    /// The id.
    pub fn id(&self) -> &str {
        &self.reporting.job
    }

    /// The kind: `dbrole`, `task`, `rule` or `generic`.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The spec.
    pub fn spec(&self) -> &Value {
        &self.spec
    }

    /// The token that tells the work to stop.
    pub fn cancellation(&self) -> Cancellation {
        self.reporting.cancellation.clone()
    }

    /// Starts the job. The first report but a note starts it too, and a claimed job is started.
    pub fn start(&self) -> Result<(), Error> {
        self.reporting.start()
    }

    /// Reports how far the job is. A newer report takes the place of one that waits, and the last one always goes.
    pub fn progress(&self, progress: Progress) -> Result<(), Error> {
        self.reporting.progress(members(&progress))
    }

    /// Reports the result of one part of the job.
    pub fn item(&self, item: Item) -> Result<(), Error> {
        self.reporting.report("job.item_result", members(&item).into())
    }

    /// Reports lines of output. A text without a newline at its end gets one.
    pub fn output(&self, text: &str) -> Result<(), Error> {
        self.output_of(Stream::Stdout, text)
    }

    /// Reports lines of a stream. A text without a newline at its end gets one.
    pub fn output_of(&self, stream: Stream, text: &str) -> Result<(), Error> {
        let end = if text.ends_with('\n') { "" } else { "\n" };
        self.reporting.output(stream, &format!("{text}{end}"))
    }

    /// Adds a note, at most 16 KiB.
    pub fn note(&self, text: &str) -> Result<(), Error> {
        self.reporting.report("job.noted", json!({ "text": text }))
    }

    /// Waits until the ledger has answered every report.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if there is no answer until the deadline; the client goes on trying. The error of an earlier report.
    pub fn flush(&self) -> Result<(), Error> {
        self.reporting.settle(self.reporting.deadline)
    }

    /// Completes the job, with a sentence for people if there is one, and waits until the ledger has recorded it.
    ///
    /// # Errors
    /// [`Error::Refused`] if an earlier report was refused: the job then fails with that message. [`Error::Unavailable`] if there is
    /// no answer until the deadline: with a spool the reports wait in it, else they may be missing.
    pub fn complete<'a>(mut self, message: impl Into<Option<&'a str>>) -> Result<(), Error> {
        match self.flush() {
            Ok(()) | Err(Error::Unavailable { .. }) => {
                self.end("job.completed", message.into().map_or(json!({}), |message| json!({ "message": message })))
            }
            Err(Error::Refused(refusal)) => {
                let error = Error::Refused(refusal);
                // The refusal is what the caller must know.
                let _ = self.end("job.failed", failure(&error.to_string()));
                Err(error)
            }
            Err(error) => {
                self.close(DROPPED);
                Err(error)
            }
        }
    }

    /// Fails the job with a message, which is cut to 16 KB, and waits until the ledger has recorded it.
    ///
    /// # Errors
    /// As [`Job::complete`].
    pub fn fail(mut self, message: &str) -> Result<(), Error> {
        self.end("job.failed", failure(message))
    }

    /// Reports the end and waits for the answer.
    fn end(&mut self, event_type: &str, data: Value) -> Result<(), Error> {
        let earlier = match self.reporting.report(event_type, data.clone()) {
            // A refusal is told once, and the job still ends.
            Err(refused @ Error::Refused(_)) => self.reporting.report(event_type, data).and(Err(refused)),
            reported => reported,
        };
        let settled = self.reporting.settle(self.reporting.deadline);
        self.close(Duration::ZERO);
        earlier.and(settled)
    }

    /// Delivers what waits, beside the work.
    pub(super) fn deliver(&self) {
        self.reporting.run_threads(&mut self.reporting.state.lock());
    }

    /// Ends the threads. If not everything is delivered after `longest`, the spool keeps the rest for a later ledger.
    fn close(&mut self, longest: Duration) {
        self.has_ended = true;
        let Reporting { state, spool, changed, .. } = &*self.reporting;
        let courier = {
            let mut state = state.lock();
            state.is_closed = true;
            state.courier.take()
        };
        changed.notify_all();
        if !spool.wait_for(0, longest) {
            spool.give_up();
        }
        if spool.is_given_up() {
            return;
        }
        spool.close();
        match courier {
            // It ends at once, because nothing waits. A panic of it lost nothing that is not lost already.
            Some(courier) => drop(courier.join()),
            None => self.reporting.courier().run(),
        }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        if self.has_ended {
            return;
        }
        let is_started = self.reporting.state.lock().is_started;
        let goes_on = !self.reporting.cancellation.is_cancelled() && !self.reporting.status.is_fatal();
        if is_started && goes_on {
            let panicked = thread::panicking();
            let message = if panicked { "the worker panicked" } else { "the worker dropped the job before its end" };
            self.reporting.abandon(failure(message));
        }
        self.close(DROPPED);
    }
}

/// The data of `job.failed`.
fn failure(message: &str) -> Value {
    let message = if message.is_empty() { "failed" } else { message };
    json!({ "message": &message[..message.floor_char_boundary(MESSAGE)] })
}

/// The members of a report.
fn members(report: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(report) {
        Ok(Value::Object(members)) => members,
        _ => unreachable!("a report is an object with names as keys"),
    }
}
