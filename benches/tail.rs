//! Tails: how many events tails deliver while appends run, and how much the tails slow the appends down.
//!
//! `cargo bench --bench tail [-- --quick]`

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jobledger::access::Role;
use support::{
    BenchServer, Compared, Connection, Table, client, folder, get, median, probe, run_round, running_jobs, singles,
    size, thousands, token,
};
use tokio::io::AsyncReadExt;
use tokio::task::JoinSet;
use uuid::Uuid;

const CONNECTIONS: usize = 16;
/// The path that the n-th watcher requests.
type Path<'a> = &'a dyn Fn(usize) -> String;
/// Longest wait for a watcher to see everything.
const PATIENCE: Duration = Duration::from_secs(120);

fn main() {
    let (rounds, scale) = size((7, 1), (3, 4), (1, 100));
    let folder = folder();
    let server_folder = folder.path().join("ledger");
    let server = BenchServer::start(&server_folder);
    let client = client();
    // The jobs have not ended, because the server closes a tail of an ended job at once.
    let jobs = client
        .block_on(async { running_jobs(&mut Connection::open(server.address()).await, &server.token, 1_000).await });
    probe("before");

    println!("\nwatchers of the whole log, {CONNECTIONS} connections that append one event a request");
    let mut table = Table::new([
        "watchers",
        "delivered, events/s",
        "appends/s",
        "appends/s without",
        "slower by",
        "last seen after, ms",
    ]);
    for (watchers, appends) in [(1, 32_000), (100, 16_000), (1_000, 1_600)] {
        let all = |_| "/ledger/events".to_owned();
        let seen = client.block_on(compare(&server, &server.token, watchers, appends / scale, rounds, &all, true));
        table.row([
            watchers.to_string(),
            thousands(median(&seen.delivered)),
            thousands(seen.with.rate()),
            thousands(seen.without.rate()),
            seen.slower(),
            format!("{:.0}", 1e3 * median(&seen.behind)),
        ]);
    }
    table.print();

    println!("idle watchers: their filters show no event of the bench");
    let mut table = Table::new(["watchers", "watching", "appends/s", "appends/s without", "slower by"]);
    let one_job = |n: usize| format!("/ledger/jobs/{}/events", jobs[n % jobs.len()]);
    let same = |path: &str| {
        let path = path.to_owned();
        move |_| path.clone()
    };
    let (kind, types) = (same("/ledger/events?kind=rule"), same("/ledger/events?type=job.failed&type=job.cancelled"));
    // The bench appends no event that these filters show. Each watcher has a filter of its own.
    let job = |n: usize| format!("/ledger/events?job=absent-{n}&type=job.noted");
    let other_org = |n: usize| format!("/ledger/events?org={}", Uuid::from_u128(n as u128 + 1));
    let auditor = token(&server_folder, Role::Auditor);
    let idle: [(_, _, Path<'_>); 5] = [
        ("a job each, live", &server.token, &one_job),
        ("one kind of job", &server.token, &kind),
        ("two types", &server.token, &types),
        ("a job each of any organisation", &auditor, &job),
        ("an organisation each", &auditor, &other_org),
    ];
    for (name, token, path) in idle {
        let seen = client.block_on(compare(&server, token, 1_000, 32_000 / scale, rounds, path, false));
        let (with, without) = (thousands(seen.with.rate()), thousands(seen.without.rate()));
        table.row(["1000".to_owned(), name.to_owned(), with, without, seen.slower()]);
    }
    table.print();
    probe("after");
}

async fn compare(
    server: &BenchServer,
    watcher: &str,
    watchers: usize,
    appends: usize,
    rounds: usize,
    path: Path<'_>,
    expects: bool,
) -> Compared {
    let mut seen = Compared::default();
    for _ in 0..rounds {
        seen.without.add(run_round(server.address(), singles(CONNECTIONS, appends / CONNECTIONS, &server.token)).await);
        let frames = Arc::new(AtomicU64::new(0));
        let mut open = JoinSet::new();
        for n in 0..watchers {
            let request = get(&path(n), watcher, "text/event-stream");
            let stream = Connection::open(server.address()).await.start(&request).await;
            open.spawn(watch(stream, frames.clone()));
        }
        // The server counts a tail once the tail listens. The first frame of a tail holds no event.
        wait_for(|| server.ledger.metrics().tails.get() >= watchers as i64).await;
        let (started, before) = (Instant::now(), frames.load(Ordering::Relaxed));
        let round = run_round(server.address(), singles(CONNECTIONS, appends / CONNECTIONS, &server.token)).await;
        let (took, expected) = (round.took, if expects { (round.requests * watchers) as u64 } else { 0 });
        seen.with.add(round);
        wait_for(|| frames.load(Ordering::Relaxed) - before >= expected).await;
        let all = started.elapsed();
        seen.delivered.push(expected as f64 / all.as_secs_f64());
        seen.behind.push(all.saturating_sub(took).as_secs_f64());
        open.shutdown().await;
        wait_for(|| server.ledger.metrics().tails.get() == 0).await;
    }
    seen
}

async fn wait_for(done: impl Fn() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < PATIENCE, "the watchers have not seen everything");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Counts the events of a stream by its newlines, which is cheaper than parsing. A frame with an event has four newlines without a
/// carriage return, and the first frame has two. The head and the lengths of chunks have a carriage return before each newline.
async fn watch(mut stream: tokio::net::TcpStream, frames: Arc<AtomicU64>) {
    let mut buffer = vec![0; 256 * 1024];
    let (mut newlines, mut counted) = (0, 0);
    loop {
        let Ok(read) = stream.read(&mut buffer).await else { return };
        if read == 0 {
            return;
        }
        let count = |byte: u8| buffer[..read].iter().filter(|found| **found == byte).count() as i64;
        newlines += count(b'\n') - count(b'\r');
        let events = ((newlines - 2) / 4).max(0) as u64;
        frames.fetch_add(events - counted, Ordering::Relaxed);
        counted = events;
    }
}
