//! Two nodes that write at once: the test gives each of them the lease, as if NATS did.

use std::time::Duration;

use jobledger::access::LiveAccess;
use jobledger::cluster::nats::Login;
use jobledger::cluster::{Cluster, Confirm, Settings};
use jobledger::ledger::{AppendError, Folder, Ledger, Options};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::sync::watch;

use super::nodes::Nodes;
use super::{NAMES, every_node_has};
use crate::support::nodes::as_worker;
use crate::support::noted;
use crate::support::wait::until_some_paced;

/// How often each node loses the lead to the other.
const LOSSES: usize = 6;
/// Between two attempts of an append.
const PAUSE: Duration = Duration::from_millis(2);

/// A node in this process that always has the lease.
struct Writer {
    ledger: Ledger,
    _lease: watch::Sender<bool>,
}

/// The answer to an append.
struct Answered {
    position: u64,
    /// Whether the node refused the append before, because another one led.
    lost: bool,
}

impl Writer {
    fn start(nodes: &Nodes, at: usize, runtime: &Runtime) -> Writer {
        let list = |urls: &str| urls.split(',').map(str::to_owned).collect();
        let settings = Settings {
            name: NAMES[at].into(),
            url: nodes.url(at),
            login: Login { servers: list(&nodes.nats.urls()), ..Login::default() },
            monitors: list(&nodes.monitors),
            replicas: 3,
            confirm: Confirm::Majority,
        };
        let folder = Folder::new(nodes.folder(at));
        let (cluster, mut replication) = runtime.block_on(Cluster::connect(settings, &folder)).unwrap();
        let (lease, has_lease) = watch::channel(true);
        replication.lease = has_lease;
        let access = LiveAccess::open(&folder.access()).unwrap();
        let ledger = Ledger::open_node(folder, Options::default(), replication).unwrap();
        runtime.spawn(cluster.run(ledger.clone(), access));
        Writer { ledger, _lease: lease }
    }

    /// Sends an event until it is answered.
    fn append(&self, event: &Value, runtime: &Runtime) -> Answered {
        let mut lost = false;
        let position = until_some_paced("an append is answered", PAUSE, || {
            match runtime.block_on(self.ledger.append(as_worker(&json!([event])))) {
                Ok(appended) => Some(appended.position().get()),
                Err(AppendError::NotLeading) => {
                    lost = true;
                    None
                }
                Err(AppendError::OutcomeUnknown) => None,
                Err(error) => panic!("{error}"),
            }
        });
        Answered { position, lost }
    }

    /// Appends until the other node has taken the lead several times. Answers the events with their positions.
    fn write(&self, name: &str, runtime: &Runtime) -> Vec<(Value, u64)> {
        let (mut answered, mut losses) = (Vec::new(), 0);
        while losses < LOSSES {
            let event = noted("before", &format!("{name} {}", answered.len()));
            let Answered { position, lost } = self.append(&event, runtime);
            losses += usize::from(lost);
            answered.push((event["id"].clone(), position));
        }
        answered
    }
}

#[test]
fn two_nodes_that_write_at_once_fork_nothing_and_lose_no_answer() {
    let Some(mut nodes) = Nodes::start() else { return };
    nodes.kill(0);
    nodes.kill(1);
    let runtime = Runtime::new().unwrap();
    let writers = [0, 1].map(|at| Writer::start(&nodes, at, &runtime));
    let answered: Vec<(Value, u64)> = std::thread::scope(|scope| {
        let runtime = &runtime;
        let running: Vec<_> =
            writers.iter().zip(NAMES).map(|(writer, name)| scope.spawn(move || writer.write(name, runtime))).collect();
        running.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    for writer in &writers {
        writer.ledger.close();
    }
    // With its tasks, which hold the folders.
    drop(writers);
    runtime.shutdown_timeout(Duration::from_secs(10));
    nodes.serve(0);
    nodes.serve(1);
    nodes.settle();
    every_node_has(&nodes, &answered);
    nodes.verify();
}
