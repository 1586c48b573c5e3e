//! Replay: events folded from `log.db`, and views made from nothing, against a bare scan of the same rows.
//!
//! `cargo bench --bench replay [-- --quick]`

mod support;

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

use jobledger::job::{Job, JobKey, Position};
use jobledger::log::{Error, Reader};
use jobledger::{views, wire};
use support::{BenchServer, LIFE, Table, client, fill, folder, median, per_second, percent, probe, quick, thousands};

fn main() {
    let (rounds, events) = if quick() { (3, 100_000) } else { (3, 1_000_000) };
    let folder = folder();
    let path = folder.path().join("ledger");
    let server = BenchServer::start(&path);
    client().block_on(fill(&server.ledger, events / LIFE));
    drop(server);
    let log = path.join("log.db");
    probe("before");

    type Way = fn(&Path, &Path);
    let ways: [(&str, Way); 5] = [
        ("scan, rows only", |log, _| scan(log)),
        ("scan that parses leaf and data as JSON", |log, _| parse(log)),
        ("read as events", |log, _| decode(log)),
        ("read and fold into jobs", |log, _| fold(log)),
        ("rebuild: fold, view tables, indexes, sync", rebuild),
    ];
    let mut took: [Vec<f64>; 5] = Default::default();
    for _ in 0..rounds {
        for ((_, way), took) in ways.iter().zip(&mut took) {
            let started = Instant::now();
            way(&log, &folder.path().join("views.new"));
            took.push(started.elapsed().as_secs_f64());
        }
    }
    let bare = median(&took[1]);
    println!("\n{events} events in jobs of {LIFE}");
    let mut table = Table::new(["way", "s", "events/s", "of the scan that parses"]);
    for ((name, _), took) in ways.iter().zip(&took) {
        let middle = median(took);
        let rate = per_second(events, Duration::from_secs_f64(middle));
        table.row([(*name).to_owned(), format!("{middle:.2}"), thousands(rate), percent(bare, middle)]);
    }
    table.print();
    probe("after");
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
    views::rebuild(&Reader::new(&conn), views, |_| {}).expect("the views are made");
}
