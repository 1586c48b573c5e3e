//! A reconnect storm: all tails connect again with `Last-Event-ID` after a restart of the server, while clients append.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::support::{
    Connection, Follows, Round, Table, Watchers, get_after, latencies, percentile, progress_at_random,
    progress_of_each, run_paced_while,
};
use crate::{Bench, CONNECTIONS, Served};

/// Appends a second.
const RATE: u32 = 400;
/// Jobs that the appends report about.
const JOBS: usize = 100;
/// The longest measurement.
const LONGEST: Duration = Duration::from_secs(30);

pub fn measure(bench: &Bench) {
    println!(
        "\nall tails, of a job each, connect again after a restart; {CONNECTIONS} connections append {RATE} events/s"
    );
    let mut table = Table::new([
        "tails",
        "missed events each",
        "all are back after, s",
        "append before, p50 / p99 / p99.9 / most, ms",
        "append meanwhile",
        "p99, times that of before",
    ]);
    for missed in [0, 1] {
        table.row(bench.client.block_on(row(bench, missed)));
    }
    table.print();
}

async fn row(bench: &Bench, missed: u64) -> [String; 6] {
    let name = format!("storm {missed}");
    let served = bench.serve(&name, &[], None);
    let (busy, quiet) = (served.running_jobs(JOBS).await, served.running_jobs(bench.tails).await);
    let watchers = Watchers::begun(&served.to, served.tails_of(&quiet), Follows::Some).await;
    let ends = Instant::now() + bench.spell();
    let before = append_while(&served, &busy, move || Instant::now() < ends).await;
    served.serving.ask_to_stop();
    let seen = watchers.all_end().await;
    served.serving.stopped();

    let served = bench.serve(&name, &[], None);
    for _ in 0..missed {
        progress_of_each(&mut Connection::over(served.to.connect().await), &served.token, &quiet).await;
    }
    let requests = quiet
        .iter()
        .zip(&seen)
        .map(|(job, seen)| get_after(&format!("/ledger/jobs/{job}/events"), &served.token, *seen));
    let requests: Vec<_> = requests.collect();
    let (appending, are_back) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
    let go_on = {
        let (appending, are_back) = (appending.clone(), are_back.clone());
        move || {
            appending.notify_one();
            !are_back.load(Ordering::Relaxed)
        }
    };
    let back = async {
        // The clients that append are connected before the watchers come.
        appending.notified().await;
        let started = Instant::now();
        let watchers = Watchers::open(&served.to, requests, Follows::Some, &seen);
        watchers.all_begin().await;
        watchers.all_see(missed * quiet.len() as u64).await;
        are_back.store(true, Ordering::Relaxed);
        started.elapsed()
    };
    let (meanwhile, took) = tokio::join!(append_while(&served, &busy, go_on), back);
    let p99 = |round: &Round| percentile(&round.latencies, 0.99).map_or(f64::NAN, |found| found.as_secs_f64());
    [
        bench.tails.to_string(),
        missed.to_string(),
        format!("{:.1}", took.as_secs_f64()),
        latencies(&before.latencies),
        latencies(&meanwhile.latencies),
        format!("{:.1}", p99(&meanwhile) / p99(&before)),
    ]
}

async fn append_while(served: &Served, jobs: &[String], go_on: impl Fn() -> bool + Clone + Send + 'static) -> Round {
    let pause = Duration::from_secs(1) * CONNECTIONS as u32 / RATE;
    let each = LONGEST.as_millis() / pause.as_millis();
    let requests = progress_at_random(CONNECTIONS, each as usize, &served.token, jobs);
    run_paced_while(served.serving.address, requests, pause, go_on).await
}
