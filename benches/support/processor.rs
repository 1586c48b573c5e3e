//! Processor time by thread. On a machine that others use, processor time drifts far less than rates.

use std::collections::BTreeMap;
use std::fs;

/// What this process has used so far. Empty on a system without `/proc`.
#[derive(Clone, Default)]
pub struct Processor {
    /// The name of each thread, and the nanoseconds that it has run.
    threads: BTreeMap<String, (String, u64)>,
    /// Bytes written to files.
    written: u64,
}

impl Processor {
    pub fn now() -> Processor {
        let threads = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
        let read = |file: &str, thread: &fs::DirEntry| fs::read_to_string(thread.path().join(file)).ok();
        let io = fs::read_to_string("/proc/self/io").unwrap_or_default();
        let written = io.lines().find_map(|line| line.strip_prefix("write_bytes: ")?.parse().ok()).unwrap_or_default();
        Processor {
            written,
            threads: threads
                .filter_map(|thread| {
                    let name = read("comm", &thread)?.trim_end().to_owned();
                    let ran = read("schedstat", &thread)?.split(' ').next()?.parse().ok()?;
                    Some((thread.file_name().to_string_lossy().into_owned(), (name, ran)))
                })
                .collect(),
        }
    }
}

/// The processor time of the rounds of one measured thing, by part, and the bytes written.
#[derive(Default)]
pub struct Spent {
    parts: BTreeMap<&'static str, u64>,
    events: usize,
    written: u64,
}

impl Spent {
    /// The parts, in the order of [`Spent::cells`].
    pub const PARTS: [&'static str; 4] = ["client", "HTTP", "writer", "projector"];

    /// Adds the time since `before`, in which `events` events were appended.
    pub fn add(&mut self, before: &Processor, events: usize) {
        self.events += events;
        let now = Processor::now();
        self.written += now.written - before.written;
        for (thread, (name, ran)) in now.threads {
            // The client runs on the bench's main thread, which has the name of the program.
            let part = match name.as_str() {
                "writer" => "writer",
                "projector" => "projector",
                name if name.starts_with("tokio") => "HTTP",
                _ => "client",
            };
            *self.parts.entry(part).or_default() += ran - before.threads.get(&thread).map_or(0, |(_, ran)| *ran);
        }
    }

    /// KiB written to files, an event.
    pub fn kib_written(&self) -> String {
        format!("{:.1}", self.written as f64 / 1024.0 / self.events as f64)
    }

    /// Microseconds an event: the sum, then each part.
    pub fn cells(&self) -> [String; 5] {
        let each = |nanos: u64| format!("{:.1}", nanos as f64 / 1e3 / self.events as f64);
        let part = |name: &str| self.parts.get(name).copied().unwrap_or(0);
        let [client, http, writer, projector] = Spent::PARTS.map(part);
        [client + http + writer + projector, client, http, writer, projector].map(each)
    }
}
