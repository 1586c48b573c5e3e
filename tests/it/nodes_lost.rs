//! Nodes of a cluster whose stream lacks messages: it was purged, or has lost them.

use jobledger::job::Position;
use jobledger::ledger::{AppendError, Role};
use serde_json::json;

use crate::support::cli::cli;
use crate::support::nodes::{TestCluster, rows};
use crate::support::redactions::redacted;
use crate::support::wait::until;
use crate::support::{completed, noted, started, task_job};

#[test]
fn a_node_stops_at_a_stream_that_is_behind_its_log() {
    let cluster = TestCluster::new(&["a", "b"]);
    let a = cluster.start("a");
    cluster.lead(&a, &[]);
    cluster.append(&a, &json!([task_job("a")])).unwrap();
    a.ledger.close();
    drop(a);
    cluster.engine.drop_newest();
    let a = cluster.start("a");
    until("the node stops", || a.role() == Role::Stopped);
    assert!(a.ledger.read_only().unwrap().contains("lost messages"), "{:?}", a.ledger.read_only());
}

#[test]
fn a_node_gets_from_another_what_the_stream_was_purged_of() {
    let cluster = TestCluster::new(&["a", "b"]);
    let a = cluster.start("a");
    cluster.lead(&a, &[]);
    cluster
        .append(&a, &json!([task_job("a"), noted("a", "a text that is redacted later"), started("a"), completed("a")]))
        .unwrap();
    cluster.append(&a, &json!([redacted("a", 2)])).unwrap();
    for n in 0..5 {
        cluster.append(&a, &json!([noted("a", &n.to_string())])).unwrap();
    }
    cluster.engine.purge(cluster.engine.count() as u64 - 1);
    let b = cluster.start("b");
    b.has_all_of(&a);
    until("the node counts what it got", || b.state().borrow().repaired >= 5);
    // It follows the stream again.
    cluster.append(&a, &json!([noted("a", "after")])).unwrap();
    b.has_all_of(&a);
    a.ledger.close();
    b.ledger.close();
    assert_eq!(rows(&cluster.folder("b")), rows(&cluster.folder("a")));
    cli(["verify", "db"]).arg(cluster.folder("b")).run().expect(7);
}

#[test]
fn a_node_gets_from_another_the_newest_message_that_the_stream_lacks() {
    let cluster = TestCluster::new(&["a", "b"]);
    let a = cluster.start("a");
    cluster.lead(&a, &[]);
    cluster.append(&a, &json!([task_job("a")])).unwrap();
    cluster.append(&a, &json!([started("a")])).unwrap();
    // The stream still says how many messages there were, as NATS does after it has lost the newest one.
    cluster.engine.lose(cluster.engine.count() as u64);
    let b = cluster.start("b");
    b.has_all_of(&a);
    a.lease.send_replace(false);
    cluster.lead(&b, &[&a]);
    cluster.append(&b, &json!([completed("a")])).unwrap();
    a.has_all_of(&b);
}

#[test]
fn a_node_waits_for_a_lost_message_that_no_other_node_gives() {
    let cluster = TestCluster::new(&["a", "b"]);
    let a = cluster.start("a");
    cluster.lead(&a, &[]);
    cluster.append(&a, &json!([task_job("a")])).unwrap();
    let lost = cluster.engine.count() as u64;
    cluster.append(&a, &json!([task_job("b")])).unwrap();
    cluster.engine.lose(lost);
    drop(a);
    let b = cluster.start("b");
    b.lease.send_replace(true);
    until("the node waits", || b.role() == Role::CatchingUp && b.state().borrow().durable.sequence + 1 == lost);
    assert!(!cluster.barrier(&b), "it does not lead");
    let a = cluster.start("a");
    b.has_all_of(&a);
    until("the node leads", || b.role() == Role::Leads);
}

#[test]
fn a_node_starts_although_the_stream_has_lost_the_newest_message_of_its_log() {
    let cluster = TestCluster::new(&["a"]);
    let a = cluster.start("a");
    cluster.lead(&a, &[]);
    cluster.append(&a, &json!([task_job("a")])).unwrap();
    a.end();
    cluster.engine.lose(cluster.engine.count() as u64);
    let a = cluster.start("a");
    cluster.lead(&a, &[]);
    cluster.append(&a, &json!([started("a")])).unwrap();
}

#[test]
fn a_leader_gives_up_the_lead_if_the_stream_has_lost_the_message_before_its_own() {
    let cluster = TestCluster::new(&["a", "b"]);
    let (a, b) = (cluster.start("a"), cluster.start("b"));
    cluster.lead(&a, &[&b]);
    cluster.append(&a, &json!([task_job("a")])).unwrap();
    b.has_all_of(&a);
    let durable = b.state().borrow().durable;
    cluster.engine.take_and_lose();
    let refused = cluster.append(&a, &json!([started("a")]));
    assert!(matches!(refused, Err(AppendError::OutcomeUnknown | AppendError::NotLeading)), "{refused:?}");
    for node in [&a, &b] {
        until("the node waits for the message", || node.role() == Role::CatchingUp);
        until("another node may lead by now", || !node.ledger.node().unwrap().knows_leader());
        assert_eq!(node.state().borrow().durable, durable);
    }
}

#[test]
fn a_node_that_closes_while_it_catches_up_ends_soon_and_goes_on_from_there() {
    let cluster = TestCluster::new(&["a", "b"]);
    let a = cluster.start("a");
    cluster.lead(&a, &[]);
    cluster.append(&a, &json!([task_job("a")])).unwrap();
    for n in 0..700 {
        cluster.append(&a, &json!([noted("a", &n.to_string())])).unwrap();
    }
    // A read answers 8 messages, and a commit of the node has 200.
    cluster.engine.allow_reads(40);
    let b = cluster.start("b");
    until("the node has stored some messages", || b.ledger.head() > Position::GENESIS);
    std::thread::scope(|scope| {
        scope.spawn(|| b.ledger.close());
        until("the node closes", || cluster.is_closing(&b));
        cluster.engine.allow_reads(usize::MAX);
    });
    assert!(b.ledger.head() < a.ledger.head());
    drop(b);
    let b = cluster.start("b");
    b.has_all_of(&a);
    a.end();
    b.end();
    assert_eq!(rows(&cluster.folder("b")), rows(&cluster.folder("a")));
    cli(["verify", "db"]).arg(cluster.folder("b")).run().expect(7);
}
