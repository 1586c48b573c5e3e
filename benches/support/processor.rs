//! Processor time by thread. On a machine that others use, processor time drifts far less than rates.

use std::collections::BTreeMap;
use std::fs;

/// The nanoseconds that each thread of this process has run so far, and the thread's name. Empty on a system without `/proc`.
#[derive(Clone, Default)]
pub struct Processor(BTreeMap<String, (String, u64)>);

impl Processor {
    pub fn now() -> Processor {
        let threads = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
        let read = |file: &str, thread: &fs::DirEntry| fs::read_to_string(thread.path().join(file)).ok();
        Processor(
            threads
                .filter_map(|thread| {
                    let name = read("comm", &thread)?.trim_end().to_owned();
                    let ran = read("schedstat", &thread)?.split(' ').next()?.parse().ok()?;
                    Some((thread.file_name().to_string_lossy().into_owned(), (name, ran)))
                })
                .collect(),
        )
    }
}

/// The processor time of the rounds of one measured thing, by part.
#[derive(Default)]
pub struct Spent {
    parts: BTreeMap<&'static str, u64>,
    events: usize,
}

impl Spent {
    /// The parts, in the order of [`Spent::cells`].
    pub const PARTS: [&'static str; 4] = ["client", "HTTP", "writer", "projector"];

    /// Adds the time since `before`, in which `events` events were appended.
    pub fn add(&mut self, before: &Processor, events: usize) {
        self.events += events;
        for (thread, (name, ran)) in Processor::now().0 {
            // The client runs on the bench's main thread, which has the name of the program.
            let part = match name.as_str() {
                "writer" => "writer",
                "projector" => "projector",
                name if name.starts_with("tokio") => "HTTP",
                _ => "client",
            };
            *self.parts.entry(part).or_default() += ran - before.0.get(&thread).map_or(0, |(_, ran)| *ran);
        }
    }

    /// Microseconds an event: the sum, then each part.
    pub fn cells(&self) -> [String; 5] {
        let each = |nanos: u64| format!("{:.1}", nanos as f64 / 1e3 / self.events as f64);
        let part = |name: &str| self.parts.get(name).copied().unwrap_or(0);
        let [client, http, writer, projector] = Spent::PARTS.map(part);
        [client + http + writer + projector, client, http, writer, projector].map(each)
    }
}
