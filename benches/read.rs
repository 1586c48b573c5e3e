//! Reads over HTTP: of now, each against a bare axum route that answers a constant of the same size; and of the past of long jobs.
//!
//! `cargo bench --bench read [-- [--quick] [--only "one job"]]`; `--only past` for the past of all long jobs, and `--only "past,
//! progress"` for that of one.

mod support;

use support::{
    BenchServer, Connection, LongJob, Processor, Reports, Series, Spent, Table, client, constant_server, fill, folder,
    get, latency, of, option, probe, run_round, size, thousands,
};

const CONNECTIONS: usize = 64;
/// Jobs in the ledger, ten events each.
const JOBS: usize = 20_000;
/// The long jobs.
const LONG: [(&str, Reports); 3] = [
    ("past, progress", Reports::Progress),
    ("past, hook output", Reports::Output),
    ("past, 10,000 items", Reports::Items),
];

fn main() {
    let only = option("only");
    let is_wanted = |name: &str| only.as_ref().is_none_or(|only| only == name);
    probe("before");
    if only.as_ref().is_none_or(|only| !only.starts_with("past")) {
        now(is_wanted);
    }
    past(|name| is_wanted("past") || is_wanted(name));
    probe("after");
}

/// Reads of now, over many connections.
fn now(is_wanted: impl Fn(&str) -> bool) {
    let (rounds, requests, count) = size((9, 64_000, JOBS), (5, 12_800, JOBS), (1, 640, 200));
    let folder = folder();
    let server = BenchServer::start(&folder.path().join("ledger"));
    let client = client();
    let jobs = client.block_on(fill(&server.ledger, count));

    // The requests spread over all jobs and over the whole log.
    let job = |n: usize| format!("/ledger/jobs/{}", jobs[n * 7919 % jobs.len()]);
    let task = |n: usize| format!("/api/v1/jobs/{}", jobs[n * 7919 % jobs.len()]);
    let events = |n: usize| format!("/ledger/events?limit=50&after={}", n * 7919 % (10 * count - 50));
    let list = |_: usize| "/ledger/jobs?first=50".to_owned();
    let reads: [(&str, &dyn Fn(usize) -> String); 4] = [
        ("one job", &job),
        ("one job, documented form", &task),
        ("page of 50 jobs", &list),
        ("page of 50 events", &events),
    ];
    let mut table = Table::new([
        "read",
        "bytes",
        "ledger, requests/s",
        "p50 / p99, ms",
        "constant of the same size",
        "p50 / p99, ms",
        "of the constant",
    ]);
    for (name, path) in reads.into_iter().filter(|(name, _)| is_wanted(name)) {
        let request = |n: usize| get(&path(n), &server.token, "application/json");
        let body = client.block_on(async {
            let mut connection = Connection::open(server.address()).await;
            connection.ask(&request(0)).await;
            connection.body().to_vec()
        });
        let size = body.len();
        let constant = constant_server(body);
        let (mut ours, mut theirs) = (Series::default(), Series::default());
        for _ in 0..rounds {
            for (series, address) in [(&mut ours, server.address()), (&mut theirs, constant.address)] {
                let each = requests / CONNECTIONS;
                let all = (0..CONNECTIONS).map(|c| (0..each).map(|n| request(c * each + n)).collect()).collect();
                series.add(client.block_on(run_round(address, all)));
            }
        }
        table.row([
            name.to_owned(),
            size.to_string(),
            thousands(ours.rate()),
            ours.latencies(),
            thousands(theirs.rate()),
            theirs.latencies(),
            of(&ours.rates, &theirs.rates),
        ]);
    }
    println!("\n{CONNECTIONS} connections, {count} jobs of ten events");
    table.print();
}

/// Reads of the past of long jobs at random positions, over one connection. The server is started anew before them.
fn past(is_wanted: impl Fn(&str) -> bool) {
    let (reads, sizes): (usize, &[u64]) = size((400, &[10_000, 100_000]), (100, &[10_000, 100_000]), (5, &[600]));
    let mut table = Table::new([
        "long job",
        "events",
        "KiB an answer",
        "first read, ms",
        "`as_of`, p50 / p95, ms",
        "HTTP threads, ms a read",
        "diff of 10 events, p50 / p95, ms",
        "memory grew, MiB",
    ]);
    let client = client();
    for ((name, reports), events) in LONG.iter().flat_map(|long| sizes.iter().map(move |events| (long, *events))) {
        if !is_wanted(name) {
            continue;
        }
        let folder = folder();
        let path = folder.path().join("ledger");
        let job = client.block_on(LongJob::append(&BenchServer::start(&path).ledger, *reports, events));
        let server = BenchServer::start(&path);
        let ask = |path: String| get(&path, &server.token, "application/json");
        let as_of = |position: u64| ask(format!("/ledger/jobs/{}?as_of={position}", job.id));
        let diff = |from: u64| {
            let to = (from + 10).min(job.last());
            ask(format!("/ledger/jobs/{}/diff?from={from}&to={to}", job.id))
        };
        let run = |requests: Vec<Vec<u8>>| client.block_on(run_round(server.address(), vec![requests])).latencies;
        let quantiles = |sorted: &[_]| [0.5, 0.95].map(|part| latency(sorted, part)).join(" / ");
        let memory = resident();
        // Of all moments in the past the last one needs the most.
        let latest = as_of(job.last() - 1);
        let first = run(vec![latest.clone()]);
        let bytes = client.block_on(async { Connection::open(server.address()).await.ask(&latest).await });
        let (before, mut spent) = (Processor::now(), Spent::default());
        let took = run((0..reads).map(|_| as_of(job.position())).collect());
        // `Spent` divides into microseconds an event.
        spent.add(&before, reads * 1000);
        let [_, _, http, ..] = spent.cells();
        let grew = resident().saturating_sub(memory);
        let diffs = run((0..reads).map(|_| diff(job.position())).collect());
        table.row([
            name.to_string(),
            events.to_string(),
            bytes.div_ceil(1024).to_string(),
            latency(&first, 0.5),
            quantiles(&took),
            http,
            quantiles(&diffs),
            (grew >> 10).to_string(),
        ]);
    }
    println!("\n1 connection, {reads} reads of each job");
    table.print();
}

/// The memory of this process in KiB, of which the client needs little.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
