//! What the threads of a job share: its reports on their way from the work to the ledger.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use parking_lot::{Condvar, Mutex};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::cancellation::{Cancellation, Stop};
use super::clock;
use super::connection::Connection;
use super::courier::Courier;
use super::error::Error;
use super::gather::Gather;
use super::lease::HeldLease;
use super::reports::Stream;
use super::spool::Spool;
use super::status::Status;

/// Most events that wait in memory. A report beyond waits for room.
const MOST_IN_MEMORY: usize = 1000;

/// A job's reports.
pub(super) struct Reporting {
    pub job: String,
    pub source: String,
    pub worker: String,
    pub lease_sec: Option<u32>,
    pub deadline: Duration,
    pub connection: Connection,
    pub spool: Spool,
    pub lease: HeldLease,
    pub cancellation: Cancellation,
    pub status: Arc<Status>,
    pub state: Mutex<State>,
    /// For the clock thread.
    pub changed: Condvar,
}

/// The part that a report changes.
pub(super) struct State {
    pub gather: Gather,
    pub is_started: bool,
    pub is_closed: bool,
    /// The courier thread; `None` before the first report.
    pub courier: Option<JoinHandle<()>>,
}

impl Reporting {
    /// A courier for these reports.
    pub(super) fn courier(&self) -> Courier {
        Courier {
            connection: self.connection.clone(),
            spool: self.spool.clone(),
            lease: self.lease.clone(),
            cancellation: self.cancellation.clone(),
            status: self.status.clone(),
            until: None,
        }
    }

    /// A new event of the job, which happens now.
    pub(super) fn event(&self, event_type: &str, data: Value) -> Value {
        json!({
            "specversion": "1.0",
            "id": Uuid::now_v7(),
            "source": self.source,
            "type": event_type,
            "subject": self.job,
            // A report may be delivered much later.
            "time": humantime::format_rfc3339_micros(SystemTime::now()).to_string(),
            "data": data,
        })
    }

    /// Starts the job, unless it is started.
    pub(super) fn start(self: &Arc<Self>) -> Result<(), Error> {
        self.check()?;
        self.started(&mut self.state.lock());
        Ok(())
    }

    /// Reports progress.
    pub(super) fn progress(self: &Arc<Self>, members: Map<String, Value>) -> Result<(), Error> {
        self.check()?;
        let mut state = self.state.lock();
        self.started(&mut state);
        state.gather.progress(members);
        if state.gather.due().is_some_and(|due| due <= Instant::now()) {
            self.push_gathered(&mut state, false);
        }
        self.changed.notify_all();
        Ok(())
    }

    /// Reports output.
    pub(super) fn output(self: &Arc<Self>, stream: Stream, text: &str) -> Result<(), Error> {
        self.check()?;
        let mut state = self.state.lock();
        self.started(&mut state);
        for data in state.gather.output(stream, text, Instant::now()) {
            self.push("job.hook_output", data);
        }
        self.changed.notify_all();
        Ok(())
    }

    /// Reports any other event, after the output before it.
    pub(super) fn report(self: &Arc<Self>, event_type: &str, data: Value) -> Result<(), Error> {
        self.check()?;
        let mut state = self.state.lock();
        match event_type {
            "job.started" => {
                self.started(&mut state);
                return Ok(());
            }
            "job.progress" | "job.item_result" | "job.hook_output" | "job.completed" => self.started(&mut state),
            _ => self.run_threads(&mut state),
        }
        let ends = matches!(event_type, "job.completed" | "job.failed");
        if ends {
            self.push_gathered(&mut state, true);
            self.push_left_out();
        }
        state.gather.take_output().into_iter().for_each(|output| self.push("job.hook_output", output));
        self.push(event_type, data);
        Ok(())
    }

    /// Fails the job, also after a refused report.
    pub(super) fn abandon(self: &Arc<Self>, failure: Value) {
        let mut state = self.state.lock();
        self.run_threads(&mut state);
        self.push_gathered(&mut state, true);
        self.push("job.failed", failure);
    }

    /// Makes events of the gathered output, and of the gathered progress if it is due or `must_go`.
    pub(super) fn push_gathered(&self, state: &mut State, must_go: bool) {
        state.gather.take_output().into_iter().for_each(|output| self.push("job.hook_output", output));
        let progress = state.gather.take_progress(Instant::now(), must_go);
        progress.into_iter().for_each(|progress| self.push("job.progress", progress));
    }

    /// Waits until all reports are answered. `longest` bounds the time without any answer.
    pub(super) fn settle(&self, longest: Duration) -> Result<(), Error> {
        self.push_gathered(&mut self.state.lock(), true);
        loop {
            let failing = self.status.failing();
            let left = longest.saturating_sub(failing.as_ref().map_or(Duration::ZERO, |(time, _)| *time));
            if self.spool.wait_for(0, left) {
                return self.told();
            }
            if let Some((time, why)) = self.status.failing()
                && time >= longest
            {
                return Err(self.unavailable(why));
            }
        }
    }

    /// The error of an earlier report. Without a file for reports also waits for room, and returns an error if there is no answer.
    fn check(&self) -> Result<(), Error> {
        self.told()?;
        while self.spool.path().is_none() {
            if let Some((time, why)) = self.status.failing()
                && time >= self.deadline
            {
                return Err(self.unavailable(why));
            }
            if self.spool.wait_for(MOST_IN_MEMORY, Duration::from_secs(1)) {
                return self.told();
            }
        }
        Ok(())
    }

    /// The error of an earlier report.
    fn told(&self) -> Result<(), Error> {
        match self.cancellation.stop() {
            Some(Stop::Cancelled) => Err(Error::Cancelled(self.job.clone())),
            Some(Stop::LeaseLost) => Err(Error::LeaseLost(self.job.clone())),
            None => self.status.error(),
        }
    }

    pub(super) fn unavailable(&self, why: String) -> Error {
        let is_kept = self.spool.only_in_memory() == 0;
        let (url, spool) = (self.connection.url.clone(), self.spool.path().filter(|_| is_kept).map(Into::into));
        Error::Unavailable { url, why, waiting: self.spool.waiting(), spool }
    }

    /// Starts the job, unless it is started. The event stays at the beginning of the spool: sent again, it brings the lease back.
    fn started(self: &Arc<Self>, state: &mut State) {
        self.run_threads(state);
        if std::mem::replace(&mut state.is_started, true) {
            return;
        }
        let data = self.lease_sec.map_or(json!({}), |seconds| json!({ "worker": self.worker, "lease_sec": seconds }));
        // What the file does not take waits in memory.
        let _ = self.spool.begin(&[self.event("job.started", data)]);
    }

    /// Runs the threads of the job, unless they run.
    pub(super) fn run_threads(self: &Arc<Self>, state: &mut State) {
        if state.courier.is_none() {
            let (courier, reporting) = (self.courier(), Arc::clone(self));
            state.courier = Some(thread::spawn(move || courier.run()));
            thread::spawn(move || clock::run(&reporting));
        }
    }

    fn push(&self, event_type: &str, data: Value) {
        // What the file does not take waits in memory.
        let _ = self.spool.push(&[self.event(event_type, data)]);
    }

    /// Says on the job how much output found no room.
    fn push_left_out(&self) {
        let bytes = self.spool.left_out();
        if bytes > 0 {
            let text = format!("output that found no room at the worker and was left out: {bytes} bytes");
            self.push("job.noted", json!({ "text": text }));
        }
    }
}
