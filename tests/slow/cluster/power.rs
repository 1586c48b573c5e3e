//! All machines lose their power at once: each machine loses the bytes that it has not written to its disk. Each machine has a disk of its
//! own, a file that is mounted. A copy of that file is the disk after the power cut.
//!
//! It needs the right to mount, which a machine for tests may lack. The test then says so.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::clients::Clients;
use super::servers::{Servers, machine, program};
use super::{Nodes, PAUSE};
use crate::support::cli::{PROGRAM, cli};
use crate::support::skipped;
use crate::support::wait::until_paced;

/// Bytes of a disk. The file has holes where nothing is written.
const DISK: u64 = 256 << 20;
/// Answers before the power cut, and after it.
const ANSWERS: usize = 150;

/// The disks of three machines, mounted.
pub struct Disks {
    dir: PathBuf,
    cuts: usize,
}

impl Disks {
    /// Disks without files; `None` without the right to mount.
    fn mount(dir: &Path) -> Option<Disks> {
        let disks = Disks { dir: dir.to_owned(), cuts: 0 };
        for at in 0..3 {
            std::fs::create_dir(machine(dir, at)).unwrap();
            std::fs::File::create(disks.image(at)).unwrap().set_len(DISK).unwrap();
            let made = Command::new("mkfs.ext4").arg("-q").arg(disks.image(at)).status();
            if !made.is_ok_and(|status| status.success()) || !disks.mount_one(at) {
                println!("not run: this machine does not let a test mount a disk");
                return None;
            }
        }
        Some(disks)
    }

    fn image(&self, at: usize) -> PathBuf {
        self.dir.join(format!("disk-{at}-{}", self.cuts))
    }

    fn mount_one(&self, at: usize) -> bool {
        let mut mount = Command::new("mount");
        mount.args(["-o", "loop"]).arg(self.image(at)).arg(machine(&self.dir, at));
        mount.output().is_ok_and(|done| done.status.success())
    }

    fn unmount(&self, at: usize) {
        let _ = Command::new("umount").arg("-l").arg(machine(&self.dir, at)).output();
    }

    /// Ends everything on the machines in the state that the disks have now, and mounts copies of the disks.
    fn cut(&mut self, nodes: &mut Nodes) {
        // No process writes while the disks are copied.
        for at in 0..3 {
            nodes.nats.signal(at, "STOP");
            nodes.serving[at].as_ref().unwrap().signal("STOP");
        }
        let before: Vec<PathBuf> = (0..3).map(|at| self.image(at)).collect();
        self.cuts += 1;
        for (at, image) in before.iter().enumerate() {
            let copy = Command::new("cp").arg("--sparse=always").arg(image).arg(self.image(at)).status();
            assert!(copy.unwrap().success());
        }
        for at in 0..3 {
            nodes.kill(at);
            nodes.nats.kill(at);
            self.unmount(at);
            assert!(self.mount_one(at), "the disk of machine {at} after the power cut");
        }
        (0..3).for_each(|at| nodes.nats.start_again(at));
        nodes.nats.are_ready();
    }
}

impl Drop for Disks {
    fn drop(&mut self) {
        (0..3).for_each(|at| self.unmount(at));
    }
}

/// Cuts the power of all machines, and starts the NATS servers again.
fn cut(nodes: &mut Nodes) {
    let mut disks = nodes.disks.take().unwrap();
    disks.cut(nodes);
    nodes.disks = Some(disks);
}

/// The URL of a monitor that says of its server that it syncs every message.
fn lying_monitor() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let body = r#"{"version":"2.15.1","jetstream":{"config":{"sync_always":true}}}"#;
            let _ =
                write!(stream, "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        }
    });
    format!("http://{address}")
}

/// A cluster on disks, and its clients, once some appends are answered; `None` if the machine cannot have it.
fn cluster(settings: &str, monitors: Option<String>) -> Option<(Nodes, Clients)> {
    let Some(program) = program() else {
        skipped("nats-server, in JOBLEDGER_TEST_NATS or in the path");
        return None;
    };
    let dir = tempfile::tempdir().unwrap();
    let disks = Disks::mount(dir.path())?;
    let nats = Servers::start_with(&program, dir.path(), settings);
    let monitors = monitors.unwrap_or_else(|| nats.monitors());
    let nodes = Nodes { disks: Some(disks), ..Nodes::on(PROGRAM, dir, nats, monitors, "32MiB") };
    let clients = Clients::start(&nodes);
    clients.answers(ANSWERS);
    Some((nodes, clients))
}

#[test]
fn a_power_cut_of_all_machines_loses_no_answered_event() {
    let Some((mut nodes, clients)) = cluster("sync_interval: always", None) else { return };
    for _ in 0..2 {
        cut(&mut nodes);
        (0..3).for_each(|at| nodes.serve(at));
        clients.answers(ANSWERS);
    }
    clients.check(&nodes);
    nodes.verify();
}

/// What the check of the servers is for. Without it the test above would prove nothing.
#[test]
fn servers_that_do_not_sync_lose_the_stream_in_a_power_cut_and_the_logs_of_the_nodes_still_have_all() {
    let lying = [(); 3].map(|()| lying_monitor()).join(",");
    let Some((mut nodes, clients)) = cluster("", Some(lying)) else { return };
    cut(&mut nodes);
    // The node with the most has every answered event.
    let head = |at: usize| {
        let shown = cli(["verify", "db", "--json"]).arg(nodes.folder(at)).run().stdout;
        let shown: serde_json::Value = serde_json::from_str(shown.lines().next().unwrap()).unwrap();
        shown["report"]["head"]["size"].as_u64().unwrap_or_else(|| panic!("{shown}"))
    };
    let heads = [0, 1, 2].map(head);
    // It refuses while the stream continues the log: so the stream has lost messages. Of the nodes with all events one may have a message
    // without events more than the others.
    let reseed = |at: &usize| {
        let done = nodes.command(*at, &["cluster", "reseed", "--stream-bytes", "32MiB"]).run();
        let has_all = done.code == 0;
        assert!(has_all || done.stderr.contains("has said that it has message"), "{}", done.stderr);
        has_all
    };
    let most = (0..3).filter(|at| heads[*at] == heads.into_iter().max().unwrap()).find(reseed);
    let most = most.expect("a node begins the next generation");
    nodes.serve(most);
    (0..3).filter(|at| *at != most).for_each(|at| nodes.serve(at));
    until_paced("a node leads", PAUSE, || nodes.leader().is_some());
    clients.answers(ANSWERS);
    clients.check(&nodes);
    nodes.verify();
}
