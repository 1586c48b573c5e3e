//! A stream that takes no more messages: it is full, or most servers are gone.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

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
    for at in [leader, other] {
        let later = nodes.client(at, &nodes.worker).append(&task_job("later"));
        assert_eq!((later.status, &later.json()["code"]), (503, &"no-leader".into()));
    }
    until_paced("the stream is full", PAUSE, || {
        nodes.figure(leader, "stream_bytes") + 1_000_000 > nodes.figure(leader, "stream_most_bytes")
    });
    // Both nodes still know that they have every message that there is: a node without this knowledge shows nothing after 30 s.
    let refused = Instant::now();
    until_paced("35 s have gone by", PAUSE * 10, || {
        for at in [leader, other] {
            nodes.client(at, &nodes.auditor).get("/ledger/jobs/big").expect(200);
        }
        refused.elapsed() > Duration::from_secs(35)
    });
    nodes.command(leader, &["cluster", "leave", "--gone", NAMES[away]]).run().expect(0);
    nodes.append(other, &task_job("after"));
    nodes.serve(away);
    until_paced("the node is ready", PAUSE, || nodes.client(away, &nodes.auditor).get("/readyz").status == 200);
    nodes.settle();
    nodes.verify();
}

#[test]
fn every_append_is_answered_while_most_servers_of_nats_are_gone() {
    let Some(mut nodes) = Nodes::start() else { return };
    nodes.append(0, &task_job("one"));
    let leader = nodes.leader().unwrap();
    nodes.nats.kill(0);
    nodes.nats.kill(1);
    // The first one is in a commit, and the others wait behind it.
    let codes: Vec<Value> = std::thread::scope(|scope| {
        let sent: Vec<_> = (0..6)
            .map(|n| {
                let client = nodes.client((leader + n) % 3, &nodes.worker);
                scope.spawn(move || client.append(&task_job(&format!("job-{n}"))).expect(503).json()["code"].clone())
            })
            .collect();
        sent.into_iter().map(|answer| answer.join().unwrap()).collect()
    });
    let expected = ["outcome-unknown", "no-leader"];
    assert!(codes.iter().all(|code| expected.iter().any(|expected| code == expected)), "{codes:?}");
    nodes.nats.start_again(0);
    nodes.nats.start_again(1);
    for n in 0..6 {
        nodes.append(n % 3, &task_job(&format!("after-{n}")));
    }
    nodes.settle();
    nodes.verify();
}
