//! Three NATS servers on loopback. The bench `cluster` starts them too.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU16, Ordering};

pub use crate::support::nats_server::program;
use crate::support::wait::until_paced;

/// Between two looks at a server.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(100);

/// The three servers. They end with the value.
pub struct Servers {
    program: PathBuf,
    pub places: Places,
    configs: [PathBuf; 3],
    clients: [u16; 3],
    monitors: [u16; 3],
    children: [Option<Child>; 3],
}

/// Where three machines are.
pub struct Places {
    pub hosts: [String; 3],
    /// The network namespace of each machine; `None` for machines that share this one's network.
    pub namespaces: Option<[String; 3]>,
}

impl Places {
    /// Three machines that are this one.
    fn here() -> Places {
        Places { hosts: ["127.0.0.1"; 3].map(str::to_owned), namespaces: None }
    }

    /// What a shell runs to start `$0 $@` on a machine.
    pub fn shell(&self, at: usize) -> String {
        match &self.namespaces {
            Some(namespaces) => format!(r#"exec /sbin/ip netns exec {} "$0" "$@""#, namespaces[at]),
            None => r#"exec "$0" "$@""#.into(),
        }
    }

    /// A URL on each machine.
    fn urls(&self, scheme: &str, ports: [u16; 3]) -> String {
        let urls: Vec<String> =
            self.hosts.iter().zip(ports).map(|(host, port)| format!("{scheme}://{host}:{port}")).collect();
        urls.join(",")
    }
}

/// A port that is free. It is not one of those that the system gives to clients, which could take it before the server does. Each process
/// begins elsewhere, so that two runs of these tests do not take each other's ports.
pub fn free_port() -> u16 {
    static NEXT: LazyLock<AtomicU16> =
        LazyLock::new(|| AtomicU16::new(20_000 + (std::process::id() % 120) as u16 * 100));
    loop {
        let port = NEXT.fetch_add(1, Ordering::Relaxed);
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// The folder of what one of three machines has on its disk.
pub fn machine(folder: &Path, at: usize) -> PathBuf {
    folder.join(format!("machine-{at}"))
}

impl Servers {
    /// Servers that sync every message.
    pub fn start(program: &Path, folder: &Path) -> Servers {
        Servers::start_with(program, folder, "sync_interval: always")
    }

    /// Servers with these settings of JetStream.
    pub fn start_with(program: &Path, folder: &Path, settings: &str) -> Servers {
        Servers::start_at(program, folder, settings, Places::here())
    }

    /// Servers with these settings of JetStream, on these machines.
    pub fn start_at(program: &Path, folder: &Path, settings: &str, places: Places) -> Servers {
        let ports = || std::array::from_fn::<u16, 3, _>(|_| free_port());
        let (clients, monitors, routes) = (ports(), ports(), ports());
        let all = places.urls("nats", routes);
        let configs = std::array::from_fn(|at| {
            let (path, machine) = (folder.join(format!("nats-{at}.conf")), machine(folder, at));
            std::fs::create_dir_all(&machine).unwrap();
            let host = &places.hosts[at];
            let text = format!(
                "server_name: n{at}\nmax_payload: 8MB\nlisten: {host}:{}\nhttp: {host}:{}\n\
                 jetstream {{ store_dir: \"{}\", {settings} }}\n\
                 cluster {{ name: jobledger, listen: {host}:{}, routes: [{all}] }}\n",
                clients[at],
                monitors[at],
                machine.join("nats").display(),
                routes[at]
            );
            std::fs::write(&path, text).unwrap();
            path
        });
        let mut servers =
            Servers { program: program.to_owned(), places, configs, clients, monitors, children: [None, None, None] };
        for at in 0..3 {
            servers.start_again(at);
        }
        servers.are_ready();
        servers
    }

    /// Waits until the servers have found each other.
    pub fn are_ready(&self) {
        let is_ready = |monitor: &str| {
            ureq::get(format!("{monitor}/healthz?js-enabled-only=true")).call().is_ok()
                && ureq::get(format!("{monitor}/jsz")).call().is_ok_and(|mut answer| {
                    // The group of all servers has a leader once they have found each other.
                    answer.body_mut().read_to_string().is_ok_and(|text| text.contains("\"leader\""))
                })
        };
        until_paced("NATS has a leader", PAUSE, || self.monitors().split(',').all(is_ready));
    }

    /// The URLs for clients.
    pub fn urls(&self) -> String {
        self.places.urls("nats", self.clients)
    }

    /// The URLs that show each server's state.
    pub fn monitors(&self) -> String {
        self.places.urls("http", self.monitors)
    }

    pub fn kill(&mut self, at: usize) {
        let mut child = self.children[at].take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Sends a server a signal, by name.
    pub fn signal(&self, at: usize, name: &str) {
        let pid = self.children[at].as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").arg(format!("-{name}")).arg(pid).status().unwrap().success());
    }

    /// The server that leads the stream of the ledger; `None` during an election.
    pub fn leader(&self) -> Option<usize> {
        let ask = |monitor: &str| {
            let url = format!("{monitor}/jsz?streams=1&config=0");
            let agent = ureq::Agent::config_builder().timeout_global(Some(PAUSE * 10)).build().new_agent();
            let text = agent.get(url).call().ok()?.body_mut().read_to_string().ok()?;
            let found: serde_json::Value = serde_json::from_str(&text).ok()?;
            let accounts = found["account_details"].as_array()?.iter();
            let streams = accounts.flat_map(|account| account["stream_detail"].as_array().into_iter().flatten());
            let mut own = streams.filter(|stream| !stream["name"].as_str().unwrap_or_default().starts_with("KV_"));
            own.next()?["cluster"]["leader"].as_str()?.strip_prefix('n')?.parse().ok()
        };
        self.monitors().split(',').find_map(ask)
    }

    /// The folder in which a server keeps streams.
    pub fn store(&self, at: usize) -> PathBuf {
        machine(self.configs[at].parent().unwrap(), at).join("nats")
    }

    pub fn start_again(&mut self, at: usize) {
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(self.places.shell(at)).arg(&self.program).arg("-c").arg(&self.configs[at]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        self.children[at] = Some(command.spawn().unwrap());
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        for child in self.children.iter_mut().flatten() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
