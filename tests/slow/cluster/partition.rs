//! Three machines in network namespaces of their own, and the network between them, which a test cuts. The clients are outside of it and
//! reach every machine.
//!
//! It needs the right to make namespaces, which a machine for tests may lack. The test then says so.

use std::process::Command;
use std::time::{Duration, Instant};

use super::clients::Clients;
use super::servers::{Places, Servers, program};
use super::{Nodes, PAUSE};
use crate::support::cli::PROGRAM;
use crate::support::wait::until_paced;
use crate::support::{Client, skipped};

/// The first three numbers of the addresses.
const NET: &str = "10.213.7";
/// The program that changes the network.
const IP: &str = "/sbin/ip";
/// Longest wait for the end of a tail.
const PATIENCE: Duration = Duration::from_secs(100);
/// Answers while the network is cut, and after it is whole again.
const ANSWERS: usize = 20;

/// The network. It ends with the value.
pub struct Network {
    /// Begins the names of namespaces and devices.
    name: String,
}

/// Runs `ip` with these words, and answers whether it could.
fn ip(words: &str) -> bool {
    Command::new(IP).args(words.split(' ')).output().is_ok_and(|done| done.status.success())
}

impl Network {
    /// A whole network; `None` without the right to make it.
    fn make() -> Option<Network> {
        let name = format!("jl{}", std::process::id());
        let network = Network { name };
        let switch = network.namespace("s");
        let mut made = ip(&format!("netns add {switch}"))
            && ip(&format!("-n {switch} link add switch type bridge"))
            && ip(&format!("-n {switch} link set switch up"));
        for at in 0..3 {
            let inside = network.namespace(&at.to_string());
            made = made
                && ip(&format!("netns add {inside}"))
                && ip(&format!("link add own netns {inside} type veth peer name port{at} netns {switch}"))
                && ip(&format!("-n {switch} link set port{at} master switch up"))
                && ip(&format!("-n {inside} addr add {}/24 dev own", address(at)))
                && ip(&format!("-n {inside} link set own up"))
                && ip(&format!("-n {inside} link set lo up"));
        }
        let own = &network.name;
        // Without its device an address of this network leads nowhere.
        made = made
            && ip(&format!("route replace blackhole {NET}.0/24 metric 4000"))
            && ip(&format!("link add {own} type veth peer name clients netns {switch}"))
            && ip(&format!("-n {switch} link set clients master switch up"))
            && ip(&format!("addr add {NET}.254/24 dev {own}"))
            && ip(&format!("link set {own} up"));
        if !made {
            println!("not run: this machine does not let a test make a network");
        }
        made.then_some(network)
    }

    fn namespace(&self, at: &str) -> String {
        format!("{}-{at}", self.name)
    }

    /// The machines as places of servers.
    fn places(&self) -> Places {
        let inside = |at: usize| self.namespace(&at.to_string());
        Places { hosts: std::array::from_fn(address), namespaces: Some(std::array::from_fn(inside)) }
    }

    /// Cuts one machine from the two others, or connects it again.
    fn change(&self, alone: usize, change: &str) {
        for other in (0..3).filter(|other| *other != alone) {
            for (from, to) in [(alone, other), (other, alone)] {
                let inside = self.namespace(&from.to_string());
                assert!(ip(&format!("-n {inside} route {change} blackhole {}/32", address(to))));
            }
        }
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        ip(&format!("link del {}", self.name));
        for at in ["0", "1", "2", "s"] {
            ip(&format!("netns del {}", self.namespace(at)));
        }
        ip(&format!("route del blackhole {NET}.0/24"));
    }
}

fn address(at: usize) -> String {
    format!("{NET}.{}", at + 1)
}

#[test]
fn a_machine_that_is_cut_off_loses_no_answered_event_and_ends_its_tails() {
    let Some(program) = program() else { return skipped("nats-server, in JOBLEDGER_TEST_NATS or in the path") };
    let Some(network) = Network::make() else { return };
    let dir = tempfile::tempdir().unwrap();
    let nats = Servers::start_at(&program, dir.path(), "sync_interval: always", network.places());
    let monitors = nats.monitors();
    let nodes = Nodes::on(PROGRAM, dir, nats, monitors, "32MiB");
    let clients = Clients::start(&nodes);
    clients.answers(ANSWERS);
    for round in 0..3 {
        until_paced("a node leads", PAUSE, || nodes.leader().is_some());
        // The leader, then a follower, then the leader again.
        let alone = (nodes.leader().unwrap() + round % 2) % 3;
        clients.longest_pause();
        network.change(alone, "add");
        let started = Instant::now();
        let tail = Client::with_patience(&nodes.url(alone), Some(&nodes.auditor), PATIENCE);
        let tail = tail.stream("/ledger/events", &[]);
        clients.answers(ANSWERS);
        println!("machine {alone} is alone: no answer for {:?}", clients.longest_pause());
        // A NATS server that is alone answers for some seconds as if it were not. Fifteen seconds later the node ends the tail.
        let frames = tail.count();
        println!("its tail ended after {frames} frames and {:?}", started.elapsed());
        until_paced("the node is not ready", PAUSE, || {
            nodes.client(alone, &nodes.auditor).get("/readyz").json()["code"] == "stream-silent"
        });
        until_paced("the node shows nothing that may be old", PAUSE, || {
            let read = nodes.client(alone, &nodes.auditor).get("/ledger/jobs/before");
            read.status == 503 && read.json()["code"] == "stream-silent"
        });
        network.change(alone, "del");
        clients.answers(ANSWERS);
        until_paced("the node is ready", PAUSE, || nodes.client(alone, &nodes.auditor).get("/readyz").status == 200);
    }
    clients.check(&nodes);
    nodes.verify();
    drop(network);
}
