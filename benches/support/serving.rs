//! `jobledger serve` in a process of its own, so that its memory can be measured and its open files do not add to the bench's.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};

use super::{Connection, get};

/// A running server. Dropping this value kills the process.
pub struct Serving {
    process: Child,
    pub address: SocketAddr,
}

/// Resident memory of a process, in KiB.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    pub all: u64,
    /// The part that holds pages of files. The kernel can take those pages back.
    pub files: u64,
    /// The most that the process ever had.
    pub peak: u64,
}

impl Serving {
    /// Starts a server on a free port of loopback, and reads its first line. `options` follow those that every bench needs.
    pub fn start(folder: &Path, options: &[&str]) -> Serving {
        Serving::on(folder, "127.0.0.1:0", options)
    }

    /// Starts a server on `address`.
    pub fn on(folder: &Path, address: &str, options: &[&str]) -> Serving {
        let mut process = Command::new(env!("CARGO_BIN_EXE_jobledger"))
            .args(["serve", "--create", "--listen", address, "--log", "error", "--data"])
            .arg(folder)
            .args(options)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut line = String::new();
        let out = process.stdout.take().expect("its first line");
        BufReader::new(out).read_line(&mut line).expect("its first line");
        let (_, address) = line.trim().split_once("://").expect("an address");
        Serving { process, address: address.parse().expect("an address") }
    }

    /// The memory of the process.
    pub fn memory(&self) -> Memory {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap_or_default();
        let kib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
        };
        Memory { all: kib("VmRSS:"), files: kib("RssFile:"), peak: kib("VmHWM:") }
    }

    /// The count of open tails, from `/metrics`.
    pub async fn tails(&self, token: &str) -> usize {
        let mut connection = Connection::open(self.address).await;
        connection.ask(&get("/metrics", token, "text/plain")).await;
        let text = String::from_utf8_lossy(connection.body());
        let line = text.lines().find_map(|line| line.strip_prefix("jobledger_tails_open "));
        line.expect("the server counts its tails").parse().expect("a number")
    }

    /// Asks the server to stop. It then ends its tails.
    pub fn ask_to_stop(&self) {
        kill_process(Pid::from_child(&self.process), Signal::TERM).expect("the server runs");
    }

    /// Waits until the server has stopped.
    pub fn stopped(mut self) {
        self.process.wait().expect("the server stops");
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Raises the limit of open files to the most that this process may have. Returns how many of `wanted` connections it admits here, and
/// in a server that has the same limit.
pub fn connections_within_limit(wanted: usize) -> usize {
    /// Files that the bench or the server opens beside these connections.
    const OTHERS: u64 = 300;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    let limit = if raised.is_ok() { maximum } else { current };
    let most = limit.map_or(usize::MAX, |limit| limit.saturating_sub(OTHERS) as usize);
    if most < wanted {
        println!("the limit of open files admits {most} tails instead of {wanted}");
    }
    wanted.min(most)
}
