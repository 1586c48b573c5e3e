//! Durable appends over HTTP, against a bare axum route over the same kind of SQLite writer, and against SQLite alone.
//!
//! `cargo bench --bench append [-- [--quick] [--connections 64 (0: batches alone)] [--ids v4] [--only ledger|bare]]`
//!
//! The ids of jobs and events are time-ordered UUIDs, as `jobledger` itself makes them. An event gets its id when the client sends
//! it. With `--ids v4` the ids are random, and each event or job changes another page of each index of ids.
//!
//! The bench also shows the processor time of an event, client included. On a machine that others use, processor time drifts far
//! less than rates.

mod support;

use support::{
    BARE_COMMIT, BareWriter, BenchServer, Connection, Jobs, Processor, Series, Spent, Table, bare_commits, client,
    folder, get, median, of, option, per_second, post, probe, queue_server, quick, run_round, singles, thousands,
};

const BATCH: usize = 100;
/// Connections that send batches.
const BATCH_CONNECTIONS: usize = 8;

fn main() {
    let (rounds, scale) = if quick() { (3, 4) } else { (7, 1) };
    let folder = folder();
    let server = BenchServer::start(&folder.path().join("ledger"));
    let bare = queue_server(&folder.path().join("bare.db"));
    let alone = BareWriter::new(&folder.path().join("alone.db"));
    let client = client();
    probe("before");

    let rows: Vec<String> = Jobs::default().take(40_000 / scale).collect();
    let sqlite = |rates: &mut Vec<f64>| {
        rates.push(per_second(rows.len(), bare_commits(&alone, &rows, BARE_COMMIT)));
    };

    let mut table = Table::new([
        "connections",
        "ledger, events/s",
        "p50 / p99, ms",
        "(a) bare axum + SQLite",
        "p50 / p99, ms",
        "of (a)",
        "(b) SQLite alone",
        "of (b)",
        "events a commit",
    ]);
    let mut processor =
        Table::new(["connections", "processor, µs an event", "all", "client", "HTTP", "writer", "projector"]);
    let only_one = option("only");
    let only: Option<usize> = option("connections").map(|n| n.parse().expect("a number of connections"));
    let all = [(1, 4_000), (16, 32_000), (64, 64_000), (256, 64_000)];
    for (connections, requests) in all.into_iter().filter(|(n, _)| only.is_none_or(|only| only == *n)) {
        let (mut ours, mut theirs, mut limit) = (Series::default(), Series::default(), Vec::new());
        let (mut our_spent, mut their_spent) = (Spent::default(), Spent::default());
        let before = Commits::now(&client, &server);
        for _ in 0..rounds {
            for (series, spent, address) in
                [(&mut ours, &mut our_spent, server.address()), (&mut theirs, &mut their_spent, bare.address)]
            {
                // With `--only`, for a profiler: the other server gets one request a connection, so that its cells are not empty.
                let left_out = only_one.as_deref().is_some_and(|one| (one == "bare") != (address == bare.address));
                let requests = if left_out { connections } else { requests / scale };
                let requests = singles(connections, requests / connections, &server.token);
                let before = Processor::now();
                let round = client.block_on(run_round(address, requests));
                spent.add(&before, round.requests);
                series.add(round);
            }
            sqlite(&mut limit);
        }
        let after = Commits::now(&client, &server);
        table.row([
            connections.to_string(),
            thousands(ours.rate()),
            ours.latencies(),
            thousands(theirs.rate()),
            theirs.latencies(),
            of(&ours.rates, &theirs.rates),
            thousands(median(&limit)),
            of(&ours.rates, &limit),
            after.since(&before),
        ]);
        for (who, spent) in [("ledger", our_spent), ("(a)", their_spent)] {
            let [all, client, http, writer, projector] = spent.cells();
            processor.row([connections.to_string(), who.to_owned(), all, client, http, writer, projector]);
        }
    }
    println!("\none event a request");
    table.print();
    processor.print();
    if only.is_some_and(|only| only > 0) {
        return;
    }
    batches(&client, &server, rounds, scale, sqlite).print();
    probe("after");
}

fn batches(
    client: &tokio::runtime::Runtime,
    server: &BenchServer,
    rounds: usize,
    scale: usize,
    sqlite: impl Fn(&mut Vec<f64>),
) -> Table {
    let (mut ours, mut limit) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let requests = batched(100_000 / scale, &server.token);
        let events = requests.iter().map(Vec::len).sum::<usize>() * BATCH;
        let round = client.block_on(run_round(server.address(), requests));
        ours.push(per_second(events, round.took));
        sqlite(&mut limit);
    }
    println!("batches of {BATCH} over {BATCH_CONNECTIONS} connections");
    let mut table = Table::new(["ledger, events/s", "(b) SQLite alone", "of (b)"]);
    table.row([thousands(median(&ours)), thousands(median(&limit)), of(&ours, &limit)]);
    table
}

fn batched(events: usize, token: &str) -> Vec<Vec<Vec<u8>>> {
    let each = events / BATCH / BATCH_CONNECTIONS;
    let batch = |jobs: &mut Jobs| {
        let events: Vec<String> = jobs.take(BATCH).collect();
        post("/ledger/events", token, &format!("[{}]", events.join(",")))
    };
    (0..BATCH_CONNECTIONS)
        .map(|_| {
            let mut jobs = Jobs::default();
            (0..each).map(|_| batch(&mut jobs)).collect()
        })
        .collect()
}

/// The commits of the ledger so far, and the events in them.
struct Commits {
    commits: f64,
    events: f64,
}

impl Commits {
    fn now(client: &tokio::runtime::Runtime, server: &BenchServer) -> Commits {
        let text = client.block_on(async {
            let mut connection = Connection::open(server.address()).await;
            connection.ask(&get("/metrics", &server.token, "*/*")).await;
            String::from_utf8_lossy(connection.body()).into_owned()
        });
        let value = |name: &str| -> f64 {
            let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("a metric of that name");
            line.trim().parse().expect("a number")
        };
        Commits { commits: value("jobledger_commit_events_count "), events: value("jobledger_commit_events_sum ") }
    }

    fn since(&self, before: &Commits) -> String {
        format!("{:.1}", (self.events - before.events) / (self.commits - before.commits))
    }
}
