//! Durable appends over HTTP, against a bare axum route over the same kind of SQLite writer, and against SQLite alone.
//!
//! `cargo bench --bench append [-- [--quick] [--jobs 2000 (0: none)] [--connections 64 (0: batches alone)] [--ids v4]
//! [--only ledger|bare]]`
//!
//! Two loads: progress of running jobs at random, as many workers send it, and whole lives of new jobs.
//!
//! The ids of jobs and events are time-ordered UUIDs, as `jobledger` itself makes them. An event gets its id when the client sends
//! it. With `--ids v4` the ids are random, and each event or job changes another page of each index of ids.
//!
//! The bench also shows the processor time of an event, client included. On a machine that others use, processor time drifts far
//! less than rates.

mod support;

use std::time::Duration;

use support::{
    BARE_COMMIT, BareWriter, BenchServer, Connection, Jobs, LIFE, Processor, Running, Series, Spent, Table,
    bare_commits, client, folder, get, median, of, open_jobs, option, per_second, post, probe, progress_at_random,
    queue_server, run_paced, run_round, singles, size, thousands,
};

const BATCH: usize = 100;
/// Connections that send batches.
const BATCH_CONNECTIONS: usize = 8;

fn main() {
    let (rounds, scale) = size((7, 1), (3, 4), (1, 100));
    let folder = folder();
    let server = BenchServer::start(&folder.path().join("ledger"));
    let bench = Bench {
        bare: queue_server(&folder.path().join("bare.db")),
        alone: BareWriter::new(&folder.path().join("alone.db")),
        rows: Jobs::default().take(40_000 / scale).collect(),
        client: client(),
        rounds,
        scale,
        server,
    };
    probe("before");
    let jobs: usize = option("jobs").map_or(size(2_000, 2_000, 200), |n| n.parse().expect("a number of jobs"));
    let open = bench.client.block_on(open_jobs(&bench.server.ledger, jobs));
    let only: Option<usize> = option("connections").map(|n| n.parse().expect("a number of connections"));
    if jobs > 0 {
        println!("\none event a request, of {jobs} running jobs at random");
        if let Some(peak) = bench.one_event_a_request(only, &Load::Open(&open)) {
            bench.half_the_peak(peak, &open);
        }
    }
    println!("\none event a request, of new jobs of {LIFE} events");
    bench.one_event_a_request(only, &Load::New);
    if only.is_none_or(|only| only == 0) {
        bench.batches().print();
        probe("after");
    }
}

/// The events that clients append.
enum Load<'j> {
    /// Progress of jobs that run, each event of a job at random.
    Open(&'j [String]),
    /// The whole lives of new jobs: a job's events follow each other on one connection.
    New,
}

struct Bench {
    server: BenchServer,
    bare: Running,
    alone: BareWriter,
    rows: Vec<String>,
    client: tokio::runtime::Runtime,
    rounds: usize,
    scale: usize,
}

impl Bench {
    /// Prints the tables, and returns the rate at 64 connections, if that was measured.
    fn one_event_a_request(&self, only: Option<usize>, load: &Load<'_>) -> Option<f64> {
        let mut table = Table::new([
            "connections",
            "ledger, events/s",
            "p50 / p99 / p99.9 / max, ms",
            "(a) bare axum + SQLite",
            "p50 / p99 / p99.9 / max, ms",
            "of (a)",
            "(b) SQLite alone",
            "of (b)",
            "events a commit",
            "KiB written an event",
        ]);
        let mut processor =
            Table::new(["connections", "processor, µs an event", "all", "client", "HTTP", "writer", "projector"]);
        let mut peak = None;
        let all = [(1, 4_000), (16, 32_000), (64, 64_000), (256, 64_000)];
        for (connections, requests) in all.into_iter().filter(|(n, _)| only.is_none_or(|only| only == *n)) {
            let mut measured = Measured::default();
            let before = Commits::now(&self.client, &self.server);
            for _ in 0..self.rounds {
                self.round(connections, requests, load, &mut measured);
            }
            let Measured { mut ours, mut theirs, limit, our_spent, their_spent } = measured;
            if connections == 64 {
                peak = Some(ours.rate());
            }
            table.row([
                connections.to_string(),
                thousands(ours.rate()),
                ours.latencies(),
                thousands(theirs.rate()),
                theirs.latencies(),
                of(&ours.rates, &theirs.rates),
                thousands(median(&limit)),
                of(&ours.rates, &limit),
                Commits::now(&self.client, &self.server).since(&before),
                our_spent.kib_written(),
            ]);
            for (who, spent) in [("ledger", our_spent), ("(a)", their_spent)] {
                let [all, client, http, writer, projector] = spent.cells();
                processor.row([connections.to_string(), who.to_owned(), all, client, http, writer, projector]);
            }
        }
        table.print();
        processor.print();
        peak
    }

    fn round(&self, connections: usize, requests: usize, load: &Load<'_>, measured: &mut Measured) {
        let only = option("only");
        let (our, their) = (self.server.address(), self.bare.address);
        for (series, spent, address) in [
            (&mut measured.ours, &mut measured.our_spent, our),
            (&mut measured.theirs, &mut measured.their_spent, their),
        ] {
            // With `--only`, for a profiler: the other server gets one request a connection, so that its cells are not empty.
            let left_out = only.as_deref().is_some_and(|one| (one == "bare") != (address == their));
            let requests = if left_out { connections } else { requests / self.scale };
            let each = requests / connections;
            let requests = match load {
                Load::Open(jobs) => progress_at_random(connections, each, &self.server.token, jobs),
                Load::New => singles(connections, each, &self.server.token),
            };
            let before = Processor::now();
            let round = self.client.block_on(run_round(address, requests));
            spent.add(&before, round.requests);
            series.add(round);
        }
        self.sqlite_alone(&mut measured.limit);
    }

    fn sqlite_alone(&self, rates: &mut Vec<f64>) {
        rates.push(per_second(self.rows.len(), bare_commits(&self.alone, &self.rows, BARE_COMMIT)));
    }

    /// Prints the latencies at half the rate `peak`. A request's time begins when it is due, so that a slow answer counts for the
    /// requests that wait behind it.
    fn half_the_peak(&self, peak: f64, jobs: &[String]) {
        const CONNECTIONS: usize = 64;
        let pause = Duration::from_secs_f64(CONNECTIONS as f64 / (peak / 2.0));
        let each = size(2_000, 500, 2);
        let requests = progress_at_random(CONNECTIONS, each, &self.server.token, jobs);
        let round = self.client.block_on(run_paced(self.server.address(), requests, pause));
        let mut series = Series::default();
        series.add(round);
        println!(
            "open loop, {CONNECTIONS} connections at half that rate: p50 / p99 / p99.9 / max {} ms",
            series.latencies()
        );
    }

    fn batches(&self) -> Table {
        let (mut ours, mut limit) = (Vec::new(), Vec::new());
        for _ in 0..self.rounds {
            let requests = batched(100_000 / self.scale, &self.server.token);
            let events = requests.iter().map(Vec::len).sum::<usize>() * BATCH;
            let round = self.client.block_on(run_round(self.server.address(), requests));
            ours.push(per_second(events, round.took));
            self.sqlite_alone(&mut limit);
        }
        println!("batches of {BATCH} over {BATCH_CONNECTIONS} connections");
        let mut table = Table::new(["ledger, events/s", "(b) SQLite alone", "of (b)"]);
        table.row([thousands(median(&ours)), thousands(median(&limit)), of(&ours, &limit)]);
        table
    }
}

/// The rounds of one number of connections.
#[derive(Default)]
struct Measured {
    ours: Series,
    theirs: Series,
    limit: Vec<f64>,
    our_spent: Spent,
    their_spent: Spent,
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
