//! A rotation of the ledger's key, by an operator.

use super::{NAMES, Nodes, PAUSE};
use crate::support::cli::on;
use crate::support::task_job;
use crate::support::wait::until_paced;

#[test]
fn an_operator_rotates_the_key_of_all_nodes() {
    let Some(mut nodes) = Nodes::start() else { return };
    let old = on(&nodes.folder(0), "key show", &[]).expect(0).stdout;
    nodes.append(0, &task_job("one"));
    nodes.settle();
    // One node lacks an event of the others.
    nodes.kill(2);
    nodes.append(0, &task_job("two"));
    nodes.settle();
    let rotate = |nodes: &Nodes, at: usize| nodes.command(at, &["cluster", "rotate", "--stream-bytes", "64MiB"]).run();
    rotate(&nodes, 0).refused(2, &["is in use by another jobledger"]);
    rotate(&nodes, 2).refused(2, &["leads, or was killed"]);
    nodes.serving = [None, None, None];
    until_paced("no node leads any more", PAUSE, || !rotate(&nodes, 2).stderr.contains("leads, or was killed"));
    rotate(&nodes, 2).refused(2, &["lacks message"]);
    let rotated = rotate(&nodes, 0).expect(0).stdout;
    assert!(rotated.contains("_2` begins"), "{rotated}");
    rotate(&nodes, 0).refused(2, &["ledger.key.previous` still signs"]);
    nodes.command(1, &["serve", "--listen", "127.0.0.1:0"]).run().refused(2, &["bring `ledger.key`"]);
    for file in ["ledger.key", "ledger.key.previous"] {
        for at in [1, 2] {
            std::fs::copy(nodes.folder(0).join(file), nodes.folder(at).join(file)).unwrap();
        }
    }
    for at in [0, 1, 2] {
        nodes.serve(at);
    }
    for (at, name) in NAMES.iter().enumerate() {
        nodes.append(at, &task_job(name));
    }
    until_paced("every node is ready", PAUSE, || (0..3).all(|at| nodes.client(at, "x").get("/readyz").status == 200));
    nodes.settle();
    for at in 0..3 {
        let keys = on(&nodes.folder(at), "key show", &[]).expect(0).stdout;
        assert!(rotated.contains(keys.lines().next().unwrap()) && keys.ends_with(&old), "{keys}");
        for job in ["one", "two", "a", "b", "c"] {
            nodes.client(at, &nodes.auditor).get(&format!("/ledger/jobs/{job}")).expect(200);
        }
    }
    nodes.verify();
}
