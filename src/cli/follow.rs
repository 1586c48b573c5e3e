//! A tail of a running server that connects again by itself and misses no event, for `tail` and `wait`.

use std::fmt::Arguments;
use std::io::{BufRead, BufReader};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use ureq::Agent;

use super::Failure;
use super::client::{Remote, expect_type, failed, is_hopeless, refused};
use super::server::Parameter;
use crate::wire::Lines;

/// Shortest and longest pause between two tries to connect.
const PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(10)];
/// How long the tail waits for a line before it connects again: three of the server's heartbeats.
const SILENCE: Duration = Duration::from_secs(45);
/// Longest wait for a connection, and for the head of an answer.
const CONNECT: Duration = Duration::from_secs(10);
const ANSWER: Duration = Duration::from_secs(30);

/// What a tail says.
#[derive(Debug)]
pub(super) enum Message {
    /// An event, as JSON.
    Event(String),
    /// The job of the tail has ended.
    Closed,
    /// The cursor was beyond the head of the log. The tail goes on from the head.
    Reset,
}

/// A tail.
pub(super) struct Follow {
    remote: Remote,
    agent: Agent,
    query: Vec<Parameter>,
    /// The position after which the next connection starts.
    cursor: Option<u64>,
    /// When it may connect, and the pause after a try that fails.
    again: Instant,
    pause: Duration,
    deadline: Option<Instant>,
    connected: Option<Connected>,
    /// Tells the user of trouble that the tail mends by itself.
    tell: Box<dyn Fn(Arguments<'_>)>,
}

/// An open connection.
struct Connected {
    lines: Receiver<String>,
    heard: Instant,
    event: String,
    data: String,
    id: Option<u64>,
}

impl Follow {
    /// The tail of `/ledger/events` with this query. It connects when it is read. `tell` gets a line for each connection that broke.
    pub(super) fn new(
        remote: &Remote,
        query: Vec<Parameter>,
        tell: impl Fn(Arguments<'_>) + 'static,
    ) -> Result<Follow, Failure> {
        let (remote, agent, tell) = (remote.clone(), remote.agent(ANSWER)?, Box::new(tell));
        let (again, pause) = (Instant::now(), PAUSES[0]);
        Ok(Follow { remote, agent, query, cursor: None, again, pause, deadline: None, connected: None, tell })
    }

    fn remark(&self, text: Arguments<'_>) {
        (self.tell)(format_args!("jobledger: {text}"));
    }

    /// The same tail, which tries to connect no longer than `deadline`.
    pub(super) fn by(self, deadline: Option<Instant>) -> Follow {
        Follow { deadline, ..self }
    }

    /// The next message; `None` once `until` has come. After a broken connection it connects again, and tells so.
    ///
    /// # Errors
    /// The server refuses the tail, or cannot be a ledger.
    pub(super) fn next(&mut self, until: Option<Instant>) -> Result<Option<Message>, Failure> {
        let is_over = |until: Option<Instant>| until.is_some_and(|until| until <= Instant::now());
        loop {
            let Some(connected) = &mut self.connected else {
                rest(self.again.saturating_duration_since(Instant::now()), until);
                if Instant::now() < self.again && is_over(until) {
                    return Ok(None);
                }
                if !self.connect()? {
                    return Ok(Some(Message::Closed));
                }
                if self.connected.is_none() && is_over(until) {
                    return Ok(None);
                }
                continue;
            };
            match connected.message(until) {
                Heard::Event(data, id) => {
                    self.cursor = id.or(self.cursor);
                    return Ok(Some(Message::Event(data)));
                }
                Heard::Cursor(id) => self.cursor = Some(id),
                Heard::Closed => return Ok(Some(Message::Closed)),
                Heard::Reset(head) => {
                    self.remark(format_args!("the ledger is at position {head}, {}; continuing there", self.why()));
                    self.cursor = Some(head);
                    self.drop_connection();
                    return Ok(Some(Message::Reset));
                }
                Heard::Dropped => {
                    self.remark(format_args!("the connection dropped; trying again"));
                    self.drop_connection();
                }
                Heard::Nothing => return Ok(None),
            }
        }
    }

    fn why(&self) -> &'static str {
        match self.cursor {
            None => "before --after: this position is not recorded yet, or the ledger was restored from an older copy",
            Some(_) => "before the last event shown: the ledger was restored from an older copy",
        }
    }

    /// Tries to connect. Returns false if the job of the tail has ended, and the cursor has seen its end.
    fn connect(&mut self) -> Result<bool, Failure> {
        let deadline = self.deadline;
        let left =
            |most: Duration| deadline.map_or(most, |end| most.min(end.saturating_duration_since(Instant::now())));
        // ureq takes no timeout of 0.
        let left = |most| Some(left(most).max(Duration::from_millis(1)));
        let mut request = self
            .agent
            .get(self.remote.at("/ledger/events"))
            .query_pairs(self.query.iter().map(|(name, text)| (name, text)))
            .header("accept", "text/event-stream")
            .header("authorization", self.remote.bearer());
        if let Some(cursor) = self.cursor {
            request = request.header("last-event-id", cursor.to_string());
        }
        match request.config().timeout_connect(left(CONNECT)).timeout_recv_response(left(ANSWER)).build().call() {
            Ok(answer) if answer.status() == 204 => return Ok(false),
            Ok(answer) if answer.status() == 200 => {
                expect_type(&answer, "text/event-stream")?;
                self.pause = PAUSES[0];
                self.connected = Some(Connected::new(BufReader::new(answer.into_body().into_reader())));
                return Ok(true);
            }
            Ok(mut answer) if answer.status().is_client_error() => return Err(refused(&mut answer)),
            Ok(answer) => self.remark(format_args!("the server answers {}; trying again", answer.status())),
            Err(error) if is_hopeless(&error) => return Err(failed(error)),
            // The caller's time is over.
            Err(_) if deadline.is_some_and(|end| end <= Instant::now()) => {}
            Err(error) => self.remark(format_args!("{error}; trying again")),
        }
        self.drop_connection();
        Ok(true)
    }

    /// The next try to connect comes after a pause.
    fn drop_connection(&mut self) {
        (self.connected, self.again) = (None, Instant::now() + self.pause);
        self.pause = (self.pause * 2).min(PAUSES[1]);
    }
}

/// Sleeps for `pause`, but not beyond `until`.
pub(super) fn rest(pause: Duration, until: Option<Instant>) {
    let left = until.map(|until| until.saturating_duration_since(Instant::now()));
    std::thread::sleep(left.map_or(pause, |left| left.min(pause)));
}

/// What one connection says next.
enum Heard {
    Event(String, Option<u64>),
    /// A heartbeat with the newest position.
    Cursor(u64),
    Closed,
    Reset(u64),
    Dropped,
    /// The caller's time is over.
    Nothing,
}

impl Connected {
    fn new(lines: impl BufRead + Send + 'static) -> Connected {
        let (lines, heard) = (in_a_thread(lines), Instant::now());
        Connected { lines, heard, event: String::new(), data: String::new(), id: None }
    }

    fn message(&mut self, until: Option<Instant>) -> Heard {
        loop {
            let silent = self.heard + SILENCE;
            let until = until.map_or(silent, |until| until.min(silent));
            let line = match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => line,
                Err(RecvTimeoutError::Timeout) if until < silent => return Heard::Nothing,
                // The stream has ended, or the server has vanished: its heartbeats come more often than this.
                Err(_) => return Heard::Dropped,
            };
            self.heard = Instant::now();
            match line.trim_end().split_once(": ") {
                Some(("id", text)) => self.id = text.parse().ok(),
                Some(("event", text)) => text.clone_into(&mut self.event),
                Some(("data", text)) => text.clone_into(&mut self.data),
                None if line.trim_end().is_empty() => {
                    let (event, data) = (std::mem::take(&mut self.event), std::mem::take(&mut self.data));
                    match (event.as_str(), self.id) {
                        ("closed", _) => return Heard::Closed,
                        ("reset", id) => return Heard::Reset(id.unwrap_or(0)),
                        ("", Some(id)) => return Heard::Cursor(id),
                        ("", None) => {}
                        (_, id) => return Heard::Event(data, id),
                    }
                }
                _ => {}
            }
        }
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
