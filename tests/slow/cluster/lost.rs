//! A stream that has lost its newest message, and still keeps its place.

use ureq::http::Method;

use super::{Nodes, PAUSE};
use crate::support::task_job;
use crate::support::wait::until_paced;

#[test]
fn a_leader_that_missed_a_lost_message_lets_a_node_lead_that_saw_it() {
    let Some(nodes) = Nodes::start() else { return };
    nodes.append(0, &task_job("one"));
    nodes.settle();
    let leader = nodes.leader().unwrap();
    let void = |at: usize| nodes.figure(at, "void_messages_total");
    let others = [(leader + 1) % 3, (leader + 2) % 3];
    let before = others.map(void);
    let process = nodes.serving[leader].as_ref().unwrap();
    process.signal("STOP");
    nodes.publish_and_lose(|| {
        until_paced("the others have seen the message", PAUSE, || others.map(void) == before.map(|count| count + 1));
    });
    process.signal("CONT");
    nodes.append(leader, &task_job("two"));
    nodes.settle();
    assert!(nodes.leader().is_some_and(|now| now != leader));
    nodes.verify();
}

#[test]
fn a_message_that_no_node_has_stops_the_writes_until_an_operator_makes_the_stream_again() {
    let Some(mut nodes) = Nodes::start() else { return };
    nodes.append(0, &task_job("one"));
    nodes.settle();
    nodes.serving = [None, None, None];
    nodes.publish_and_lose(|| {});
    (0..3).for_each(|at| nodes.serve(at));
    until_paced("every node waits for the message", PAUSE, || {
        let role = |at| nodes.client(at, &nodes.auditor).get("/readyz").json()["cluster"]["role"].clone();
        (0..3).all(|at| role(at) == "catching-up")
    });
    let refused = nodes.client(1, &nodes.worker).append(&task_job("two"));
    assert_eq!((refused.status, &refused.json()["code"]), (503, &"stream-silent".into()));
    // The node that forwards a write asks again after such an answer.
    let body = task_job("two").to_string();
    let forwarded = [("ledger-forwarded", "a"), ("content-type", "application/json")];
    let refused = nodes.client(1, &nodes.worker).send(Method::POST, "/ledger/events", &forwarded, body.as_bytes());
    assert_eq!((refused.status, refused.header("ledger-no-leader")), (503, "1"));
    nodes.serving = [None, None, None];
    nodes.command(0, &["cluster", "rotate"]).run().refused(2, &["this node lacks message"]);
    nodes.command(0, &["cluster", "reseed"]).run().expect(0);
    (0..3).for_each(|at| nodes.serve(at));
    nodes.append(1, &task_job("two"));
    nodes.settle();
    nodes.verify();
}
