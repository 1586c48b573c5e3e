//! Reads over HTTP, each against a bare axum route that answers a constant of the same size.
//!
//! `cargo bench --bench read [-- [--quick] [--only "one job"]]`

mod support;

use support::{
    BenchServer, Connection, Series, Table, client, constant_server, fill, folder, get, of, option, probe, run_round,
    size, thousands,
};

const CONNECTIONS: usize = 64;
/// Jobs in the ledger, ten events each.
const JOBS: usize = 20_000;

fn main() {
    let (rounds, requests, count) = size((9, 64_000, JOBS), (5, 12_800, JOBS), (1, 640, 200));
    let folder = folder();
    let server = BenchServer::start(&folder.path().join("ledger"));
    let client = client();
    let jobs = client.block_on(fill(&server.ledger, count));
    probe("before");

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
    let only = option("only");
    for (name, path) in reads.into_iter().filter(|(name, _)| only.as_ref().is_none_or(|only| only == name)) {
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
    probe("after");
}
