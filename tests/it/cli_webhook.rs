//! `jobledger webhook`, beside a running server and over HTTP; and a server that is killed.

use std::path::Path;

use jobledger::job::OrgId;
use serde_json::{Value, json};

use crate::support::cli::{Done, Serving, cli, on, token};
use crate::support::receiver::Receiver;
use crate::support::wait::until;
use crate::support::{noted, started, task_job};

/// A server that calls receivers on loopback.
fn serving(folder: &Path) -> Serving {
    Serving::of(cli(["serve", "--create", "--webhook-allow-private", "--listen", "127.0.0.1:0", "--data"]).arg(folder))
}

/// `jobledger webhook …` over HTTP.
fn ask(server: &Serving, token: &str, words: &[&str]) -> Done {
    cli(["webhook"]).args(words).args(["--url", &server.url, "--token", token]).run()
}

/// The webhooks in the folder, as JSON.
fn listed(folder: &Path) -> Vec<Value> {
    on(folder, "webhook list", &["--json"]).expect(0).json_lines()
}

#[test]
fn a_webhook_that_is_added_beside_the_server_sends_and_its_secret_is_printed_once() {
    let dir = tempfile::tempdir().unwrap();
    let server = serving(dir.path());
    let worker = server.client(&token(dir.path(), "worker"));
    let receiver = Receiver::start();
    worker.append(&json!([task_job("a"), started("a")])).expect(201);
    let added = on(dir.path(), "webhook add", &[&receiver.url, "--type", "job.noted", "--kind", "task"]).expect(0);
    let secret = added.stdout.strip_suffix('\n').unwrap();
    assert!(secret.starts_with("whsec_") && !secret.contains(char::is_whitespace), "{secret}");
    assert!(added.stderr.contains("the events after position 2"), "{}", added.stderr);
    assert!(added.stderr.contains("--webhook-allow-private"), "{}", added.stderr);
    worker.append(&noted("a", "x")).expect(201);
    let arrived = receiver.until_taken(1);
    assert!(arrived[0].is_signed_with(secret));
    let text = on(dir.path(), "webhook list", &[]).expect(0).stdout;
    assert!(
        text.contains("active") && text.contains("job.noted of kind task") && text.contains(&receiver.url),
        "{text}"
    );
    assert!(!text.contains("whsec_"), "{text}");
    let webhook = listed(dir.path()).remove(0);
    let id = webhook["id"].as_str().unwrap();
    assert!(added.stderr.contains(id) && webhook.get("secret").is_none(), "{webhook}");
    until("the position is noted", || listed(dir.path())[0]["position"] == 3);
    let again = on(dir.path(), "webhook replay", &[id, "--from", "1", "--json"]).expect(0);
    assert_eq!(again.json_lines()[0]["position"], 0);
    receiver.until_taken(2);
    assert_eq!(receiver.positions(), [3, 3]);
    on(dir.path(), "webhook remove", &[id]).expect(0);
    assert_eq!(listed(dir.path()), Vec::<Value>::new());
    let auditor = server.client(&token(dir.path(), "auditor"));
    until("the server has noticed", || !auditor.get("/metrics").text().contains(id));
    worker.append(&noted("a", "y")).expect(201);
    // Another webhook shows that the server has gone past the event.
    on(dir.path(), "webhook add", &[&receiver.url]).expect(0);
    worker.append(&noted("a", "z")).expect(201);
    receiver.until_taken(3);
    assert_eq!(receiver.positions(), [3, 3, 5]);
}

#[test]
fn an_administrator_manages_webhooks_over_http() {
    let dir = tempfile::tempdir().unwrap();
    let server = serving(dir.path());
    let (worker, admin) = (token(dir.path(), "worker"), token(dir.path(), "admin"));
    let receiver = Receiver::start();
    let added = ask(&server, &admin, &["add", &receiver.url, "--type", "job.created", "--json"]).expect(0).json_lines();
    let (id, secret) = (added[0]["id"].as_str().unwrap(), added[0]["secret"].as_str().unwrap());
    server.client(&worker).append(&task_job("a")).expect(201);
    assert!(receiver.until_taken(1)[0].is_signed_with(secret));
    assert!(ask(&server, &admin, &["add", &receiver.url]).expect(0).stdout.starts_with("whsec_"));
    let shown = ask(&server, &admin, &["list", "--json"]).expect(0).json_lines();
    assert_eq!((shown.len(), &shown[0]["id"], &shown[0]["types"]), (2, &json!(id), &json!(["job.created"])));
    assert_eq!(ask(&server, &admin, &["list"]).expect(0).stdout.lines().count(), 2);
    let line = ask(&server, &admin, &["replay", id, "--from", "1"]).expect(0).stdout;
    assert!(line.starts_with(id) && line.contains("active"), "{line}");
    receiver.until_taken(2);
    ask(&server, &admin, &["remove", id]).expect(0);
    assert_eq!(listed(dir.path()).len(), 1);
    // Refusals.
    ask(&server, &worker, &["list"]).refused(1, &["403", "admin"]);
    ask(&server, &worker, &["add", &receiver.url]).refused(1, &["403", "admin"]);
    ask(&server, &admin, &["remove", id]).refused(1, &["404", "no webhook"]);
    ask(&server, &admin, &["remove", "../jobs/a"]).refused(1, &["no webhook"]);
    ask(&server, &admin, &["replay", id]).refused(1, &["404", "no webhook"]);
    let other = "37eebc20-d8df-416b-8ac2-01b6eb456318";
    ask(&server, &admin, &["add", &receiver.url, "--org", other]).refused(1, &["--org", "organisation of the token"]);
    ask(&server, &admin, &["add", &receiver.url, "--org", &OrgId::default().to_string()]).expect(0);
}

#[test]
fn mistakes_are_refused_and_change_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("ledger");
    on(&data, "webhook add", &["https://receiver.example"]).refused(2, &["log.db"]);
    on(&data, "webhook list", &[]).refused(2, &["log.db"]);
    assert!(!data.exists());
    drop(serving(&data));
    assert!(!data.join("webhooks.db").exists(), "a ledger without webhooks has no such file");
    assert_eq!(on(&data, "webhook list", &[]).expect(0).stdout, "");
    on(&data, "webhook add", &["receiver.example"]).refused(2, &["RECEIVER", "https://"]);
    on(&data, "webhook add", &["https://r.example", "--type", "job.lost"]).refused(2, &["--type", "job.lost"]);
    on(&data, "webhook add", &["https://r.example", "--kind", "robot"]).refused(2, &["--kind", "robot"]);
    on(&data, "webhook remove", &["wh_0000000000000000"]).refused(1, &["no webhook `wh_0000000000000000`"]);
    on(&data, "webhook replay", &["wh_0000000000000000"]).refused(1, &["no webhook"]);
    cli(["webhook", "list"]).run().refused(2, &["--data"]);
    assert!(!data.join("webhooks.db").exists());
    let added = on(&data, "webhook add", &["https://r.example"]).expect(0);
    assert!(!added.stderr.contains("--webhook-allow-private"), "{}", added.stderr);
    let id = listed(&data)[0]["id"].as_str().unwrap().to_owned();
    on(&data, "webhook replay", &[&id, "--from", "7"]).refused(1, &["position", "7"]);
}

#[test]
fn a_server_that_is_killed_loses_no_event() {
    let dir = tempfile::tempdir().unwrap();
    let (server, receiver) = (serving(dir.path()), Receiver::start());
    let worker = server.client(&token(dir.path(), "worker"));
    on(dir.path(), "webhook add", &[&receiver.url]).expect(0);
    worker.append(&json!([task_job("a"), started("a")])).expect(201);
    receiver.until_taken(2);
    receiver.hang();
    for n in 0..20 {
        worker.append(&noted("a", &n.to_string())).expect(201);
    }
    receiver.until_hanging(1);
    server.end("KILL");
    // The receiver answers too late: the server that asked is gone, and nothing that it noted may count this message.
    receiver.answer(200);
    until("the old message is answered", || receiver.hanging() == 0);
    let server = serving(dir.path());
    worker.at(&server.url).append(&noted("a", "last")).expect(201);
    until("every event has arrived", || receiver.positions().contains(&23));
    let mut positions = receiver.positions();
    let news: Vec<u64> = positions.iter().copied().filter(|position| *position > 2).collect();
    assert!(news.is_sorted(), "in order, again from the first that was not noted: {positions:?}");
    positions.sort_unstable();
    positions.dedup();
    assert_eq!(positions, (1..=23).collect::<Vec<u64>>(), "nothing is lost");
}

#[test]
fn a_backup_has_the_webhooks_and_a_copy_without_its_key_sends_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (data, copy) = (dir.path().join("ledger"), dir.path().join("copy"));
    let (server, receiver) = (serving(&data), Receiver::start());
    let worker = server.client(&token(&data, "worker"));
    on(&data, "webhook add", &[&receiver.url]).expect(0);
    receiver.hang();
    worker.append(&json!([task_job("a"), started("a")])).expect(201);
    receiver.until_hanging(1);
    on(&data, "backup", &[copy.to_str().unwrap()]).expect(0);
    let (ours, theirs) = (listed(&data), listed(&copy));
    assert_eq!((&ours[0]["id"], &ours[0]["url"]), (&theirs[0]["id"], &theirs[0]["url"]));
    let connections = receiver.connections();
    let read_only = serving(&copy);
    let auditor = read_only.client(&token(&copy, "auditor"));
    let id = theirs[0]["id"].as_str().unwrap();
    until("the copy has read its webhooks", || auditor.get("/metrics").text().contains(id));
    read_only.end("TERM").expect(0);
    assert_eq!(receiver.connections(), connections);
    receiver.answer(200);
    receiver.until_taken(2);
    assert_eq!(receiver.positions(), [1, 2]);
}
