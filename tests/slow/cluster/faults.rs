//! Faults, one after another, under load. `JOBLEDGER_FAULTS` says how many; without it each fault happens once.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::clients::Clients;
use super::{Nodes, PAUSE};
use crate::support::wait::until_paced;

/// Longer than the life of a lease.
const FROZEN: Duration = Duration::from_secs(12);
/// Between two faults.
const QUIET: usize = 60;

/// What happens, and the function that makes it happen; it gets the number of the round.
type Fault = (&'static str, fn(&mut Nodes, usize));

/// What happens to the cluster. Each function begins one fault, and ends it.
const FAULTS: [Fault; 10] = [
    ("the leader is killed", |nodes, _| {
        let leader = led(nodes);
        nodes.kill(leader);
        nodes.serve(leader);
    }),
    ("a follower is killed", |nodes, round| {
        let follower = (led(nodes) + 1 + round % 2) % 3;
        nodes.kill(follower);
        nodes.serve(follower);
    }),
    ("the leader is frozen for longer than its lease", |nodes, _| {
        let leader = led(nodes);
        nodes.serving[leader].as_ref().unwrap().signal("STOP");
        std::thread::sleep(FROZEN);
        nodes.serving[leader].as_ref().unwrap().signal("CONT");
    }),
    ("two nodes are killed", |nodes, round| {
        let killed = [round % 3, (round + 1) % 3];
        killed.into_iter().for_each(|at| nodes.kill(at));
        killed.into_iter().for_each(|at| nodes.serve(at));
    }),
    ("the NATS server that leads is killed", |nodes, _| {
        let leader = nats_led(nodes);
        nodes.nats.kill(leader);
        nodes.nats.start_again(leader);
    }),
    ("the NATS server that leads is frozen", |nodes, _| {
        let leader = nats_led(nodes);
        nodes.nats.signal(leader, "STOP");
        std::thread::sleep(FROZEN / 2);
        nodes.nats.signal(leader, "CONT");
    }),
    ("two NATS servers are killed", |nodes, round| {
        let killed = [round % 3, (round + 1) % 3];
        killed.into_iter().for_each(|at| nodes.nats.kill(at));
        std::thread::sleep(FROZEN / 4);
        killed.into_iter().for_each(|at| nodes.nats.start_again(at));
    }),
    ("all NATS servers are killed", |nodes, _| {
        (0..3).for_each(|at| nodes.nats.kill(at));
        (0..3).for_each(|at| nodes.nats.start_again(at));
    }),
    ("the files of a NATS server are damaged", |nodes, round| {
        let damaged = round % 3;
        nodes.nats.kill(damaged);
        damage(&nodes.nats.store(damaged));
        nodes.nats.start_again(damaged);
    }),
    ("a program that is no node publishes", |nodes, round| {
        nodes.publish_foreign(20 + round);
    }),
];

/// The node that leads.
fn led(nodes: &Nodes) -> usize {
    let mut leader = None;
    until_paced("a node leads", PAUSE, || {
        leader = nodes.leader();
        leader.is_some()
    });
    leader.unwrap()
}

/// The NATS server that leads the stream.
fn nats_led(nodes: &Nodes) -> usize {
    let mut leader = None;
    until_paced("a NATS server leads", PAUSE, || {
        leader = nodes.nats.leader();
        leader.is_some()
    });
    leader.unwrap()
}

/// Flips a bit in the middle of each block of messages, and removes the indexes, as a failing disk does.
fn damage(store: &Path) {
    let mut changed = 0;
    for path in files(store) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.ends_with(".blk") && !path.components().any(|part| part.as_os_str() == "_js_") {
            let mut bytes = std::fs::read(&path).unwrap();
            let middle = bytes.len() / 2;
            if let Some(byte) = bytes.get_mut(middle) {
                *byte ^= 1;
                changed += 1;
                std::fs::write(&path, bytes).unwrap();
            }
        } else if name == "index.db" {
            std::fs::remove_file(&path).unwrap();
        }
    }
    assert!(changed > 0, "no block of messages in {}", store.display());
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.into_iter().flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn faults_lose_no_answered_event_and_break_no_promise_to_readers() {
    let Some(mut nodes) = Nodes::start() else { return };
    let count = std::env::var("JOBLEDGER_FAULTS").map_or(FAULTS.len(), |count| count.parse().expect("a number"));
    let clients = Clients::start(&nodes);
    clients.answers(QUIET);
    for round in 0..count {
        let (what, fault) = FAULTS[round % FAULTS.len()];
        clients.longest_pause();
        fault(&mut nodes, round / FAULTS.len());
        clients.answers(QUIET);
        println!("{round}: {what}: no answer for {:?}", clients.longest_pause());
    }
    clients.check(&nodes);
    nodes.verify();
}
