//! Ten thousand watchers: memory of a tail, and what tails cost appends while they are idle, busy, not read, or connect again.
//!
//! The server is a process of its own. Its processors are also the clients'. Every watcher checks that its events come once and in
//! order.
//!
//! `cargo bench --bench watchers [-- [--quick] [--part memory] [--tails 1000] [--events 1000000]]`

mod appends;
mod late;
mod memory;
mod storm;
#[path = "../support/mod.rs"]
mod support;
mod unread;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use jobledger::access::Role;
use support::{
    Certificate, Connection, Serving, To, client, connections_within_limit, get, option, probe, running_jobs, size,
    token,
};

/// Connections that append.
const CONNECTIONS: usize = 16;
/// Longest wait for a server to reach a state.
const PATIENCE: Duration = Duration::from_secs(60);

/// Measures a part and prints its table.
type Part = fn(&Bench);

fn main() {
    let bench = Bench::new();
    probe("before");
    let parts: [(&str, Part); 5] = [
        ("memory", memory::measure),
        ("appends", appends::measure),
        ("unread", unread::measure),
        ("storm", storm::measure),
        ("late", late::measure),
    ];
    let wanted = option("part");
    for (name, measure) in parts {
        if wanted.as_deref().is_none_or(|wanted| wanted == name) {
            measure(&bench);
        }
    }
    probe("after");
}

/// The sizes of a run.
struct Bench {
    client: tokio::runtime::Runtime,
    folder: tempfile::TempDir,
    /// Most tails of one server.
    tails: usize,
    /// Tails that get every event.
    busy: usize,
    rounds: usize,
    /// Appends of a round.
    appends: usize,
    /// Events of the log that late tails read.
    events: usize,
}

impl Bench {
    fn new() -> Bench {
        let [tails, busy, rounds, appends, events] =
            size([10_000, 1_000, 5, 16_000, 5_000_000], [1_000, 100, 3, 4_000, 200_000], [40, 10, 1, 160, 2_000]);
        let number = |name: &str| option(name).map(|n| n.parse().expect("a number"));
        let tails = connections_within_limit(number("tails").unwrap_or(tails));
        let events = number("events").unwrap_or(events);
        let folder = support::folder();
        Bench { client: client(), folder, tails, busy: busy.min(tails), rounds, appends, events }
    }

    /// How long a measurement at a steady rate takes.
    fn spell(&self) -> Duration {
        Duration::from_millis(self.appends as u64 / 4)
    }

    /// A folder for one ledger.
    fn data(&self, name: &str) -> PathBuf {
        let data = self.folder.path().join(name);
        std::fs::create_dir_all(&data).expect("the folder can be written");
        data
    }

    /// A server of the ledger in the folder `name`. It admits all tails of the bench with one token.
    fn serve(&self, name: &str, options: &[&str], certificate: Option<&Certificate>) -> Served {
        let data = self.data(name);
        let most = (self.tails + self.busy).to_string();
        let mut arguments = vec!["--max-tails", &most, "--max-tails-per-token", &most];
        arguments.extend(options);
        let files = certificate.map(Certificate::paths);
        if let Some((certificate, key)) = &files {
            arguments.extend(["--tls-cert", certificate, "--tls-key", key]);
        }
        let serving = Serving::start(&data, &arguments);
        let to = match certificate {
            Some(certificate) => To::trusting(serving.address, certificate),
            None => To::clear(serving.address),
        };
        Served { serving, to, token: token(&data, Role::Admin) }
    }
}

/// A server, and what its clients need to know.
struct Served {
    serving: Serving,
    to: To,
    token: String,
}

impl Served {
    /// Makes jobs that go on running. A server closes a tail of an ended job at once.
    async fn running_jobs(&self, count: usize) -> Vec<String> {
        running_jobs(&mut Connection::over(self.to.connect().await), &self.token, count).await
    }

    /// Requests for `count` tails; `path` gives the path of the n-th.
    fn tails(&self, count: usize, path: impl Fn(usize) -> String) -> Vec<Vec<u8>> {
        (0..count).map(|n| get(&path(n), &self.token, "text/event-stream")).collect()
    }

    /// Requests for a tail of each of `jobs`.
    fn tails_of(&self, jobs: &[String]) -> Vec<Vec<u8>> {
        self.tails(jobs.len(), |n| format!("/ledger/jobs/{}/events", jobs[n]))
    }

    /// Waits until the count of open tails is `wanted`.
    async fn until_open(&self, wanted: usize) {
        let started = Instant::now();
        loop {
            let tails = self.serving.tails(&self.token).await;
            if tails == wanted {
                return;
            }
            assert!(started.elapsed() < PATIENCE, "{tails} tails are open instead of {wanted}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
