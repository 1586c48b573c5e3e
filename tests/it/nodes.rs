//! Nodes of a cluster have one log, byte for byte, whichever of them leads.

use jobledger::ledger::{AppendError, Folder, Ledger, OpenError, Options, Role, system_clock};
use jobledger::stream::StreamKey;
use serde_json::json;

use crate::support::cli::cli;
use crate::support::nodes::{TestCluster, rows};
use crate::support::redactions::redacted;
use crate::support::wait::until;
use crate::support::{HandClock, completed, noted, started, task_job};

/// Data that the test looks for in files.
const SECRET: &str = "a text that is redacted later";

#[test]
fn a_follower_has_the_leaders_log_byte_for_byte_and_takes_over() {
    let cluster = TestCluster::new(&["a", "b", "c"]);
    let (a, b, c) = (cluster.start("a"), cluster.start("b"), cluster.start("c"));
    cluster.lead(&a, &[&b, &c]);
    cluster.append(&a, &json!([task_job("a"), noted("a", SECRET), started("a"), completed("a")])).unwrap();
    cluster.append(&a, &json!([task_job("b"), noted("b", "two"), redacted("a", 2)])).unwrap();
    b.has_all_of(&a);
    c.has_all_of(&a);
    assert!(matches!(cluster.append(&b, &json!([noted("a", "x")])), Err(AppendError::NotLeading)));

    a.lease.send_replace(false);
    until("the node follows", || a.role() == Role::Follows);
    cluster.lead(&b, &[&a, &c]);
    let known = cluster.append(&b, &json!([noted("b", "three")])).unwrap();
    assert_eq!(known.position().get(), 8);
    a.has_all_of(&b);
    c.has_all_of(&b);
    for node in [a, b, c] {
        node.ledger.close();
    }
    let expected = rows(&cluster.folder("a"));
    for name in ["b", "c"] {
        assert_eq!(rows(&cluster.folder(name)), expected, "{name}");
        cli(["verify", "db"]).arg(cluster.folder(name)).run().expect(7);
    }
}

#[test]
fn a_follower_asks_for_no_message_beyond_those_that_came() {
    let cluster = TestCluster::new(&["a", "b"]);
    let (a, b) = (cluster.start("a"), cluster.start("b"));
    cluster.lead(&a, &[&b]);
    for n in 0..20 {
        cluster.append(&a, &json!([task_job(&n.to_string())])).unwrap();
    }
    b.has_all_of(&a);
    assert_eq!(cluster.engine.vain_reads(), 0);
}

#[test]
fn a_repeated_event_is_known_on_every_node() {
    let cluster = TestCluster::new(&["a", "b"]);
    let (a, b) = (cluster.start("a"), cluster.start("b"));
    cluster.lead(&a, &[&b]);
    let events = json!([task_job("a")]);
    let first = cluster.append(&a, &events).unwrap();
    a.lease.send_replace(false);
    cluster.lead(&b, &[&a]);
    let again = cluster.append(&b, &events).unwrap();
    assert!(again.all_known() && again.position() == first.position());
}

#[test]
fn two_leaders_at_once_fork_nothing() {
    let cluster = TestCluster::new(&["a", "b"]);
    let (a, b) = (cluster.start("a"), cluster.start("b"));
    cluster.lead(&a, &[&b]);
    // Both have the lease now, and `a` does not know of it.
    cluster.lead(&b, &[&a]);
    let mut refused = 0;
    for n in 0..40 {
        let node = if n % 3 == 0 { &a } else { &b };
        match cluster.append(node, &json!([task_job(&format!("job-{n}"))])) {
            Ok(_) => {}
            Err(AppendError::NotLeading) => refused += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert!(refused < 40, "no append was recorded");
    for node in [&a, &b] {
        // Otherwise the two take the lead from each other for ever.
        node.lease.send_replace(false);
        until("the node follows", || node.role() == Role::Follows);
    }
    a.has_all_of(&b);
    a.ledger.close();
    b.ledger.close();
    assert_eq!(rows(&cluster.folder("a")), rows(&cluster.folder("b")));
}

#[test]
fn clocks_that_jump_lose_nothing_and_recorded_times_never_go_back() {
    const HOUR: i64 = 3_600_000_000;
    let cluster = TestCluster::new(&["a", "b", "c"]);
    let now = system_clock()().to_string();
    let clocks = [HandClock::at(&now), HandClock::at(&now), HandClock::at(&now)];
    let [a, b, c] = [0, 1, 2].map(|at| cluster.start_at(["a", "b", "c"][at], clocks[at].clock()));
    let mut answered = Vec::new();
    for (turn, jump) in [20 * HOUR, -30 * HOUR, HOUR, -HOUR, 5 * HOUR, -20 * HOUR].into_iter().enumerate() {
        let (leader, others) = [(&a, [&b, &c]), (&b, [&a, &c]), (&c, [&a, &b])][turn % 3];
        leader.has_all_of(others[0]);
        leader.has_all_of(others[1]);
        cluster.lead(leader, &others);
        for n in 0..6 {
            if n == 3 {
                clocks[turn % 3].pass(jump);
            }
            answered.push(cluster.append(leader, &json!([task_job(&format!("{turn}-{n}"))])).unwrap().position());
        }
        leader.lease.send_replace(false);
        until("the node follows", || leader.role() == Role::Follows);
    }
    assert!(answered.windows(2).all(|two| two[1].get() == two[0].get() + 1), "{answered:?}");
    a.has_all_of(&c);
    b.has_all_of(&c);
    for node in [a, b, c] {
        node.ledger.close();
    }
    let expected = rows(&cluster.folder("a"));
    for name in ["a", "b", "c"] {
        assert_eq!(rows(&cluster.folder(name)), expected, "{name}");
        cli(["verify", "db"]).arg(cluster.folder(name)).run().expect(7);
    }
    let log = rusqlite::Connection::open(cluster.folder("a").join("log.db")).unwrap();
    let mut recorded = log.prepare("SELECT recorded FROM event ORDER BY position").unwrap();
    let recorded: Vec<i64> = recorded.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert!(recorded.len() > 36 && recorded.is_sorted(), "{recorded:?}");
}

#[test]
fn messages_that_do_not_count_are_passed_over() {
    let cluster = TestCluster::new(&["a", "b"]);
    let (a, b) = (cluster.start("a"), cluster.start("b"));
    cluster.lead(&a, &[&b]);
    for n in 0..5 {
        cluster.engine.add(b"a stranger's");
        cluster.append(&a, &json!([task_job(&n.to_string())])).unwrap();
    }
    b.has_all_of(&a);
    assert_eq!(b.state().borrow().void, 5);
}

#[test]
fn a_node_stops_before_a_message_of_a_newer_version_and_keeps_what_it_has() {
    let cluster = TestCluster::new(&["a", "b"]);
    let (a, b) = (cluster.start("a"), cluster.start("b"));
    cluster.lead(&a, &[&b]);
    cluster.append(&a, &json!([task_job("a")])).unwrap();
    b.has_all_of(&a);
    // What a node of the next version would write, with the cluster's key.
    let mut newer = cluster.engine.newest();
    newer.truncate(newer.len() - StreamKey::MAC);
    newer[0] += 1;
    let mac = a.ledger.node().unwrap().key.mac("message", &newer);
    newer.extend(mac);
    cluster.engine.add(&newer);
    for node in [&a, &b] {
        until("the node stops", || node.role() == Role::Stopped);
        let why = node.ledger.read_only().unwrap();
        assert!(why.contains("a newer jobledger wrote the message in version 2, and this one knows 1"), "{why}");
        assert_eq!(node.ledger.head().get(), 1);
    }
}

#[test]
fn a_node_becomes_a_ledger_on_one_machine_without_nats() {
    let cluster = TestCluster::new(&["a", "b"]);
    let (a, b) = (cluster.start("a"), cluster.start("b"));
    cluster.lead(&a, &[&b]);
    cluster.append(&a, &json!([task_job("a")])).unwrap();
    let leave = || cli(["cluster", "leave", "--offline", "--data"]).arg(cluster.folder("a")).run();
    leave().refused(2, &["in use by another jobledger"]);
    b.end();
    a.end();
    assert!(leave().expect(0).stdout.contains("left the cluster at position 1"));
    leave().refused(2, &["not a node of a cluster"]);
    let ledger = Ledger::open(Folder::new(cluster.folder("a")), Options::default()).unwrap();
    assert_eq!((ledger.head().get(), ledger.read_only()), (1, None));
    ledger.close();
}

#[test]
fn a_node_does_not_open_alone_nor_change_its_keys() {
    let cluster = TestCluster::new(&["a"]);
    let opened = Ledger::open(Folder::new(cluster.folder("a")), Options::default());
    assert!(matches!(opened, Err(OpenError::IsNode(_))));
    cli(["key", "rotate", "--data"]).arg(cluster.folder("a")).run().refused(2, &["jobledger cluster rotate"]);
    cli(["recover", "--data"]).arg(cluster.folder("a")).run().refused(2, &["node of a cluster"]);
    cli(["verify", "db"]).arg(cluster.folder("a")).run().expect(7);
}

#[test]
fn redacted_data_leaves_the_files_of_every_node() {
    let cluster = TestCluster::new(&["a", "b"]);
    let (a, b) = (cluster.start("a"), cluster.start("b"));
    cluster.lead(&a, &[&b]);
    cluster.append(&a, &json!([task_job("a"), noted("a", SECRET), started("a"), completed("a")])).unwrap();
    cluster.append(&a, &json!([redacted("a", 2)])).unwrap();
    b.has_all_of(&a);
    for node in [a, b] {
        node.ledger.close();
    }
    for name in ["a", "b"] {
        for file in std::fs::read_dir(cluster.folder(name)).unwrap() {
            let path = file.unwrap().path();
            let bytes = if path.is_file() { std::fs::read(&path).unwrap() } else { Vec::new() };
            let holds = bytes.windows(SECRET.len()).any(|found| found == SECRET.as_bytes());
            assert!(!holds, "{} holds it", path.display());
        }
    }
}

#[test]
fn a_follower_whose_log_was_replaced_confirms_nothing_more() {
    let cluster = TestCluster::new(&["a", "b", "c"]);
    let (a, b, c) = (cluster.start("a"), cluster.start("b"), cluster.start("c"));
    cluster.lead(&a, &[&c]);
    cluster.append(&a, &json!([task_job("a")])).unwrap();
    b.has_all_of(&a);
    let log = cluster.folder("b").join("log.db");
    std::fs::rename(&log, log.with_extension("away")).unwrap();
    std::fs::copy(log.with_extension("away"), &log).unwrap();
    until("the node has seen it", || b.ledger.read_only().is_some());
    let durable = b.state().borrow().durable;
    for n in 0..20 {
        cluster.append(&a, &json!([noted("a", &n.to_string())])).unwrap();
    }
    c.has_all_of(&a);
    assert_eq!(b.state().borrow().durable, durable);
}

#[test]
fn a_barrier_passes_on_the_leader_alone() {
    let cluster = TestCluster::new(&["a", "b"]);
    let (a, b) = (cluster.start("a"), cluster.start("b"));
    cluster.lead(&a, &[&b]);
    let before = cluster.engine.count();
    assert!(cluster.barrier(&a) && !cluster.barrier(&b));
    assert_eq!(cluster.engine.count(), before + 1);
    b.has_all_of(&a);
    cluster.append(&a, &json!([task_job("a")])).unwrap();
    b.has_all_of(&a);
}
