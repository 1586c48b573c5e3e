//! Gathers progress and output, so that many reports become few events.

use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::reports::Stream;

/// Most bytes of output in one event, 512 KiB: half of what the ledger takes.
const CHUNK: usize = 512 << 10;
/// How long output waits for more output.
const TICK: Duration = Duration::from_millis(250);

/// Reports that are not events yet.
#[derive(Debug)]
pub(super) struct Gather {
    /// The shortest time between two events of progress.
    pace: Duration,
    /// The newest value of each member.
    progress: Map<String, Value>,
    /// When the next event of progress may go.
    next_progress: Instant,
    output: String,
    stream: Stream,
    output_due: Option<Instant>,
}

impl Gather {
    pub(super) fn new(pace: Duration) -> Gather {
        let next_progress = Instant::now();
        Gather {
            pace,
            progress: Map::new(),
            next_progress,
            output: String::new(),
            stream: Stream::Stdout,
            output_due: None,
        }
    }

    /// Adds a report of progress to those that wait.
    pub(super) fn progress(&mut self, members: Map<String, Value>) {
        if members.contains_key("records_processed") || members.contains_key("total_records") {
            // The percentage would win over the newer counts.
            self.progress.remove("progress");
        }
        self.progress.extend(members);
    }

    /// Takes the data of an event of progress, if one waits and may go, or must.
    pub(super) fn take_progress(&mut self, now: Instant, must_go: bool) -> Option<Value> {
        if self.progress.is_empty() || (now < self.next_progress && !must_go) {
            return None;
        }
        self.next_progress = now + self.pace;
        Some(std::mem::take(&mut self.progress).into())
    }

    /// Adds output. Returns the data of the events that became full.
    pub(super) fn output(&mut self, stream: Stream, text: &str, now: Instant) -> Vec<Value> {
        let mut full = Vec::new();
        if self.stream != stream {
            full.extend(self.take_output());
            self.stream = stream;
        }
        self.output.push_str(text);
        while self.output.len() > CHUNK {
            let rest = self.output.split_off(cut(&self.output));
            full.extend(self.take_output());
            self.output = rest;
        }
        if !self.output.is_empty() {
            self.output_due.get_or_insert(now + TICK);
        }
        full
    }

    /// Takes the data of an event of output, if any waits.
    pub(super) fn take_output(&mut self) -> Option<Value> {
        self.output_due = None;
        let output = std::mem::take(&mut self.output);
        (!output.is_empty()).then(|| json!({ "output": output, "stream": self.stream.name() }))
    }

    /// When something that waits is due.
    pub(super) fn due(&self) -> Option<Instant> {
        let progress = (!self.progress.is_empty()).then_some(self.next_progress);
        progress.into_iter().chain(self.output_due).min()
    }
}

/// Where to cut a text that is longer than a chunk: after a line, or between two characters.
fn cut(text: &str) -> usize {
    let end = text.floor_char_boundary(CHUNK);
    text[..end].rfind('\n').map_or(end, |line| line + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(value: Value) -> Map<String, Value> {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn progress_waits_for_its_turn_and_the_newest_values_go() {
        let pace = Duration::from_secs(60);
        let mut gather = Gather::new(pace);
        let now = Instant::now();
        gather.progress(members(json!({"progress": 1})));
        assert_eq!(gather.take_progress(now, false), Some(json!({"progress": 1})));
        gather.progress(members(json!({"progress": 2, "message": "half"})));
        gather.progress(members(json!({"records_processed": 3})));
        assert_eq!(gather.take_progress(now, false), None);
        assert_eq!(gather.due(), Some(now + pace));
        assert_eq!(gather.take_progress(now, true), Some(json!({"records_processed": 3, "message": "half"})));
        assert_eq!((gather.take_progress(now + pace * 3, true), gather.due()), (None, None));
    }

    #[test]
    fn output_is_cut_after_lines_and_never_in_a_character() {
        let mut gather = Gather::new(Duration::ZERO);
        let now = Instant::now();
        let line = format!("{}\n", "ä".repeat(99_999));
        let full = gather.output(Stream::Stdout, &line.repeat(3), now);
        assert_eq!(full, [json!({"output": line.repeat(2), "stream": "stdout"})]);
        assert_eq!(gather.due(), Some(now + TICK));
        let full = gather.output(Stream::Stderr, &"€".repeat(CHUNK), now);
        assert_eq!(full[0], json!({"output": line, "stream": "stdout"}));
        let rest = gather.take_output().unwrap();
        let texts: String = full[1..].iter().chain([&rest]).map(|data| data["output"].as_str().unwrap()).collect();
        assert_eq!(texts, "€".repeat(CHUNK));
        assert!(full[1..].iter().all(|data| data["output"].as_str().unwrap().len() <= CHUNK));
        assert_eq!(gather.due(), None);
    }
}
