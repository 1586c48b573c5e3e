//! A process that locks the file of the tokens.

use rusqlite::Connection;

use super::{Nodes, PAUSE};
use crate::support::cli::token;
use crate::support::task_job;
use crate::support::wait::until_paced;

#[test]
fn the_next_leader_has_a_token_that_was_made_just_before_a_lock() {
    let Some(mut nodes) = Nodes::start() else { return };
    nodes.append(0, &task_job("one"));
    let leader = nodes.leader().unwrap();
    let process = nodes.serving[leader].take().unwrap();
    // The leader sends the token when it stops, and not before.
    process.signal("STOP");
    let late = token(&nodes.folder(leader), "viewer");
    let lock = Connection::open(nodes.folder(leader).join("access.db")).unwrap();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    process.signal("TERM");
    process.end("CONT").expect(0);
    let other = (leader + 1) % 3;
    until_paced("another node leads", PAUSE, || nodes.leader().is_some());
    assert_eq!(nodes.client(other, &late).get("/ledger/jobs/one").status, 200);
    drop(lock);
    nodes.serve(leader);
    nodes.settle();
    assert_eq!(nodes.client(leader, &late).get("/ledger/jobs/one").status, 200);
    nodes.verify();
}
