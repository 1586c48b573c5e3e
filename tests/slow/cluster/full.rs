//! A stream that takes no more bytes.

use serde_json::json;

use super::{NAMES, Nodes, PAUSE};
use crate::support::wait::until_paced;
use crate::support::{noted, task_job};

#[test]
fn a_full_stream_refuses_writes_and_shows_what_there_is_until_a_lost_member_leaves() {
    let Some(mut nodes) = Nodes::with_stream_of("8MiB") else { return };
    nodes.append(0, &task_job("big"));
    let leader = nodes.leader().unwrap();
    let (away, other) = ((leader + 1) % 3, (leader + 2) % 3);
    // The stream keeps every message for this member.
    nodes.kill(away);
    let text = "x".repeat(15_000);
    let last = (0..20).find_map(|_| {
        let notes: Vec<_> = (0..40).map(|n| noted("big", &format!("{n} {text}"))).collect();
        let answer = nodes.client(leader, &nodes.worker).append(&json!(notes));
        (answer.status != 201).then_some((answer.status, answer.json()["code"].clone()))
    });
    assert_eq!(last, Some((503, "outcome-unknown".into())), "8 MiB of 12 MiB");
    // Both nodes know that they have every message that there is.
    for at in [leader, other] {
        nodes.client(at, &nodes.auditor).get("/ledger/jobs/big").expect(200);
    }
    nodes.command(leader, &["cluster", "leave", "--gone", NAMES[away]]).run().expect(0);
    nodes.append(other, &task_job("after"));
    nodes.serve(away);
    until_paced("the node is ready", PAUSE, || nodes.client(away, &nodes.auditor).get("/readyz").status == 200);
    nodes.settle();
    nodes.verify();
}
