//! A browser signs in on one node, and is signed in on all.

use ureq::http::Method;

use super::{Nodes, PAUSE};
use crate::support::Client;
use crate::support::wait::until_paced;

#[test]
fn a_session_begins_and_ends_on_every_node() {
    let Some(nodes) = Nodes::start() else { return };
    until_paced("a node leads", PAUSE, || nodes.leader().is_some());
    let leader = nodes.leader().unwrap();
    let (one, other) = ((leader + 1) % 3, (leader + 2) % 3);
    let browser = |at: usize| Client::new(&nodes.url(at), None);
    let status = |at: usize, cookie: &str| browser(at).get_with("/ledger/jobs/before", &[("cookie", cookie)]).status;
    let signed_in = nodes.client(one, &nodes.auditor).send(Method::POST, "/session", &[], b"").expect(204);
    let cookie = signed_in.header("set-cookie").split(';').next().unwrap().to_owned();
    // The node that was asked knows the session when it answers.
    assert_eq!(status(one, &cookie), 200);
    until_paced("every node knows the session", PAUSE, || (0..3).all(|at| status(at, &cookie) == 200));
    let foreign = [("cookie", cookie.as_str()), ("origin", "https://elsewhere.example")];
    browser(other).send(Method::DELETE, "/session", &foreign, b"").expect(403);
    // The leader compares the origin with the host of the node that the browser asked.
    let page = nodes.url(other);
    let own = [("cookie", cookie.as_str()), ("origin", page.as_str())];
    browser(other).send(Method::DELETE, "/session", &own, b"").expect(204);
    assert_eq!(status(other, &cookie), 401);
    until_paced("no node knows the session", PAUSE, || (0..3).all(|at| status(at, &cookie) == 401));
    nodes.verify();
}
