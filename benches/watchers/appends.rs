//! How much slower tails make appends: idle ones, busy ones, and at rates that this machine carries.

use std::time::{Duration, Instant};

use crate::support::{
    Compared, Follows, Round, Table, Watchers, median, progress_at_random, run_paced, run_round, size, thousands,
};
use crate::{Bench, CONNECTIONS, Served};

/// Running jobs that the appends report about.
const JOBS: usize = 1_000;

/// The watchers of one row.
struct Watching {
    name: &'static str,
    requests: Vec<Vec<u8>>,
    follows: Follows,
    /// Tails that show an event.
    shown_by: usize,
}

pub fn measure(bench: &Bench) {
    let served = bench.serve("appends", &[], None);
    let (jobs, quiet) = bench
        .client
        .block_on(async { (served.running_jobs(JOBS.min(bench.busy)).await, served.running_jobs(bench.tails).await) });
    println!("\n{CONNECTIONS} connections append one event a request, as fast as the server answers");
    let mut table = Table::new([
        "tails",
        "of",
        "appends/s",
        "appends/s without",
        "slower by",
        "delivered, events/s",
        "last seen after, ms",
    ]);
    for watching in at_full_rate(bench, &served, &jobs, &quiet) {
        let seen = bench.client.block_on(compare(bench, &served, &jobs, &watching));
        table.row([
            watching.requests.len().to_string(),
            watching.name.to_owned(),
            thousands(seen.with.rate()),
            thousands(seen.without.rate()),
            seen.slower(),
            thousands(median(&seen.delivered)),
            format!("{:.0}", 1e3 * median(&seen.behind)),
        ]);
    }
    table.print();
    paced(bench, &served, &jobs);
}

fn at_full_rate(bench: &Bench, served: &Served, jobs: &[String], quiet: &[String]) -> [Watching; 4] {
    // The bench appends no event of these types.
    let types = |_| "/ledger/events?type=job.failed&type=job.cancelled".to_owned();
    let some = |name, requests, shown_by| Watching { name, requests, follows: Follows::Some, shown_by };
    [
        some("a quiet job each", served.tails_of(quiet), 0),
        some("two types that do not occur", served.tails(bench.tails, types), 0),
        some("a busy job each", served.tails_of(jobs), 1),
        all_events(served, bench.busy),
    ]
}

fn all_events(served: &Served, tails: usize) -> Watching {
    let requests = served.tails(tails, |_| "/ledger/events".to_owned());
    Watching { name: "all events", requests, follows: Follows::Each, shown_by: tails }
}

/// Appends at rates at which the machine delivers every event to every tail.
fn paced(bench: &Bench, served: &Served, jobs: &[String]) {
    println!("{CONNECTIONS} connections append one event a request at a steady rate; every tail shows all events");
    let mut table = Table::new([
        "tails",
        "appends/s",
        "append without, p50 / p99 / p99.9 / most, ms",
        "with tails",
        "delivered, events/s",
        "last seen after, ms",
    ]);
    let rates = size([200, 1_000, 20, 100], [200, 1_000, 200, 1_000], [1_000; 4]);
    for (tails, rate) in [bench.busy, bench.busy, bench.tails, bench.tails].into_iter().zip(rates) {
        let watching = all_events(served, tails);
        let mut seen = bench.client.block_on(compare_paced(bench, served, jobs, &watching, rate));
        table.row([
            tails.to_string(),
            rate.to_string(),
            seen.without.latencies(),
            seen.with.latencies(),
            thousands(median(&seen.delivered)),
            format!("{:.0}", 1e3 * median(&seen.behind)),
        ]);
    }
    table.print();
}

async fn compare(bench: &Bench, served: &Served, jobs: &[String], watching: &Watching) -> Compared {
    let appends = bench.appends / CONNECTIONS / if watching.shown_by > 1 { 10 } else { 1 };
    let round = || run_round(served.serving.address, progress_at_random(CONNECTIONS, appends, &served.token, jobs));
    compare_rounds(bench.rounds, served, watching, round).await
}

async fn compare_paced(bench: &Bench, served: &Served, jobs: &[String], watching: &Watching, rate: u32) -> Compared {
    let pause = Duration::from_secs(1) * CONNECTIONS as u32 / rate;
    let each = (bench.spell().as_secs_f64() * f64::from(rate)) as usize / CONNECTIONS + 1;
    let requests = || progress_at_random(CONNECTIONS, each, &served.token, jobs);
    compare_rounds(bench.rounds, served, watching, || run_paced(served.serving.address, requests(), pause)).await
}

async fn compare_rounds<F: Future<Output = Round>>(
    rounds: usize,
    served: &Served,
    watching: &Watching,
    round: impl Fn() -> F,
) -> Compared {
    let mut seen = Compared::default();
    for _ in 0..rounds {
        seen.without.add(round().await);
        let watchers = Watchers::begun(&served.to, watching.requests.clone(), watching.follows).await;
        let started = Instant::now();
        let round = round().await;
        let (appended, expected) = (Instant::now(), (round.requests * watching.shown_by) as u64);
        seen.with.add(round);
        watchers.all_see(expected).await;
        seen.delivered.push(expected as f64 / started.elapsed().as_secs_f64());
        seen.behind.push(appended.elapsed().as_secs_f64());
        drop(watchers);
        served.until_open(0).await;
    }
    seen
}
