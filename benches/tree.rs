//! The cost of the tree in a commit, beside the rows and the sync: read the leaves back, grow the tree, sign the checkpoint, and
//! check the stored checkpoint. Commits of several sizes, on logs of several sizes.
//!
//! `cargo bench --bench tree [-- --quick]`

mod support;

use std::path::Path;
use std::time::{Duration, Instant};

use jobledger::job::{Kind, OrgId, Position, Time};
use jobledger::log::{Error, NewEvent, StreamId, Writer};
use jobledger::tree::{Checkpoint, Frontier, SigningKey};
use support::{LIFE, Table, folder, median, probe, size};

const ORIGIN: &str = "bench.example/log";
/// Events in a commit: alone, as many as 64 connections bring, and batches.
const COMMITS: [usize; 4] = [1, 32, 100, 1000];

fn main() {
    let (sizes, commits): (&[u64], usize) =
        size((&[10_000, 1_000_000, 5_000_000], 100), (&[10_000, 100_000], 20), (&[1_000, 2_000], 2));
    let folder = folder();
    let mut log = Log::create(&folder.path().join("log.db"));
    probe("before");
    let mut table =
        Table::new(["events in the log", "events a commit", "rows, µs", "tree, µs", "COMMIT, µs", "the tree's part"]);
    for size in sizes.iter().copied() {
        while log.size() < size {
            log.commit(1000);
        }
        for events in COMMITS {
            let spent: Vec<[f64; 3]> = (0..commits).map(|_| log.commit(events)).collect();
            let [rows, tree, commit] = [0, 1, 2].map(|part| median(&spent.iter().map(|s| s[part]).collect::<Vec<_>>()));
            let part = format!("{:.0} %", 100.0 * tree / (rows + tree + commit));
            let cells = [rows, tree, commit].map(|micros| format!("{micros:.0}"));
            let [rows, tree, commit] = cells;
            table.row([size.to_string(), events.to_string(), rows, tree, commit, part]);
        }
    }
    table.print();
    probe("after");
}

/// A log and the edge of its tree, as the writer thread of a ledger holds them.
struct Log {
    writer: Writer,
    key: SigningKey,
    edge: Frontier,
    job: Option<(StreamId, u64)>,
}

impl Log {
    fn create(path: &Path) -> Log {
        let writer = Writer::open(path, false, |_, _| Ok::<_, Error>(())).expect("a new log");
        let key = SigningKey::from_seed(ORIGIN, &[7; 32]).expect("a key");
        Log { writer, key, edge: Frontier::EMPTY, job: None }
    }

    fn size(&self) -> u64 {
        self.edge.leaves()
    }

    /// Commits so many events. Returns the microseconds that the rows, the tree and the `COMMIT` took.
    fn commit(&mut self, events: usize) -> [f64; 3] {
        let first = self.size();
        let leaves: Vec<String> = (first..first + events as u64).map(leaf).collect();
        self.writer.begin().expect("one writer");
        let [rows, tree] = [Log::rows, Log::tree].map(|part| {
            let started = Instant::now();
            part(self, &leaves);
            started.elapsed()
        });
        let started = Instant::now();
        self.writer.commit().expect("the disk takes it");
        [rows, tree, started.elapsed()].map(|took: Duration| took.as_secs_f64() * 1e6)
    }

    fn rows(&mut self, leaves: &[String]) {
        for (position, leaf) in (self.size()..).zip(leaves) {
            // Position 0 is the genesis event.
            let (stream, prev) = match self.job {
                Some((stream, before)) if before % LIFE as u64 != 0 => (Some(stream), before),
                _ if position == 0 => (None, 0),
                _ => {
                    let job = uuid::Uuid::new_v4().to_string().parse().expect("a job's id");
                    (Some(self.writer.new_stream(OrgId::default(), &job, Kind::Task).expect("a new job")), 0)
                }
            };
            self.job = stream.map(|stream| (stream, position));
            self.writer
                .append(&NewEvent {
                    position: Position::new(position),
                    leaf: leaf.as_bytes(),
                    content: Some((
                        br#"{"progress":14,"current_step":"Synchronising users","records_processed":1000}"#,
                        &[7; 32],
                    )),
                    job: stream.map(|stream| (OrgId::default(), stream, Kind::Task, Position::new(prev))),
                    source: "/workers/sync-1",
                    id: &uuid::Uuid::now_v7().to_string(),
                    event_type: "job.progress",
                    version: 1,
                    recorded: Time::from_micros(position as i64),
                })
                .expect("it follows the newest");
        }
    }

    /// The same steps as `src/ledger/commit/seal.rs` between the rows and the `COMMIT`.
    fn tree(&mut self, leaves: &[String]) {
        let mut written = leaves.iter();
        let grown = self.writer.grow(&self.edge, |_, leaf| {
            assert_eq!(written.next().map(String::as_bytes), Some(leaf));
            Ok::<_, Error>(())
        });
        self.edge = grown.expect("the nodes are taken");
        let head = self.edge.head().expect("a tree of events");
        let note = Checkpoint { origin: ORIGIN.into(), head }.sign(&[&self.key]).expect("a checkpoint");
        self.writer.add_checkpoint(head.size, note.as_bytes()).expect("the checkpoint is taken");
        let stored = self.writer.reader().checkpoint().expect("the log is read").expect("a checkpoint");
        let note = std::str::from_utf8(&stored.note).expect("text");
        let known = [self.key.verifier().clone()];
        assert_eq!(Checkpoint::open(note, ORIGIN, &known).expect("its own signature").head, head);
    }
}

/// A leaf of the same length as in the append bench.
fn leaf(position: u64) -> String {
    format!(
        r#"{{"specversion":"1.0","id":"01a209e4-4ee5-75b3-ba70-386ac5525792","source":"/workers/sync-1","type":"job.progress","subject":"7d4e9e0c-6c33-4e6c-9d2c-0b8e2a6c1f55","time":"2026-11-23T19:31:27.077536Z","datacontenttype":"application/json","dataschema":"/schema/events/job.progress.v1.json","position":"{position}","recordedtime":"2026-11-23T19:31:27.077536Z","actor":"bench","orgid":"00000000-0000-0000-0000-000000000000","jobkind":"task","datadigest":"7204813b88da3469d9b37525eab7411cea611dd13401dd13e609fb07d86ac348","prev":"{position}"}}"#
    )
}
