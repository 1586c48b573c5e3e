//! An upgrade: nodes of two versions side by side, under load.

use super::clients::Clients;
use super::{Nodes, PAUSE};
use crate::support::cli::PROGRAM;
use crate::support::wait::until_paced;

/// Names an older `jobledger` with which the nodes begin. Without it each node is only stopped and started again.
const OLDER: &str = "JOBLEDGER_TEST_OLDER";

#[test]
fn nodes_are_upgraded_one_after_the_other_under_load() {
    let older = std::env::var(OLDER).unwrap_or_else(|_| PROGRAM.to_owned());
    let Some(mut nodes) = Nodes::of(&older, "256MiB") else { return };
    let clients = Clients::start(&nodes);
    clients.answers(50);
    let leader = nodes.leader().unwrap();
    for at in [leader + 1, leader + 2, leader].map(|at| at % 3) {
        nodes.stop(at);
        nodes.programs[at] = PROGRAM.to_owned();
        nodes.serve(at);
        until_paced("the node is ready", PAUSE, || nodes.client(at, &nodes.auditor).get("/readyz").status == 200);
        clients.answers(50);
    }
    println!("the longest pause was {:?}", clients.longest_pause());
    let status = nodes.command(0, &["cluster", "status"]).run().expect(0).stdout;
    assert_eq!(status.matches(concat!("  ", env!("CARGO_PKG_VERSION"), "  ")).count(), 3, "{status}");
    clients.check(&nodes);
    nodes.verify();
}
