//! Gathers what a command writes into the events of its job.

use chrono::{SecondsFormat, Utc};
use serde_json::{Map, Value, json};

use super::lines::Stream;
use super::marks::Mark;
use crate::cli::telling::Source;
use crate::job::JobId;

/// Output that waits in one stream before the main thread stops reading until the next tick: 512 KiB. With the piece that is read
/// last, an event stays below the ledger's 1 MiB.
const FULL: usize = 512 * 1024;

/// The reports since the last tick.
#[derive(Debug)]
pub(super) struct Gather {
    source: Source,
    job: JobId,
    stdout: String,
    stderr: String,
    /// Items and notes, in order.
    marks: Vec<Value>,
    /// The newest value of each member.
    progress: Map<String, Value>,
}

impl Gather {
    /// Nothing yet, for `job`.
    pub(super) fn new(source: Source, job: JobId) -> Gather {
        let (stdout, stderr) = (String::new(), String::new());
        Gather { source, job, stdout, stderr, marks: Vec::new(), progress: Map::new() }
    }

    /// The job.
    pub(super) fn job(&self) -> &JobId {
        &self.job
    }

    /// A new event of the job, which happens now.
    pub(super) fn event(&self, event_type: &str, data: Value) -> Value {
        let mut event = self.source.event(event_type, &self.job, data);
        // A report may be delivered much later.
        event["time"] = Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true).into();
        event
    }

    /// Adds output.
    pub(super) fn output(&mut self, stream: Stream, text: &str) {
        match stream {
            Stream::Stdout => self.stdout.push_str(text),
            Stream::Stderr => self.stderr.push_str(text),
        }
    }

    /// Adds a report.
    pub(super) fn mark(&mut self, mark: Mark) {
        match mark {
            Mark::Progress(members) => self.progress.extend(members),
            Mark::Item(data) => self.marks.push(self.event("job.item_result", data)),
            Mark::Note(data) => self.marks.push(self.event("job.noted", data)),
        }
    }

    /// Whether no more fits before the next tick.
    pub(super) fn is_full(&self) -> bool {
        self.stdout.len() >= FULL || self.stderr.len() >= FULL || self.marks.len() >= crate::wire::MAX_BATCH
    }

    /// Takes the events: at most one of output for each stream, the items and notes, and at most one of progress.
    pub(super) fn take(&mut self) -> Vec<Value> {
        let (stdout, stderr) = (std::mem::take(&mut self.stdout), std::mem::take(&mut self.stderr));
        let output = |(stream, output): (Stream, String)| {
            self.event("job.hook_output", json!({ "output": output, "stream": stream.name() }))
        };
        let streams = [(Stream::Stdout, stdout), (Stream::Stderr, stderr)];
        let mut events: Vec<Value> = streams.into_iter().filter(|(_, output)| !output.is_empty()).map(output).collect();
        events.append(&mut self.marks);
        if !self.progress.is_empty() {
            let data = std::mem::take(&mut self.progress);
            events.push(self.event("job.progress", data.into()));
        }
        events
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tick_has_one_event_a_stream_and_the_newest_progress() {
        let source = Source { source: "/test".into() };
        let mut gather = Gather::new(source, "a".parse().unwrap());
        assert!(gather.take().is_empty());
        gather.output(Stream::Stderr, "warned\n");
        for n in 0..100 {
            gather.output(Stream::Stdout, &format!("{n}\n"));
            gather.mark(Mark::Progress(Map::from_iter([("records_processed".into(), n.into())])));
        }
        gather.mark(Mark::Progress(Map::from_iter([("message".into(), "half".into())])));
        gather.mark(Mark::Note(json!({"text": "x"})));
        let events = gather.take();
        let types: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
        assert_eq!(types, ["job.hook_output", "job.hook_output", "job.noted", "job.progress"]);
        assert_eq!(events[3]["data"], json!({"records_processed": 99, "message": "half"}));
        assert!(gather.take().is_empty());
    }
}
