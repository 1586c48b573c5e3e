//! The main thread of `exec`: from the start of the command until its reports are delivered.

use std::io::{stderr, stdout};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use super::courier::{self, Courier};
use super::gather::Gather;
use super::lease;
use super::lines::{Stream, follow};
use super::marks::{BadMark, Mark};
use super::program::{End, Group, NotStarted, Program};
use super::signals;
use crate::cli::client::Remote;
use crate::cli::exit::Exit;
use crate::cli::follow::{Follow, Message};
use crate::cli::output::remark;
use crate::cli::server::Server;
use crate::cli::{Failure, Outcome};
use crate::client::{HeldLease, Spool};
use crate::job::plural;

/// How often the gathered reports go into the spool. With one event of output a stream that is at most eight a second.
const TICK: Duration = Duration::from_millis(250);
/// Messages from the threads that wait for the main thread. Each has at most 64 KiB.
const MOST_HEARD: usize = 16;
/// How long the streams may stay open after the command has ended, because a process that it left behind holds them.
const LINGER: Duration = Duration::from_secs(2);

/// What the threads tell the main thread.
#[derive(Debug)]
pub(super) enum Heard {
    /// Text from a stream of the command.
    Output(Stream, String),
    /// A line that is a report, or a wrong one.
    Mark(Result<Mark, BadMark>),
    /// A stream has ended.
    StreamEnded,
    /// The command has ended.
    Ended(End),
    /// `exec` got a signal.
    Signal(Signal),
    /// The job was cancelled in the ledger.
    Cancelled,
    /// The lease of the job is lost, or the job has ended otherwise.
    Lost,
}

impl Heard {
    /// What the main thread hears of a job in this final state.
    pub(super) fn of_state(state: String) -> Heard {
        if state == "cancelled" { Heard::Cancelled } else { Heard::Lost }
    }
}

/// How far the command is.
#[derive(Debug, Clone, Copy)]
enum Phase {
    Running,
    /// The job was cancelled or lost; the command has until then to end.
    Stopping(Instant),
    /// The command got SIGKILL.
    Killed,
    /// The command has ended; its streams have until then to end.
    Ended(End, Instant),
}

/// The times and choices of a run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    /// Whether lines of stdout may be reports.
    pub has_marks: bool,
    /// From SIGTERM to SIGKILL.
    pub grace: Duration,
    /// How long to wait for the server at the end.
    pub deliver_timeout: Duration,
    /// How long the lease lasts after each report, in seconds.
    pub lease_sec: u32,
}

/// A run of a command.
pub(super) struct Run {
    gather: Gather,
    spool: Spool,
    manner: Manner,
    /// The lease of the job.
    lease: HeldLease,
    /// Whether the job has ended in the ledger, which then takes no outcome.
    is_over: bool,
    sender: SyncSender<Heard>,
    heard: Receiver<Heard>,
}

impl Run {
    /// A run whose reports go into `spool`. From here on signals wait for the command.
    pub(super) fn new(gather: Gather, spool: Spool, lease: HeldLease, manner: Manner) -> Run {
        let (sender, heard) = sync_channel(MOST_HEARD);
        let tell = sender.clone();
        signals::watch(move |signal| tell.send(Heard::Signal(signal)).is_ok());
        Run { gather, spool, manner, lease, is_over: false, sender, heard }
    }

    /// Runs the command to its end and delivers its reports. The courier thread drops `done` at its end, and
    /// `all_done` disconnects when other deliveries have ended too.
    ///
    /// # Errors
    /// The command fails, with its own exit code.
    pub(super) fn run(
        mut self,
        program: Result<Program, NotStarted>,
        server: Server,
        done: Sender<()>,
        all_done: &Receiver<()>,
    ) -> Outcome {
        let remote = server.remote.clone();
        let (job, lease, heard) = (self.gather.job().clone(), self.lease.clone(), self.sender.clone());
        let (_ends, ended) = channel();
        if let Ok(server) = Server::new(remote.clone()) {
            lease::keep(server, job, lease.clone(), self.manner.lease_sec, ended, heard.clone());
        }
        let courier = Courier { server, spool: self.spool.clone(), lease, heard: Some(heard) };
        thread::spawn(move || {
            let _done = done;
            courier.run();
        });
        let (code, end) = match program {
            Ok(program) => {
                let end = self.follow(program, remote);
                (end.code(), end.to_string())
            }
            Err(error) => {
                let failed = self.gather.event("job.failed", json!({ "message": error.to_string() }));
                courier::kept(self.spool.push(&[failed]));
                (error.code(), error.to_string())
            }
        };
        self.spool.close();
        // A courier that has a message must not wait for the main thread.
        let Run { gather, spool, manner, heard, .. } = self;
        drop(heard);
        wait_for_delivery(&spool, all_done, manner.deliver_timeout);
        match code {
            0 => Ok(()),
            code => Err(Failure::Verdict(Exit::OfCommand(code), format!("job {}: {end}", gather.job()))),
        }
    }

    /// Follows the command to its end, and reports its outcome.
    fn follow(&mut self, mut program: Program, remote: Remote) -> End {
        let (started, group) = (Instant::now(), program.group());
        let (out, err) = program.streams();
        let (has_marks, sender) = (self.manner.has_marks, self.sender.clone());
        let tell = sender.clone();
        thread::spawn(move || follow(Stream::Stdout, out, stdout(), has_marks, &tell));
        let tell = sender.clone();
        thread::spawn(move || follow(Stream::Stderr, err, stderr(), false, &tell));
        watch_job(remote, self.gather.job().to_string(), sender.clone());
        thread::spawn(move || {
            let end = program.wait().unwrap_or_else(|error| {
                remark!("jobledger: the command is lost: {error}");
                End::Signal(0)
            });
            let _ = sender.send(Heard::Ended(end));
        });
        let end = self.until_over(group);
        self.outcome(end, started.elapsed());
        end
    }

    /// Gathers reports until the command and its streams have ended.
    fn until_over(&mut self, group: Group) -> End {
        let (mut phase, mut open, mut tick) = (Phase::Running, 2, Instant::now() + TICK);
        loop {
            let now = Instant::now();
            if tick <= now {
                self.flush();
                tick = now + TICK;
            }
            let until = match phase {
                Phase::Ended(end, _) if open == 0 => return end,
                Phase::Ended(end, until) if until <= now => return end,
                Phase::Stopping(until) if until <= now => {
                    group.signal(Signal::KILL);
                    phase = Phase::Killed;
                    tick
                }
                Phase::Stopping(until) | Phase::Ended(_, until) => tick.min(until),
                Phase::Running | Phase::Killed => tick,
            };
            if self.gather.is_full() {
                // The pipes fill meanwhile, and the command waits.
                thread::sleep(until.saturating_duration_since(now));
                continue;
            }
            match self.heard.recv_timeout(until.saturating_duration_since(now)) {
                Ok(Heard::Output(stream, text)) => self.gather.output(stream, &text),
                Ok(Heard::Mark(Ok(mark))) => self.gather.mark(mark),
                Ok(Heard::Mark(Err(why))) => remark!("jobledger: a report is left out: {why}"),
                Ok(Heard::StreamEnded) => open -= 1,
                Ok(Heard::Ended(end)) => phase = Phase::Ended(end, Instant::now() + LINGER),
                Ok(Heard::Signal(signal)) => group.signal(signal),
                Ok(Heard::Cancelled) => phase = self.stop("is cancelled", phase, group),
                Ok(Heard::Lost) => phase = self.stop("is lost to this worker", phase, group),
                Err(RecvTimeoutError::Timeout) => {}
                // No thread is left but the streams' and the command's, and one of them has panicked.
                Err(RecvTimeoutError::Disconnected) => thread::sleep(until.saturating_duration_since(now)),
            }
        }
    }

    /// The job has ended in the ledger: a running command gets SIGTERM. Work that goes on after a lost lease could be done twice,
    /// because the ledger may have repeated the job.
    fn stop(&mut self, why: &str, phase: Phase, group: Group) -> Phase {
        self.is_over = true;
        match phase {
            Phase::Running => {
                remark!("jobledger: job {} {why}: the command gets SIGTERM", self.gather.job());
                group.signal(Signal::TERM);
                Phase::Stopping(Instant::now() + self.manner.grace)
            }
            other => other,
        }
    }

    fn flush(&mut self) {
        let events = self.gather.take();
        if !events.is_empty() {
            courier::kept(self.spool.push(&events));
        }
    }

    /// Reports the end of the command. A job that is over has its outcome already.
    fn outcome(&mut self, end: End, took: Duration) {
        self.flush();
        if self.is_over {
            return;
        }
        let mut events = Vec::new();
        let left_out = self.spool.left_out();
        if left_out > 0 {
            let text =
                format!("{} of output found no room in the spool and were left out", plural(left_out, "byte", "bytes"));
            events.push(self.gather.event("job.noted", json!({ "text": text })));
        }
        let exit = json!({ "exit_code": end.code(), "execution_time_sec": took.as_secs() });
        events.push(self.gather.event("job.hook_output", exit));
        events.push(match end {
            End::Code(0) => self.gather.event("job.completed", json!({})),
            end => self.gather.event("job.failed", json!({ "message": end.to_string() })),
        });
        courier::kept(self.spool.push(&events));
    }
}

/// Waits until everything is delivered, at most for `longest`.
fn wait_for_delivery(spool: &Spool, all_done: &Receiver<()>, longest: Duration) {
    // Nothing is ever sent. The channel disconnects when the last thread has ended.
    let _ = all_done.recv_timeout(longest);
    let (waiting, lost) = (spool.waiting(), spool.only_in_memory());
    if waiting > lost {
        remark!(
            "jobledger: {} not delivered; the next `jobledger exec` with this spool delivers them, or `jobledger append`: {}",
            plural(waiting - lost, "report is", "reports are"),
            courier::place(spool)
        );
    }
    if lost > 0 {
        remark!("jobledger: {} lost", plural(lost, "report is", "reports are"));
    }
}

/// Waits for a cancellation in the tail of the job. A courier whose reports are refused tells of it too.
fn watch_job(remote: Remote, job: String, heard: SyncSender<Heard>) {
    thread::spawn(move || {
        let query = vec![("job", job), ("type", "job.cancelled".to_owned()), ("after", "0".to_owned())];
        let mut tail = Follow::new(&remote, query, |_| {})?;
        loop {
            match tail.next(None)? {
                Some(Message::Event(_)) => {
                    let _ = heard.send(Heard::Cancelled);
                    return Ok(());
                }
                Some(Message::Closed) => return Ok::<_, Failure>(()),
                Some(Message::Reset) | None => {}
            }
        }
    });
}
