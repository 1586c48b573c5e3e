//! Webhooks of a cluster: the node that leads delivers, and the next leader goes on.

use serde_json::json;

use super::{Nodes, PAUSE};
use crate::support::cli::{on, token};
use crate::support::noted;
use crate::support::receiver::Receiver;
use crate::support::wait::until_paced;

/// The positions in the order in which they came first.
fn first_times(positions: Vec<u64>) -> Vec<u64> {
    let mut first = Vec::new();
    for position in positions {
        if !first.contains(&position) {
            first.push(position);
        }
    }
    first
}

#[test]
fn the_next_leader_goes_on_with_the_webhooks() {
    let Some(mut nodes) = Nodes::start() else { return };
    until_paced("a node leads", PAUSE, || nodes.leader().is_some());
    let first = nodes.leader().unwrap();
    let admin = token(&nodes.folder(first), "admin");
    let listed = |nodes: &Nodes, at: usize| {
        let answer = nodes.client(at, &admin).get("/ledger/webhooks");
        (answer.status == 200).then(|| answer.json()["webhooks"].as_array().unwrap().clone())
    };
    let asked = (first + 1) % 3;
    until_paced("the token has arrived", PAUSE, || listed(&nodes, asked).is_some());
    let receiver = Receiver::start();
    on(&nodes.folder(asked), "webhook add", &[&receiver.url]).refused(1, &["does not lead"]);
    let new = json!({"url": receiver.url, "types": ["job.noted"]});
    let added = nodes.client(asked, &admin).post_json("/ledger/webhooks", &new).expect(201).json();
    let (id, secret) = (added["id"].as_str().unwrap(), added["secret"].as_str().unwrap());
    assert_eq!(listed(&nodes, asked).unwrap().len(), 1, "the node that is asked has the change when it answers");
    until_paced("every node has the webhook", PAUSE, || {
        (0..3).all(|at| listed(&nodes, at).is_some_and(|webhooks| webhooks.len() == 1 && webhooks[0]["id"] == id))
    });
    let mut events = Vec::new();
    let mut append = |nodes: &Nodes| {
        for n in 0..20 {
            let serving: Vec<usize> = (0..3).filter(|at| nodes.serving[*at].is_some()).collect();
            events.push(nodes.append(serving[n % serving.len()], &noted("before", &format!("{}", events.len()))));
        }
        events.clone()
    };
    let events_of_the_first = append(&nodes);
    receiver.until_taken(20);
    assert_eq!(receiver.positions(), events_of_the_first, "each event once, and in order");
    // A leader that stops says how far the receiver was told.
    nodes.serving[first].take().unwrap().end("TERM").expect(0);
    let events_of_two = append(&nodes);
    receiver.until_taken(40);
    assert_eq!(receiver.positions(), events_of_two, "each event once, and in order");
    nodes.serve(first);
    until_paced("a node leads", PAUSE, || nodes.leader().is_some());
    let second = nodes.leader().unwrap();
    nodes.kill(second);
    let all = append(&nodes);
    until_paced("the next leader has sent the rest", PAUSE, || first_times(receiver.positions()) == all);
    assert!(receiver.taken().iter().all(|message| message.is_signed_with(secret)));
    nodes.serve(second);
    nodes.settle();
    // The node that is asked has the change when it answers.
    nodes.client(second, &admin).delete(&format!("/ledger/webhooks/{id}")).expect(204);
    assert_eq!(listed(&nodes, second), Some(Vec::new()));
    let other = Receiver::start();
    nodes.client(second, &admin).post_json("/ledger/webhooks", &json!({"url": other.url})).expect(201);
    nodes.append(second, &noted("before", "after"));
    // The second webhook shows that the leader has gone past the event.
    other.until_taken(1);
    assert_eq!(first_times(receiver.positions()), all);
    nodes.verify();
}

#[test]
fn a_leader_that_was_frozen_delivers_no_more_and_sets_no_receiver_back() {
    let Some(nodes) = Nodes::start() else { return };
    until_paced("a node leads", PAUSE, || nodes.leader().is_some());
    let (frozen, receiver) = (nodes.leader().unwrap(), Receiver::start());
    let admin = token(&nodes.folder(frozen), "admin");
    let new = json!({"url": receiver.url, "types": ["job.noted"]});
    until_paced("the token is known", PAUSE, || {
        nodes.client(frozen, &admin).post_json("/ledger/webhooks", &new).status == 201
    });
    let mut events = Vec::new();
    let mut append = |at: usize| {
        events.extend((0..20).map(|n| nodes.append(at, &noted("before", &n.to_string()))));
        events.clone()
    };
    append(frozen);
    receiver.until_taken(20);
    let process = nodes.serving[frozen].as_ref().unwrap();
    process.signal("STOP");
    let all = append((frozen + 1) % 3);
    until_paced("another node delivers", PAUSE, || first_times(receiver.positions()) == all);
    process.signal("CONT");
    until_paced("the node follows", PAUSE, || nodes.leader().is_some_and(|leader| leader != frozen));
    let all = append(frozen);
    until_paced("the leader delivers", PAUSE, || first_times(receiver.positions()) == all);
    let position = |at: usize| {
        let listed = nodes.client(at, &admin).get("/ledger/webhooks").expect(200).json();
        listed["webhooks"][0]["position"].as_u64()
    };
    until_paced("every node knows how far the receiver was told", PAUSE, || {
        (0..3).all(|at| position(at) >= all.last().copied())
    });
    let newest: Vec<u64> = receiver.positions().into_iter().filter(|position| *position > all[39]).collect();
    assert_eq!(newest, all[40..], "the frozen node delivers none of them a second time");
    nodes.verify();
}
