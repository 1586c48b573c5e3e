//! Tokens, sessions and webhooks of a cluster: every node has those of the node that leads.

use jobledger::access::{Access, NewToken, Role};
use jobledger::job::{OrgId, Position};
use jobledger::ledger::Role::{CatchingUp as Catching, Follows};
use jobledger::ledger::{Folder, SharedFiles, system_clock};
use jobledger::webhooks::{NewWebhook, Webhook, WebhookFile};
use serde_json::json;

use crate::support::nodes::{TestCluster, TestNode, rows};
use crate::support::wait::until;
use crate::support::{noted, task_job};

/// Adds a webhook in a node's folder, as a command does.
fn add(cluster: &TestCluster, name: &str, url: &str) -> Webhook {
    let path = Folder::new(cluster.folder(name)).webhooks();
    let new = NewWebhook { org: OrgId::default(), receiver: url.parse().unwrap(), types: Vec::new(), kind: None };
    WebhookFile::open(&path).unwrap().add(&new, Position::GENESIS, system_clock()()).unwrap()
}

fn access(cluster: &TestCluster, name: &str) -> Access {
    Access::open(&Folder::new(cluster.folder(name)).access()).unwrap()
}

fn files(cluster: &TestCluster, name: &str) -> SharedFiles {
    SharedFiles::read(&Folder::new(cluster.folder(name))).unwrap()
}

/// Sends the files of the node that leads, as its server does.
fn send(cluster: &TestCluster, name: &str, leader: &TestNode) {
    assert!(cluster.send_files(leader, &files(cluster, name)));
}

#[test]
fn every_node_has_the_leaders_tokens_and_webhooks_and_the_stream_shows_no_secret() {
    let cluster = TestCluster::new(&["a", "b"]);
    let (a, b) = (cluster.start("a"), cluster.start("b"));
    cluster.lead(&a, &[&b]);
    access(&cluster, "a").create(&NewToken::new("w", Role::Worker, OrgId::default()), system_clock()()).unwrap();
    send(&cluster, "a", &a);
    b.has_all_of(&a);
    assert_eq!(files(&cluster, "b"), files(&cluster, "a"));
    assert!(!Folder::new(cluster.folder("b")).webhooks().exists(), "a ledger without webhooks has no file of them");
    let one = add(&cluster, "a", "https://one.example/");
    send(&cluster, "a", &a);
    b.has_all_of(&a);
    assert_eq!(files(&cluster, "b"), files(&cluster, "a"));
    let secret = one.secret().as_bytes();
    assert!(!cluster.engine.newest().windows(secret.len()).any(|bytes| bytes == secret));
    // The other node leads with them, and the last webhook goes away everywhere.
    a.lease.send_replace(false);
    cluster.lead(&b, &[&a]);
    let path = Folder::new(cluster.folder("b")).webhooks();
    WebhookFile::open(&path).unwrap().remove(OrgId::default(), one.id.as_str()).unwrap();
    send(&cluster, "b", &b);
    a.has_all_of(&b);
    assert_eq!(files(&cluster, "a"), files(&cluster, "b"));
    assert!(!cluster.send_files(&a, &files(&cluster, "a")), "a node that follows sends nothing");
}

#[test]
fn a_node_that_cannot_store_the_shared_files_catches_up_when_it_can() {
    let cluster = TestCluster::new(&["a", "b"]);
    let (a, b) = (cluster.start("a"), cluster.start("b"));
    cluster.lead(&a, &[]);
    let webhooks = Folder::new(cluster.folder("b")).webhooks();
    std::fs::write(&webhooks, "no database".repeat(1000)).unwrap();
    add(&cluster, "a", "https://one.example/");
    send(&cluster, "a", &a);
    until("the node says that it is behind", || b.role() == Catching);
    cluster.append(&a, &json!([task_job("a")])).unwrap();
    std::fs::remove_file(&webhooks).unwrap();
    b.has_all_of(&a);
    until("the node follows", || b.role() == Follows);
    assert_eq!(files(&cluster, "b"), files(&cluster, "a"));
    // A leader whose own webhooks are damaged sends its tokens all the same, and the others keep their webhooks.
    let before = files(&cluster, "b").webhooks;
    let webhooks = Folder::new(cluster.folder("a")).webhooks();
    std::fs::remove_file(&webhooks).unwrap();
    std::fs::write(&webhooks, "no database".repeat(1000)).unwrap();
    access(&cluster, "a").create(&NewToken::new("w", Role::Worker, OrgId::default()), system_clock()()).unwrap();
    send(&cluster, "a", &a);
    b.has_all_of(&a);
    assert_eq!(access(&cluster, "b").list().unwrap().len(), 1);
    assert_eq!(files(&cluster, "b").webhooks, before);
}

#[test]
fn a_failed_commit_of_a_node_that_follows_leaves_nothing_behind() {
    let cluster = TestCluster::new(&["a", "b"]);
    let a = cluster.start("a");
    cluster.lead(&a, &[]);
    let webhooks = Folder::new(cluster.folder("b")).webhooks();
    std::fs::write(&webhooks, "no database".repeat(1000)).unwrap();
    add(&cluster, "a", "https://one.example/");
    send(&cluster, "a", &a);
    cluster.append(&a, &json!([task_job("x"), task_job("y")])).unwrap();
    // The node stores the webhooks and the jobs in one commit, which fails. When it reads the stream again, the commit was rolled back.
    let b = cluster.start("b");
    for what in ["the node reads the stream", "the node reads the stream again"] {
        let heard = b.state().borrow().heard;
        until(what, || b.state().borrow().heard > heard);
    }
    std::fs::remove_file(&webhooks).unwrap();
    b.has_all_of(&a);
    cluster.append(&a, &json!([noted("y", "one"), noted("x", "two"), task_job("z")])).unwrap();
    b.has_all_of(&a);
    a.end();
    b.end();
    assert_eq!(rows(&cluster.folder("b")), rows(&cluster.folder("a")));
}

#[test]
fn a_node_that_was_away_for_long_gets_tokens_and_webhooks_with_the_messages_of_another() {
    let cluster = TestCluster::new(&["a", "b"]);
    let (org, now) = (OrgId::default(), system_clock());
    let tokens = access(&cluster, "a");
    tokens.create(&NewToken::new("w", Role::Worker, org), now()).unwrap();
    let (a, b) = (cluster.start("a"), cluster.start("b"));
    cluster.lead(&a, &[]);
    send(&cluster, "a", &a);
    b.has_all_of(&a);
    b.end();
    tokens.revoke(org, "w", now()).unwrap();
    add(&cluster, "a", "https://one.example/");
    send(&cluster, "a", &a);
    cluster.append(&a, &json!([task_job("a")])).unwrap();
    cluster.engine.purge(cluster.engine.count() as u64 - 1);
    let b = cluster.start("b");
    b.has_all_of(&a);
    until("the node counts what it got", || b.state().borrow().repaired >= 2);
    assert_eq!(files(&cluster, "b"), files(&cluster, "a"));
    assert!(access(&cluster, "b").list().unwrap()[0].revoked.is_some());
}
