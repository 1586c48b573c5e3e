//! Server-sent events.

use jobledger::access::Role;
use serde_json::json;

use crate::support::{TestServer, created, event};

#[test]
fn a_tail_replays_and_then_follows_and_closes() {
    let server = TestServer::start();
    let worker = server.client(Role::Worker);
    worker.append(&created("a")).expect(201);
    let mut tail = worker.stream("/ledger/jobs/a/events?after=0", &[]);
    assert_eq!(tail.next().unwrap().retry, Some(1000));
    assert_eq!(tail.next().unwrap().event, "job.created");
    worker.append(&event("job.cancelled", "a", json!({}))).expect(201);
    assert_eq!(tail.next().unwrap().id, Some(2));
    assert_eq!(tail.next().unwrap().event, "closed");
    assert_eq!(tail.next(), None);
}
