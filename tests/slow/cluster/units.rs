//! The units and the configuration in `examples/cluster` run a cluster, with TLS and a password, as they stand there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::servers::{free_port, program};
use super::{NAMES, PAUSE};
use crate::support::certificates::certificate;
use crate::support::cli::{Cli, Serving, cli, on, token};
use crate::support::wait::until_paced;
use crate::support::{skipped, task_job};

/// The variables of a unit.
type Variables = BTreeMap<&'static str, String>;

/// The addresses and files of three machines that are one.
struct Machines {
    dir: PathBuf,
    certificate: String,
    key: String,
    nodes: [u16; 3],
    clients: [u16; 3],
    monitors: [u16; 3],
    routes: [u16; 3],
}

/// Servers of NATS, which end with the value.
struct Nats(Vec<Child>);

impl Drop for Nats {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn example(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/cluster").join(file)
}

fn listed(ports: [u16; 3], scheme: &str) -> String {
    ports.map(|port| format!("{scheme}://127.0.0.1:{port}")).join(",")
}

/// The words of the command that a unit starts, after its program, once `variables` are known to be those of its file.
fn command_of(unit: &str, variables: &Variables) -> Vec<String> {
    let text = std::fs::read_to_string(example(unit)).unwrap();
    let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).unwrap().to_owned();
    let file = value("EnvironmentFile=/etc/jobledger/");
    let file = std::fs::read_to_string(example(&file)).unwrap();
    let named = file.lines().filter(|line| !line.starts_with('#')).map(|line| line.split_once('=').unwrap().0);
    let (mut named, mut given): (Vec<&str>, Vec<&str>) = (named.collect(), variables.keys().copied().collect());
    named.sort_unstable();
    given.sort_unstable();
    assert_eq!(named, given, "the variables of {unit}");
    value("ExecStart=/usr/local/bin/").split(' ').skip(1).map(str::to_owned).collect()
}

impl Machines {
    fn nats(&self, at: usize) -> Variables {
        let routes = listed(self.routes, "nats-route");
        let local = |port: u16| format!("127.0.0.1:{port}");
        BTreeMap::from([
            ("NATS_NAME", NAMES[at].to_owned()),
            ("NATS_LISTEN", local(self.clients[at])),
            ("NATS_MONITOR", local(self.monitors[at])),
            ("NATS_STORE", self.dir.join(format!("nats-{at}")).display().to_string()),
            ("NATS_CERT", self.certificate.clone()),
            ("NATS_KEY", self.key.clone()),
            ("NATS_CA", self.certificate.clone()),
            ("NATS_PASSWORD", "a-password-of-a-test".to_owned()),
            ("NATS_ROUTE_LISTEN", local(self.routes[at])),
            ("NATS_ROUTES", format!("[{routes}]")),
        ])
    }

    fn node(&self, at: usize) -> Variables {
        let address = format!("127.0.0.1:{}", self.nodes[at]);
        BTreeMap::from([
            ("JOBLEDGER_DATA", self.folder(at).display().to_string()),
            ("JOBLEDGER_LISTEN", address.clone()),
            ("JOBLEDGER_TLS_CERT", self.certificate.clone()),
            ("JOBLEDGER_TLS_KEY", self.key.clone()),
            ("JOBLEDGER_NODE", NAMES[at].to_owned()),
            ("JOBLEDGER_NODE_URL", format!("https://{address}")),
            ("JOBLEDGER_CLUSTER", listed(self.clients, "tls")),
            ("JOBLEDGER_CLUSTER_MONITOR", listed(self.monitors, "http")),
            ("JOBLEDGER_CLUSTER_CA", self.certificate.clone()),
            ("JOBLEDGER_NATS_USER", "jobledger".to_owned()),
            ("JOBLEDGER_NATS_PASSWORD_FILE", self.dir.join("nats-password").display().to_string()),
        ])
    }

    fn folder(&self, at: usize) -> PathBuf {
        self.dir.join(NAMES[at])
    }

    /// Starts the servers as their unit does.
    fn start_nats(&self, program: &Path) -> Nats {
        let start = |at: usize| {
            let variables = self.nats(at);
            let words = command_of("nats.service", &variables);
            assert_eq!(words, ["-c", "/etc/jobledger/nats.conf"]);
            let mut command = Command::new(program);
            command.arg("-c").arg(example("nats.conf")).envs(variables).stdout(Stdio::null()).stderr(Stdio::null());
            command.spawn().unwrap()
        };
        let nats = Nats((0..3).map(start).collect());
        until_paced("NATS has a leader", PAUSE, || {
            let has_leader = |port: u16| {
                ureq::get(format!("http://127.0.0.1:{port}/jsz"))
                    .call()
                    .is_ok_and(|mut answer| answer.body_mut().read_to_string().unwrap().contains("\"leader\""))
            };
            self.monitors.into_iter().all(has_leader)
        });
        nats
    }

    /// A command with the variables of a node.
    fn command(&self, at: usize, words: &[&str]) -> Cli {
        self.node(at).into_iter().fold(cli(words), |command, (name, value)| command.env(name, value))
    }

    /// Starts a node as its unit does.
    fn serve(&self, at: usize) -> Serving {
        let words = command_of("jobledger.service", &self.node(at));
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        Serving::of(self.command(at, &words))
    }
}

#[test]
fn the_units_of_the_example_run_a_cluster_with_tls() {
    let Some(program) = program() else { return skipped("nats-server, in JOBLEDGER_TEST_NATS or in the path") };
    let dir = tempfile::tempdir().unwrap();
    let Some((certificate, key)) = certificate(dir.path()) else { return skipped("openssl") };
    let ports = || std::array::from_fn(|_| free_port());
    let (nodes, clients, monitors, routes) = (ports(), ports(), ports(), ports());
    let machines = Machines { dir: dir.path().to_owned(), certificate, key, nodes, clients, monitors, routes };
    std::fs::write(dir.path().join("nats-password"), "a-password-of-a-test\n").unwrap();
    let _nats = machines.start_nats(&program);

    let first = machines.folder(0);
    drop(Serving::start(&first));
    let worker = token(&first, "worker");
    machines.command(0, &["cluster", "init", "--stream-bytes", "64MiB"]).run().expect(0);
    for at in [1, 2] {
        on(&first, "backup", &[machines.folder(at).to_str().unwrap()]).expect(0);
        for key in ["ledger.key", "lease.key"] {
            std::fs::copy(first.join(key), machines.folder(at).join(key)).unwrap();
        }
        machines.command(at, &["cluster", "join"]).run().expect(0);
    }
    let serving: Vec<Serving> = (0..3).map(|at| machines.serve(at)).collect();
    for (at, server) in serving.iter().enumerate() {
        let events = dir.path().join("events");
        std::fs::write(&events, task_job(NAMES[at]).to_string()).unwrap();
        let append = ["append", "--url", &server.url, "--ca", &machines.certificate, "--token", &worker];
        until_paced("an append is answered", PAUSE, || cli(append).arg(&events).run().code == 0);
    }
    let status = machines.command(0, &["cluster", "status", "--json"]).run().expect(0);
    assert_eq!(status.json_lines()[0]["members"].as_array().unwrap().len(), 3);
}
