//! Three nodes of one ledger, as programs, on three NATS servers.

use std::path::{Path, PathBuf};

use async_nats::jetstream::{self, Context};
use futures_util::TryStreamExt;
use serde_json::Value;
use tempfile::TempDir;

use super::power::Disks;
use super::servers::{Servers, free_port, machine, program};
use super::{NAMES, PAUSE};
use crate::support::cli::{Cli, PROGRAM, Serving, cli, cli_of, cli_under};
use crate::support::wait::until_paced;
use crate::support::{Client, skipped, task_job};

/// Three nodes and three NATS servers, on three machines that are folders.
pub struct Nodes {
    // In the order in which they end.
    pub serving: [Option<Serving>; 3],
    pub nats: Servers,
    pub disks: Option<Disks>,
    pub dir: TempDir,
    /// The program of each node.
    pub programs: [String; 3],
    pub monitors: String,
    pub ports: [u16; 3],
    pub worker: String,
    pub auditor: String,
}

impl Nodes {
    /// A cluster whose ledger has one job; `None` without NATS.
    pub fn start() -> Option<Nodes> {
        Nodes::with_stream_of("256MiB")
    }

    /// As [`Nodes::start`], with this limit of the stream's bytes.
    pub fn with_stream_of(bytes: &str) -> Option<Nodes> {
        Nodes::of(PROGRAM, bytes)
    }

    /// As [`Nodes::with_stream_of`], with nodes that are this program.
    pub fn of(jobledger: &str, bytes: &str) -> Option<Nodes> {
        let Some(program) = program() else {
            skipped("nats-server, in JOBLEDGER_TEST_NATS or in the path");
            return None;
        };
        let dir = tempfile::tempdir().unwrap();
        let nats = Servers::start(&program, dir.path());
        let monitors = nats.monitors();
        Some(Nodes::on(jobledger, dir, nats, monitors, bytes))
    }

    /// A cluster in the machines of `dir`, whose nodes believe what `monitors` say of the servers.
    pub fn on(jobledger: &str, dir: TempDir, nats: Servers, monitors: String, bytes: &str) -> Nodes {
        let first = machine(dir.path(), 0).join("a");
        let alone = |words: &[&str]| cli_of(jobledger, words).arg("--data").arg(&first);
        let single = Serving::of(alone(&["serve", "--create", "--listen", "127.0.0.1:0"]));
        let [worker, auditor] = ["worker", "auditor"].map(|role| {
            let made = alone(&["token", "create", "--name", role, "--role", role]).run().expect(0);
            made.stdout.trim_end().to_owned()
        });
        single.client(&worker).append(&task_job("before")).expect(201);
        drop(single);
        let (ports, programs) = (std::array::from_fn(|_| free_port()), std::array::from_fn(|_| jobledger.to_owned()));
        let serving = [None, None, None];
        let mut nodes = Nodes { serving, nats, disks: None, dir, programs, monitors, ports, worker, auditor };
        nodes.command(0, &["cluster", "init", "--stream-bytes", bytes]).run().expect(0);
        for at in [1, 2] {
            let folder = nodes.folder(at);
            alone(&["backup"]).arg(&folder).run().expect(0);
            for key in ["ledger.key", "lease.key"] {
                std::fs::copy(first.join(key), folder.join(key)).unwrap();
            }
            nodes.command(at, &["cluster", "join"]).run().expect(0);
        }
        for at in 0..3 {
            nodes.serve(at);
        }
        nodes
    }

    pub fn folder(&self, at: usize) -> PathBuf {
        machine(self.dir.path(), at).join(NAMES[at])
    }

    /// A command on a node's folder, with the node's options.
    pub fn command(&self, at: usize, words: &[&str]) -> Cli {
        cli_under(&self.nats.places.shell(at), &self.programs[at], words)
            .arg("--data")
            .arg(self.folder(at))
            .args([
                "--node",
                NAMES[at],
                "--node-url",
                &self.url(at),
                "--cluster",
                &self.nats.urls(),
                "--cluster-monitor",
            ])
            .arg(&self.monitors)
    }

    pub fn serve(&mut self, at: usize) {
        let listen = format!("{}:{}", self.nats.places.hosts[at], self.ports[at]);
        // Receivers of the tests are on loopback.
        let mut words = vec!["serve", "--listen", &listen, "--webhook-allow-private"];
        // The test's own network is as safe as this machine.
        words.extend(self.nats.places.namespaces.is_some().then_some("--insecure-http"));
        self.serving[at] = Some(Serving::of(self.command(at, &words)));
    }

    /// Stops a node, as an operator does.
    pub fn stop(&mut self, at: usize) {
        self.serving[at].take().unwrap().end("TERM").expect(0);
    }

    pub fn kill(&mut self, at: usize) {
        self.serving[at].take().unwrap().end("KILL");
    }

    pub fn client(&self, at: usize, token: &str) -> Client {
        Client::new(&self.url(at), Some(token))
    }

    /// The URL at which clients and other nodes reach a node.
    pub fn url(&self, at: usize) -> String {
        format!("http://{}:{}", self.nats.places.hosts[at], self.ports[at])
    }

    /// A figure of `/metrics` whose name begins with `jobledger_cluster_`.
    pub fn figure(&self, at: usize, name: &str) -> u64 {
        let metrics = self.client(at, &self.auditor).get("/metrics").text();
        let value = |line: &str| line.strip_prefix("jobledger_cluster_")?.strip_prefix(name)?.trim().parse().ok();
        metrics.lines().find_map(value).unwrap_or_else(|| panic!("no {name} in {metrics}"))
    }

    /// The node that says that it leads, among those that serve.
    pub fn leader(&self) -> Option<usize> {
        (0..3).filter(|at| self.serving[*at].is_some()).find(|at| self.figure(*at, "leads") == 1)
    }

    /// Sends an append to a node until it is answered, as a worker does. Answers the position.
    pub fn append(&self, at: usize, event: &Value) -> u64 {
        let client = self.client(at, &self.worker);
        let mut position = None;
        until_paced("an append is answered", PAUSE, || {
            let Ok(answer) = client.try_append(event) else { return false };
            assert!([200, 201, 503].contains(&answer.status), "{}", answer.text());
            position = answer.json()["position"].as_u64().filter(|_| answer.status != 503);
            position.is_some()
        });
        position.unwrap()
    }

    /// Works with the stream as a program that has its account, and is no node.
    pub fn on_stream(&self, work: impl AsyncFnOnce(&async_nats::Client, &Context, &str)) {
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let client = async_nats::connect(self.nats.urls().split(',').collect::<Vec<_>>()).await.unwrap();
            let context = jetstream::new(client.clone());
            let names: Vec<String> = answered(async || context.stream_names().try_collect().await.ok()).await;
            let own = names.iter().find(|name| name.starts_with("jobledger_")).unwrap();
            work(&client, &context, own).await;
        });
    }

    /// Removes the stream.
    pub fn lose_stream(&self) {
        self.on_stream(async |_, context, name| {
            context.delete_stream(name).await.unwrap();
        });
    }

    /// Publishes a message that no node wrote, and makes the stream lose it after `meanwhile`.
    pub fn publish_and_lose(&self, meanwhile: impl FnOnce()) {
        self.on_stream(async |_, context, name| {
            let stream = answered(async || context.get_stream(name).await.ok()).await;
            let subject = stream.cached_info().config.subjects[0].clone();
            let sent = context.publish(subject, "a stranger's".into()).await.unwrap();
            let published = sent.await.unwrap();
            meanwhile();
            assert!(stream.delete_message(published.sequence).await.unwrap());
        });
    }

    /// Publishes messages that no node wrote, and messages that a node wrote before.
    pub fn publish_foreign(&self, count: usize) {
        self.on_stream(async |client, context, name| {
            let stream = answered(async || context.get_stream(name).await.ok()).await;
            let info = stream.cached_info();
            let subject = info.config.subjects[0].clone();
            let last = info.state.last_sequence;
            let old = answered(async || stream.get_raw_message(last).await.ok()).await.payload;
            for n in 0..count {
                let bytes = if n % 2 == 0 { old.clone() } else { "a stranger's".into() };
                client.publish(subject.clone(), bytes).await.unwrap();
            }
            client.flush().await.unwrap();
        });
    }

    /// Waits until the nodes that serve have the same checkpoint.
    pub fn settle(&self) {
        until_paced("all nodes have one checkpoint", PAUSE, || {
            let of = |at: usize| self.client(at, &self.auditor).get("/ledger/checkpoint").text();
            let all: Vec<String> = (0..3).filter(|at| self.serving[*at].is_some()).map(of).collect();
            all.iter().all(|one| *one == all[0])
        });
    }

    pub fn verify(mut self) {
        self.serving = [None, None, None];
        for at in 0..3 {
            verified(&self.folder(at));
        }
    }
}

/// Asks NATS until it answers, for a minute: after a fault the servers first choose their leaders.
async fn answered<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    for _ in 0..600 {
        if let Some(answer) = ask().await {
            return answer;
        }
        tokio::time::sleep(PAUSE).await;
    }
    panic!("NATS does not answer");
}

/// The log of a node is what the ledger signed.
fn verified(folder: &Path) {
    cli(["verify", "db"]).arg(folder).run().expect(7);
}
