//! Growth: latencies, start-up and memory of `jobledger serve` over logs of 10 thousand, 1 million and 5 million events, and of
//! 20 million if asked. They should not grow with the log. The servers run at the same time and take turns, so all meet the same
//! disturbances.
//!
//! `cargo bench --bench growth [-- [--quick] [--largest 20000000]]` (quick: 10 thousand and 200 thousand). 20 million events take 15
//! minutes and 45 GB on the disk.

mod support;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jobledger::access::Role;
use support::{
    BenchServer, Connection, LIFE, Memory, Series, Serving, Table, client, fill, folder, get, option, probe, run_round,
    singles, size, token,
};

fn main() {
    let (rounds, sizes): (usize, &[usize]) =
        size((9, &[10_000, 1_000_000, 5_000_000, 20_000_000]), (5, &[10_000, 200_000]), (1, &[1_000, 2_000]));
    let largest = option("largest").map_or(5_000_000, |n| n.parse().expect("a number of events"));
    let sizes: Vec<usize> = sizes.iter().copied().filter(|size| *size <= largest).collect();
    let folder = folder();
    let client = client();
    let logs = build(&client, folder.path(), &sizes);
    probe("before");

    let mut servers: Vec<Served> = logs.into_iter().map(|log| Served::start(&client, log)).collect();
    for _ in 0..rounds {
        for server in &mut servers {
            server.round(&client);
        }
    }
    let mut table = Table::new([
        "events in the log",
        "start, ms",
        "memory, MiB (file pages)",
        "append, 1 connection, p50 / p99, ms",
        "64 connections",
        "one job",
        "page of 50 jobs",
        "log.db, MiB",
    ]);
    for server in &mut servers {
        let memory = server.memory();
        table.row([
            server.log.events.to_string(),
            format!("{:.0}", server.start.as_secs_f64() * 1e3),
            memory,
            server.one.latencies(),
            server.many.latencies(),
            server.job.latencies(),
            server.page.latencies(),
            (std::fs::metadata(server.log.path.join("log.db")).map_or(0, |file| file.len()) >> 20).to_string(),
        ]);
    }
    table.print();
    probe("after");
}

/// A data folder, with the count of its events and some of its jobs.
struct Log {
    path: PathBuf,
    events: usize,
    jobs: Vec<String>,
}

/// Makes ledgers of these sizes. Each begins as a copy of the smaller one before it.
fn build(client: &tokio::runtime::Runtime, folder: &Path, sizes: &[usize]) -> Vec<Log> {
    let mut logs: Vec<Log> = Vec::new();
    for events in sizes {
        let path = folder.join(events.to_string());
        let (had, mut jobs) = match logs.last() {
            Some(smaller) => {
                copy(&smaller.path, &path);
                (smaller.events, smaller.jobs.clone())
            }
            None => (0, Vec::new()),
        };
        let started = Instant::now();
        let server = BenchServer::start(&path);
        jobs.extend(client.block_on(fill(&server.ledger, (events - had) / LIFE)));
        drop(server);
        println!("{events} events after {:.0} s", started.elapsed().as_secs_f64());
        logs.push(Log { path, events: *events, jobs });
    }
    logs
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a new folder");
    for entry in std::fs::read_dir(from).expect("a data folder") {
        let entry = entry.expect("a file or a folder");
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            std::fs::copy(from, to).expect("room for a copy");
        }
    }
}

/// `jobledger serve` in a process of its own.
struct Served {
    log: Log,
    process: Serving,
    address: SocketAddr,
    token: String,
    /// From the start of the process to the first answer about a job.
    start: Duration,
    one: Series,
    many: Series,
    job: Series,
    page: Series,
}

impl Served {
    fn start(client: &tokio::runtime::Runtime, log: Log) -> Served {
        let token = token(&log.path, Role::Admin);
        let started = Instant::now();
        let process = Serving::start(&log.path, &[]);
        let address = process.address;
        client.block_on(async {
            let request = get(&format!("/ledger/jobs/{}", log.jobs[0]), &token, "application/json");
            Connection::open(address).await.ask(&request).await;
        });
        let start = started.elapsed();
        let (one, many, job, page) = Default::default();
        Served { log, process, address, token, start, one, many, job, page }
    }

    fn round(&mut self, client: &tokio::runtime::Runtime) {
        self.one.add(client.block_on(run_round(self.address, singles(1, 500, &self.token))));
        self.many.add(client.block_on(run_round(self.address, singles(64, 100, &self.token))));
        let jobs = &self.log.jobs;
        let read = |n: usize| {
            let job = &jobs[uuid::Uuid::new_v4().as_u128() as usize % jobs.len()];
            let path = if n == 0 { format!("/ledger/jobs/{job}") } else { "/ledger/jobs?first=50".to_owned() };
            get(&path, &self.token, "application/json")
        };
        let reads = |which: usize, each: usize| -> Vec<Vec<Vec<u8>>> { vec![(0..each).map(|_| read(which)).collect()] };
        self.job.add(client.block_on(run_round(self.address, reads(0, 2_000))));
        self.page.add(client.block_on(run_round(self.address, reads(1, 500))));
    }

    /// Resident memory, and the part of that memory that holds pages of files.
    fn memory(&self) -> String {
        let Memory { all, files, .. } = self.process.memory();
        format!("{} ({})", all >> 10, files >> 10)
    }
}
