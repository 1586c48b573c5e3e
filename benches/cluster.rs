//! Three nodes on three NATS servers, beside a ledger on one machine, all on this machine.
//!
//! `cargo bench --bench cluster [-- [--quick]]`
//!
//! `nats-server` must be in the path, or `JOBLEDGER_TEST_NATS` names it. Six processes share the processors and the disk, so a
//! figure shows what the ledger adds, not what three machines reach.

mod support;

use std::time::{Duration, Instant};

use support::{
    Connection, Nodes, Series, Serving, Table, client, folder, get, latencies, of, per_second, post, probe,
    progress_at_random, run_round, running_jobs, size, thousands, token,
};

/// Events of one request of batches.
const BATCH: usize = 100;
/// Connections that send batches.
const BATCH_CONNECTIONS: usize = 8;
const JOBS: usize = 200;

fn main() {
    let (rounds, scale) = size((5, 1), (3, 4), (1, 100));
    let folder = folder();
    let Some(nodes) = Nodes::start(folder.path()) else {
        println!("skipped: needs nats-server, in the path or in JOBLEDGER_TEST_NATS");
        return;
    };
    let alone_folder = folder.path().join("alone");
    let alone = Serving::start(&alone_folder, &[]);
    let alone_token = token(&alone_folder, jobledger::access::Role::Admin);
    let client = client();
    let mut bench = Bench { client, nodes, alone, alone_token, rounds, scale };
    probe("before");
    bench.appends();
    bench.followers();
    bench.reads();
    bench.catch_up();
    bench.loss_of_the_leader();
    probe("after");
}

struct Bench {
    client: tokio::runtime::Runtime,
    nodes: Nodes,
    alone: Serving,
    alone_token: String,
    rounds: usize,
    scale: usize,
}

impl Bench {
    /// Appends to the leader, beside a ledger alone.
    fn appends(&self) {
        let leader = self.client.block_on(self.nodes.leader());
        let both = [(self.nodes.address(leader), &self.nodes.token), (self.alone.address, &self.alone_token)];
        let jobs = both.map(|(address, token)| {
            self.client.block_on(async {
                let mut connection = Connection::open(address).await;
                running_jobs(&mut connection, token, JOBS).await
            })
        });
        let head = [
            "appends to the leader",
            "events/s",
            "p50 / p99 / p99.9 / max, ms",
            "alone",
            "p50 / p99 / p99.9 / max, ms",
            "of alone",
        ];
        let mut table = Table::new(head);
        for (connections, requests) in [(1, 1_000), (16, 8_000), (64, 32_000)] {
            let each = (requests / self.scale / connections).max(1);
            let mut series = [Series::default(), Series::default()];
            for _ in 0..self.rounds {
                for (series, ((address, token), jobs)) in series.iter_mut().zip(both.iter().zip(&jobs)) {
                    let requests = progress_at_random(connections, each, token, jobs);
                    series.add(self.client.block_on(run_round(*address, requests)));
                }
            }
            row(&mut table, format!("{connections} connections"), series, 1);
        }
        let each = (400 / self.scale / BATCH_CONNECTIONS).max(1);
        let mut series = [Series::default(), Series::default()];
        for _ in 0..self.rounds {
            for (series, (address, token)) in series.iter_mut().zip(both) {
                series.add(self.client.block_on(run_round(address, batches(each, token))));
            }
        }
        row(&mut table, format!("batches of {BATCH}, {BATCH_CONNECTIONS} connections"), series, BATCH);
        table.print();
    }

    /// How long after the leader's answer a follower has the event, and how long an append to a follower takes.
    fn followers(&self) {
        let leader = self.client.block_on(self.nodes.leader());
        let follower = (leader + 1) % 3;
        let count = (1_000 / self.scale).max(5);
        let (mut behind, mut forwarded) = (Vec::new(), Vec::new());
        self.client.block_on(async {
            let mut to_leader = Connection::open(self.nodes.address(leader)).await;
            let mut to_follower = Connection::open(self.nodes.address(follower)).await;
            let jobs = running_jobs(&mut to_leader, &self.nodes.token, 1).await;
            for n in 0..count as u64 {
                to_leader.ask(&post("/ledger/events", &self.nodes.token, &event(&jobs[0], n))).await;
                let position = position(to_leader.body());
                let answered = Instant::now();
                let read = get(&format!("/ledger/events/{position}?min_position={position}"), &self.nodes.token, "*/*");
                to_follower.ask(&read).await;
                behind.push(answered.elapsed());
                let sent = Instant::now();
                to_follower.ask(&post("/ledger/events", &self.nodes.token, &event(&jobs[0], n))).await;
                forwarded.push(sent.elapsed());
            }
        });
        let mut table = Table::new(["one client", "p50 / p99 / p99.9 / max, ms"]);
        for (what, times) in
            [("a follower shows what the leader answered", &mut behind), ("an append to a follower", &mut forwarded)]
        {
            times.sort();
            table.row([what.to_owned(), latencies(times)]);
        }
        table.print();
    }

    /// Reads of one job, from one node and from all three at once.
    fn reads(&self) {
        let each = (4_000 / self.scale / 16).max(1);
        let addresses: Vec<_> = (0..3).map(|at| self.nodes.address(at)).collect();
        let jobs = self.client.block_on(async {
            let mut connection = Connection::open(addresses[0]).await;
            running_jobs(&mut connection, &self.nodes.token, JOBS).await
        });
        let requests = |connections: usize| -> Vec<Vec<Vec<u8>>> {
            let read =
                |n: usize| get(&format!("/ledger/jobs/{}", jobs[n % JOBS]), &self.nodes.token, "application/json");
            (0..connections).map(|at| (0..each).map(|n| read(at * 7 + n)).collect()).collect()
        };
        let (mut one, mut three) = (Vec::new(), Vec::new());
        for _ in 0..self.rounds {
            let round = self.client.block_on(run_round(addresses[0], requests(48)));
            one.push(per_second(round.requests, round.took));
            let rounds = self.client.block_on(async {
                let started = Instant::now();
                let all = addresses.iter().map(|address| run_round(*address, requests(16)));
                let count: usize = futures_util::future::join_all(all).await.iter().map(|round| round.requests).sum();
                per_second(count, started.elapsed())
            });
            three.push(rounds);
        }
        let mut table =
            Table::new(["reads of a job, 48 connections", "one node, reads/s", "three nodes, reads/s", "of one"]);
        table.row([
            String::new(),
            thousands(support::median(&one)),
            thousands(support::median(&three)),
            of(&three, &one),
        ]);
        table.print();
    }

    /// A node that was away reads what it lacks.
    fn catch_up(&mut self) {
        let leader = self.client.block_on(self.nodes.leader());
        let away = (leader + 1) % 3;
        self.nodes.kill(away);
        let each = (1_600 / self.scale / BATCH_CONNECTIONS).max(1);
        let load = batches(each, &self.nodes.token);
        self.client.block_on(run_round(self.nodes.address(leader), load));
        let head = self.client.block_on(self.nodes.figure(leader, "jobledger_head"));
        let started = Instant::now();
        // The first line comes when the node has read the stream to its end, or after 10 s.
        self.nodes.serve(away);
        while self.client.block_on(self.nodes.figure(away, "jobledger_head")) < head {}
        let took = started.elapsed();
        let events = BATCH_CONNECTIONS * each * BATCH;
        println!(
            "\ncatch-up: {events} events in {:.2} s with the start, {} events/s",
            took.as_secs_f64(),
            thousands(per_second(events, took))
        );
    }

    /// The time without an answered write after the leader was killed.
    fn loss_of_the_leader(&mut self) {
        let mut times = Vec::new();
        for round in 0..self.rounds {
            let leader = self.client.block_on(self.nodes.leader());
            let other = (leader + 1) % 3;
            let url = format!("http://{}/ledger/events", self.nodes.address(other));
            self.nodes.kill(leader);
            let killed = Instant::now();
            let body = format!(
                r#"{{"specversion":"1.0","id":"after-{round}","source":"/bench","type":"job.created","subject":"after-{round}","data":{{"kind":"task","spec":{{"job_type":"full_sync","total_records":1}}}}}}"#
            );
            let config =
                ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(Duration::from_secs(60)));
            let agent: ureq::Agent = config.build().into();
            loop {
                let sent = agent
                    .post(&url)
                    .header("content-type", "application/json")
                    .header("authorization", format!("Bearer {}", self.nodes.token))
                    .send(body.as_str());
                if sent.is_ok_and(|answer| answer.status().is_success()) {
                    break;
                }
            }
            times.push(killed.elapsed());
            self.nodes.serve(leader);
        }
        times.sort();
        let [least, most] = [times[0], times[times.len() - 1]].map(|time| time.as_secs_f64());
        println!("\nno write for {least:.1} to {most:.1} s after the leader was killed");
    }
}

fn row(table: &mut Table, what: String, series: [Series; 2], events: usize) {
    let [mut ours, mut alone] = series;
    let rate = |series: &Series| thousands(series.rate() * events as f64);
    table.row([what, rate(&ours), ours.latencies(), rate(&alone), alone.latencies(), of(&ours.rates, &alone.rates)]);
}

/// For each connection `each` requests with [`BATCH`] events of new jobs.
fn batches(each: usize, token: &str) -> Vec<Vec<Vec<u8>>> {
    let mut jobs = support::Jobs::default();
    let mut batch = || format!("[{}]", jobs.by_ref().take(BATCH).collect::<Vec<_>>().join(","));
    (0..BATCH_CONNECTIONS).map(|_| (0..each).map(|_| post("/ledger/events", token, &batch())).collect()).collect()
}

/// Progress of a job.
fn event(job: &str, records: u64) -> String {
    let id = support::time_ordered();
    format!(
        r#"{{"specversion":"1.0","id":"{id}","source":"/workers/sync-1","type":"job.progress","subject":"{job}","data":{{"records_processed":{records}}}}}"#
    )
}

/// The position in the answer to an append.
fn position(body: &[u8]) -> u64 {
    let answer: serde_json::Value = serde_json::from_slice(body).expect("an answer is JSON");
    answer["position"].as_u64().expect("a position")
}
