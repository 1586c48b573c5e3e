//! Replay: events folded from `log.db`, and views made from nothing, against a bare scan of the same rows. Audit: `verify` of
//! an export and of the folder, against SHA-256 and JSON parsing of the same bytes.
//!
//! `cargo bench --bench replay [-- --quick]`

mod support;

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

use jobledger::audit::{Auditor, audit_database, audit_export};
use jobledger::job::{Job, JobKey, Position};
use jobledger::ledger::{Folder, export};
use jobledger::log::{Error, Reader};
use jobledger::memory::{self, Budget};
use jobledger::{views, wire};
use sha2::{Digest, Sha256};
use support::{BenchServer, LIFE, Table, client, fill, folder, median, per_second, percent, probe, size, thousands};

fn main() {
    let (rounds, events) = size((3, 1_000_000), (3, 100_000), (1, 2_000));
    let folder = folder();
    let path = folder.path().join("ledger");
    let server = BenchServer::start(&path);
    client().block_on(fill(&server.ledger, events / LIFE));
    drop(server);
    let log = path.join("log.db");
    probe("before");

    let exported = folder.path().join("export.ndjson");
    let conn = Reader::open(&log).expect("the log opens");
    let mut out = BufWriter::new(File::create(&exported).expect("the export can be written"));
    export(&Reader::new(&conn), None, None, &mut out, |_| {}).expect("the log is exported");
    drop((conn, out));

    println!("\n{events} events in jobs of {LIFE}");
    let rebuilt = folder.path().join("views.new");
    let replays: [Way<'_>; 5] = [
        ("scan that parses leaf and data as JSON", Box::new(|| parse(&log))),
        ("scan, rows only", Box::new(|| scan(&log))),
        ("read as events", Box::new(|| decode(&log))),
        ("read and fold into jobs", Box::new(|| fold(&log))),
        ("rebuild: fold, view tables, indexes, sync", Box::new(|| rebuild(&log, &rebuilt))),
    ];
    compare(rounds, events, "of the scan that parses", &replays);
    let audits: [Way<'_>; 3] = [
        ("scan, SHA-256 and JSON of leaf and data", Box::new(|| hash_and_parse(&log))),
        ("verify export", Box::new(|| verify_export(&exported))),
        ("verify db, views included", Box::new(|| verify_db(&path))),
    ];
    compare(rounds, events, "of SHA-256 and JSON", &audits);
    probe("after");
}

/// A way to process all events: its name, and the function that does it.
type Way<'a> = (&'a str, Box<dyn Fn() + 'a>);

/// Runs the ways in turn, and shows the speed of each as a percentage of the first.
fn compare(rounds: usize, events: usize, of_first: &str, ways: &[Way<'_>]) {
    let mut took = vec![Vec::new(); ways.len()];
    for _ in 0..rounds {
        for ((_, way), took) in ways.iter().zip(&mut took) {
            let started = Instant::now();
            way();
            took.push(started.elapsed().as_secs_f64());
        }
    }
    let bare = median(&took[0]);
    let mut table = Table::new(["way", "s", "events/s", of_first]);
    for ((name, _), took) in ways.iter().zip(&took[..]) {
        let middle = median(took);
        let rate = per_second(events, Duration::from_secs_f64(middle));
        table.row([(*name).to_owned(), format!("{middle:.2}"), thousands(rate), percent(bare, middle)]);
    }
    table.print();
}

/// Gives `each` the leaf and data of every event.
fn rows(log: &Path, mut each: impl FnMut(Position, &[u8], &[u8])) {
    let conn = Reader::open(log).expect("the log opens");
    let read = Reader::new(&conn).scan(Position::GENESIS, u64::MAX >> 1, |row| {
        each(row.position, row.leaf, row.data.unwrap_or_default());
        Ok::<_, Error>(ControlFlow::Continue(()))
    });
    read.expect("the log is read");
}

fn scan(log: &Path) {
    let mut bytes = 0;
    rows(log, |_, leaf, data| bytes += leaf.len() + data.len());
    assert!(bytes > 0);
}

fn parse(log: &Path) {
    rows(log, |_, leaf, data| {
        let leaf: serde_json::Value = serde_json::from_slice(leaf).expect("JSON");
        let data: serde_json::Value = serde_json::from_slice(data).expect("JSON");
        assert!(leaf.is_object() && data.is_object());
    });
}

fn decode(log: &Path) {
    let mut facts = 0;
    rows(log, |position, leaf, data| {
        facts += usize::from(wire::fact(position, leaf, Some(data)).expect("an event").is_some());
    });
    assert!(facts > 0);
}

fn fold(log: &Path) {
    let mut jobs: HashMap<JobKey, Job> = HashMap::new();
    rows(log, |position, leaf, data| {
        let Some(fact) = wire::fact(position, leaf, Some(data)).expect("an event") else { return };
        match jobs.get_mut(&fact.key) {
            Some(job) => drop(job.apply(fact).expect("it was decided")),
            None => drop(jobs.insert(fact.key.clone(), Job::begin(fact).expect("it was decided"))),
        }
    });
    assert!(!jobs.is_empty());
}

fn rebuild(log: &Path, views: &Path) {
    let conn = Reader::open(log).expect("the log opens");
    views::rebuild(&Reader::new(&conn), views, &Budget::new(memory::COMMAND), |_| {}).expect("the views are made");
}

fn hash_and_parse(log: &Path) {
    let mut hash = Sha256::new();
    rows(log, |_, leaf, data| {
        hash.update(leaf);
        hash.update(data);
        let leaf: serde_json::Value = serde_json::from_slice(leaf).expect("JSON");
        let data: serde_json::Value = serde_json::from_slice(data).expect("JSON");
        assert!(leaf.is_object() && data.is_object());
    });
    assert_ne!(hash.finalize().as_slice(), [0; 32]);
}

fn verify_export(file: &Path) {
    let mut auditor = Auditor::new(None);
    let lines = BufReader::with_capacity(1 << 20, File::open(file).expect("the export opens"));
    audit_export(lines, &mut auditor, |_| {}).expect("the export is read");
    assert_eq!(auditor.finish().faulty, 0);
}

fn verify_db(folder: &Path) {
    let (mut auditor, folder) = (Auditor::new(None), Folder::new(folder));
    audit_database(&folder.log(), &folder.views(), &mut auditor, |_, _| {}).expect("the folder is read");
    let report = auditor.finish();
    assert_eq!(report.faulty, 0);
    assert!(report.unchecked.is_empty(), "{:?}", report.unchecked);
}
