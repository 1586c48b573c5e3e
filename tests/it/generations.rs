//! One generation of a stream follows another: after a lost stream, and with a new key.

use jobledger::ledger::{Folder, Membership, OpenError, Role, own_key, system_clock};
use serde_json::{Value, json};

use crate::support::cli::cli;
use crate::support::nodes::{TestCluster, rows};
use crate::support::wait::until;
use crate::support::{completed, noted, started, task_job};

/// A cluster whose nodes are closed: `a` and `b` have `events` more than `c`, each from a commit of its own.
fn with_one_behind(events: impl IntoIterator<Item = Value>) -> TestCluster {
    let cluster = TestCluster::new(&["a", "b", "c"]);
    let (a, b, c) = (cluster.start("a"), cluster.start("b"), cluster.start("c"));
    cluster.lead(&a, &[&b, &c]);
    cluster.append(&a, &json!([task_job("a")])).unwrap();
    c.has_all_of(&a);
    c.end();
    for event in events {
        cluster.append(&a, &json!([event])).unwrap();
    }
    b.has_all_of(&a);
    a.end();
    b.end();
    cluster
}

#[test]
fn a_lost_stream_continues_with_the_longest_log_and_the_others_take_the_rest_from_it() {
    let mut cluster = with_one_behind((0..300).map(|n| noted("a", &n.to_string())));
    cluster.reseed("b");
    let (b, a) = (cluster.start("b"), cluster.start("a"));
    // `c` has 300 events less: more messages than one answer brings.
    let c = cluster.start("c");
    cluster.lead(&b, &[&a, &c]);
    assert_eq!(cluster.append(&b, &json!([noted("a", "after")])).unwrap().position().get(), 302);
    for node in [&a, &c] {
        node.has_all_of(&b);
    }
    for node in [a, b, c] {
        node.ledger.close();
    }
    for name in ["a", "c"] {
        assert!(rows(&cluster.folder(name)) == rows(&cluster.folder("b")), "{name}");
        cli(["verify", "db"]).arg(cluster.folder(name)).run().expect(7);
    }
}

#[test]
fn a_node_with_more_than_the_log_that_continues_stops() {
    let mut cluster = TestCluster::new(&["a", "b"]);
    let (a, b) = (cluster.start("a"), cluster.start("b"));
    cluster.lead(&a, &[]);
    b.has_all_of(&a);
    b.end();
    cluster.append(&a, &json!([task_job("a")])).unwrap();
    a.end();
    cluster.reseed("b");
    let (b, a) = (cluster.start("b"), cluster.start("a"));
    cluster.lead(&b, &[]);
    until("the node stops", || a.role() == Role::Stopped);
    assert!(
        a.ledger.read_only().unwrap().contains("continues a log that is not this one"),
        "{:?}",
        a.ledger.read_only()
    );
    assert_eq!(a.ledger.head().get(), 1, "the node keeps what it has");
}

#[test]
fn a_rotation_reaches_every_node_with_the_next_generation() {
    let mut cluster = with_one_behind([started("a")]);
    let old = Vec::from_iter(own_key(&Folder::new(cluster.folder("a"))).unwrap());
    cluster.rotate("a");
    let a = cluster.start("a");
    // `b` lacks the new key alone, and `c` an event too.
    cluster.bring_keys("a", "b");
    cluster.bring_keys("a", "c");
    let (b, c) = (cluster.start("b"), cluster.start("c"));
    cluster.lead(&a, &[&b, &c]);
    assert_eq!(cluster.append(&a, &json!([completed("a")])).unwrap().position().get(), 4);
    for node in [&b, &c] {
        node.has_all_of(&a);
        assert_eq!(node.ledger.identity(), a.ledger.identity());
    }
    assert_eq!(a.ledger.identity().keys[1..], old);
    // A node that learned the key while it ran leads with it.
    a.lease.send_replace(false);
    cluster.lead(&c, &[&a, &b]);
    cluster.append(&c, &json!([task_job("b")])).unwrap();
    for node in [&a, &b] {
        node.has_all_of(&c);
    }
    for node in [a, b, c] {
        node.ledger.close();
    }
    for name in ["b", "c"] {
        assert_eq!(rows(&cluster.folder(name)), rows(&cluster.folder("a")), "{name}");
        cli(["verify", "db", "--vkey", &old[0].to_string()]).arg(cluster.folder(name)).run().expect(0);
    }
    // The streams of later generations begin as usual.
    cluster.reseed("b");
    let (a, b) = (cluster.start("a"), cluster.start("b"));
    cluster.lead(&b, &[&a]);
    cluster.append(&b, &json!([noted("b", "after")])).unwrap();
    a.has_all_of(&b);
}

#[test]
fn a_node_that_lacks_the_new_key_stops_and_goes_on_once_it_has_it() {
    let mut cluster = TestCluster::new(&["a", "b"]);
    cluster.rotate("a");
    let (a, b) = (cluster.start("a"), cluster.start("b"));
    cluster.lead(&a, &[]);
    until("the node stops", || b.role() == Role::Stopped);
    let why = b.ledger.read_only().unwrap();
    assert!(why.contains("bring `ledger.key` and `ledger.key.previous`"), "{why}");
    assert_eq!(b.ledger.head().get(), 0, "the node keeps what it has");
    b.end();
    cluster.bring_keys("a", "b");
    let b = cluster.start("b");
    b.has_all_of(&a);
    assert_eq!(b.ledger.identity(), a.ledger.identity());
}

#[test]
fn a_rotation_that_broke_off_ends_with_the_next_attempt() {
    let mut cluster = TestCluster::new(&["a"]);
    let membership = || Membership::open(&Folder::new(cluster.folder("a"))).unwrap();
    let key = membership().rotate(&system_clock()).unwrap();
    let opened = cluster.try_start("a", system_clock());
    assert!(matches!(opened.err(), Some(OpenError::HalfRotated(_))));
    let mut again = membership();
    assert!(again.has_rotated().unwrap());
    assert_eq!(again.rotate(&system_clock()).unwrap(), key, "no second key");
    drop(again);
    cluster.reseed("a");
    assert!(!Membership::open(&Folder::new(cluster.folder("a"))).unwrap().has_rotated().unwrap());
    let a = cluster.start("a");
    assert_eq!((a.ledger.head().get(), a.ledger.identity().verifier_key()), (1, &key));
}
