//! A stream that NATS has lost.

use super::{NAMES, Nodes, PAUSE};
use crate::support::cli::token;
use crate::support::task_job;
use crate::support::wait::until_paced;

#[test]
fn a_lost_stream_is_made_again_by_an_operator_and_loses_no_answered_event() {
    let Some(mut nodes) = Nodes::start() else { return };
    nodes.append(0, &task_job("one"));
    let reseed = |nodes: &Nodes, at: usize| nodes.command(at, &["cluster", "reseed", "--stream-bytes", "64MiB"]);
    let refused = |nodes: &Nodes, at: usize, words: &[&str]| {
        reseed(nodes, at).run().refused(2, words);
    };
    nodes.settle();
    refused(&nodes, 0, &["is in use by another jobledger"]);
    // One node has less than the others.
    nodes.kill(2);
    let last = nodes.append(0, &task_job("two"));
    nodes.settle();
    nodes.serving[0] = None;
    until_paced("the other node leads", PAUSE, || nodes.leader() == Some(1));
    // A message without events, which the first node lacks.
    token(&nodes.folder(1), "viewer");
    nodes.serving[1] = None;
    refused(&nodes, 0, &["still has what continues this log"]);
    nodes.lose_stream();
    nodes.command(0, &["serve", "--listen", "127.0.0.1:0"]).run().refused(2, &["there is no stream", "reseed"]);
    refused(&nodes, 2, &["has position", "and this one has"]);
    refused(&nodes, 0, &["node `b` has said that it has message", "and this one has"]);
    assert!(reseed(&nodes, 1).run().expect(0).stdout.contains(&format!("after position {last}")));
    // Once is enough.
    refused(&nodes, 1, &["still has what continues this log"]);
    reseed(&nodes, 2).arg("--force").run().refused(2, &["another node with another log begins"]);
    for at in [1, 0, 2] {
        nodes.serve(at);
    }
    for (at, name) in NAMES.iter().enumerate() {
        nodes.append(at, &task_job(name));
    }
    until_paced("every node is ready", PAUSE, || (0..3).all(|at| nodes.client(at, "x").get("/readyz").status == 200));
    nodes.settle();
    for job in ["one", "two", "a", "b", "c"] {
        nodes.client(2, &nodes.auditor).get(&format!("/ledger/jobs/{job}")).expect(200);
    }
    let status = nodes.command(0, &["cluster", "status"]).arg("--json").run().expect(0);
    assert!(status.json_lines()[0]["stream"].as_str().unwrap().ends_with("_2"));
    nodes.verify();
}
