//! Durable appends beside PostgreSQL: one event a request, progress of running jobs at random.
//!
//! `cargo bench --bench peers [-- [--quick] [--jobs 2000] [--connections 64]]`
//!
//! PostgreSQL inserts the event and moves its job's row in one statement, with `fsync` on, over a socket of this machine and with
//! prepared statements. It signs, chains, checks and streams nothing: it is what a product has that keeps a row a job.

mod support;

use support::{
    BenchServer, Postgres, Series, Table, client, folder, of, open_jobs, option, probe, progress_at_random, run_round,
    size, thousands,
};

fn main() {
    let (rounds, scale) = size((7, 1), (3, 4), (1, 100));
    let jobs = option("jobs").map_or(size(2_000, 2_000, 200), |jobs| jobs.parse().expect("a number of jobs"));
    let only: Option<usize> = option("connections").map(|n| n.parse().expect("a number of connections"));
    let Some(postgres) = Postgres::start(jobs) else {
        println!("skipped: needs postgresql and postgresql-contrib");
        return;
    };
    let folder = folder();
    let server = BenchServer::start(&folder.path().join("ledger"));
    let client = client();
    let open = client.block_on(open_jobs(&server.ledger, jobs));
    probe("before");
    let mut table = Table::new([
        "connections",
        "ledger, events/s",
        "p50 / p99 / p99.9 / max, ms",
        "PostgreSQL",
        "p50 / p99 / p99.9 / max, ms",
        "of PostgreSQL",
    ]);
    let all = [(1, 4_000), (16, 32_000), (64, 64_000), (256, 64_000)];
    for (connections, requests) in all.into_iter().filter(|(n, _)| only.is_none_or(|only| only == *n)) {
        let each = (requests / scale / connections).max(1);
        let (mut ours, mut theirs) = (Series::default(), Series::default());
        for _ in 0..rounds {
            let requests = progress_at_random(connections, each, &server.token, &open);
            ours.add(client.block_on(run_round(server.address(), requests)));
            theirs.add(postgres.round(connections, each));
        }
        table.row([
            connections.to_string(),
            thousands(ours.rate()),
            ours.latencies(),
            thousands(theirs.rate()),
            theirs.latencies(),
            of(&ours.rates, &theirs.rates),
        ]);
    }
    println!("\none event a request, of {jobs} running jobs at random");
    table.print();
    probe("after");
}
