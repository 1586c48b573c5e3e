//! Webhooks: what arrives at a receiver, in which order, and how webhooks are added, listed and removed over HTTP.

use std::time::Duration;

use jobledger::access::Role;
use jobledger::deliveries::{Pauses, Settings};
use jobledger::http::HttpOptions;
use jobledger::job::{OrgId, Position, Time};
use jobledger::ledger::Folder;
use jobledger::webhooks::{MAX_WEBHOOKS, NewWebhook, WebhookFile};
use serde_json::{Value, json};
use ureq::http::Method;

use crate::support::receiver::Receiver;
use crate::support::wait::until;
use crate::support::{Answer, Client, TestServer, completed, noted, output, processed, rule_job, started, task_job};

pub const OTHER: &str = "37eebc20-d8df-416b-8ac2-01b6eb456318";

/// A server that calls receivers on loopback. After a failure it waits some milliseconds, and it gives up after `in_all`.
pub fn serving(in_all: Duration) -> TestServer {
    TestServer::serving(HttpOptions { webhooks: quick(in_all), ..HttpOptions::default() })
}

/// Settings for receivers on loopback, with pauses of milliseconds.
pub fn quick(in_all: Duration) -> Settings {
    let pauses = Pauses { first: Duration::from_millis(5), longest: Duration::from_millis(20), in_all };
    Settings { allow_private: true, pauses, ..Settings::default() }
}

/// A server whose webhooks try again for ever, and its clients: a worker and an administrator.
pub fn patient() -> (TestServer, Client, Client) {
    let server = serving(Duration::from_secs(3600));
    let (worker, admin) = (server.client(Role::Worker), server.client(Role::Admin));
    (server, worker, admin)
}

/// Posts JSON.
pub fn post(client: &Client, path: &str, body: &Value) -> Answer {
    client.send(Method::POST, path, &[("content-type", "application/json")], body.to_string().as_bytes())
}

/// Adds a webhook, and returns the answer.
#[track_caller]
pub fn add(admin: &Client, body: &Value) -> Value {
    post(admin, "/ledger/webhooks", body).expect(201).json()
}

/// Adds a webhook that sends all events to `receiver`, and returns its id.
#[track_caller]
pub fn add_all(admin: &Client, receiver: &Receiver) -> String {
    add(admin, &json!({"url": receiver.url}))["id"].as_str().unwrap().to_owned()
}

/// The webhooks of the client's organisation.
#[track_caller]
pub fn list(admin: &Client) -> Vec<Value> {
    admin.get("/ledger/webhooks").expect(200).json()["webhooks"].as_array().unwrap().clone()
}

#[test]
fn an_event_arrives_signed_and_as_a_tail_shows_it() {
    let (_server, worker, admin) = patient();
    let receiver = Receiver::start();
    worker.append(&json!([task_job("a"), started("a")])).expect(201);
    let types = ["job.completed", "job.failed"];
    let added = add(&admin, &json!({"url": format!("{}?from=ledger", receiver.url), "types": types}));
    let secret = added["secret"].as_str().unwrap();
    assert!(secret.starts_with("whsec_"), "{secret}");
    assert_eq!((&added["types"], &added["state"], &added["position"]), (&json!(types), &json!("active"), &json!(2)));
    worker.append(&json!([processed("a", 3), completed("a")])).expect(201);
    let arrived = receiver.until_taken(1).remove(0);
    let mut tail = worker.stream("/ledger/events?after=3", &[]);
    tail.next();
    assert_eq!(String::from_utf8(arrived.body.clone()).unwrap(), tail.next().unwrap().data);
    assert_eq!(arrived.path, "/hook?from=ledger");
    assert_eq!(arrived.headers["content-type"], "application/cloudevents+json");
    assert!(arrived.headers["user-agent"].starts_with("jobledger/"), "{arrived:?}");
    assert!(arrived.is_signed_with(secret), "{arrived:?}");
    let other = add(&admin, &json!({"url": receiver.url}))["secret"].as_str().unwrap().to_owned();
    assert!(!arrived.is_signed_with(&other), "each webhook has a secret of its own");
}

#[test]
fn a_webhook_sends_the_events_that_it_names_of_its_organisation_from_now_on() {
    let (server, worker, admin) = patient();
    let other = Client::new(&server.url, Some(&server.token("o", Role::Admin, OTHER.parse().unwrap())));
    let receiver = Receiver::start();
    worker.append(&json!([task_job("a"), noted("a", "before")])).expect(201);
    add(&admin, &json!({"url": receiver.url, "types": ["job.noted", "job.noted"], "kind": "task"}));
    other.append(&json!([task_job("a"), noted("a", "other organisation")])).expect(201);
    worker
        .append(&json!([started("a"), rule_job("r", &["x"]), noted("r", "other kind"), noted("a", "sent")]))
        .expect(201);
    worker.append(&noted("a", "sent last")).expect(201);
    let arrived = receiver.until_taken(2);
    let texts: Vec<Value> = arrived.iter().map(|message| message.json()["data"]["text"].clone()).collect();
    assert_eq!(texts, ["sent", "sent last"]);
    assert_eq!(list(&other), Vec::<Value>::new());
}

#[test]
fn events_arrive_once_and_in_the_order_of_the_log() {
    let (_server, worker, admin) = patient();
    let receiver = Receiver::start();
    add_all(&admin, &receiver);
    for job in ["a", "b", "c"] {
        worker.append(&json!([task_job(job), started(job)])).expect(201);
    }
    std::thread::scope(|scope| {
        for job in ["a", "b", "c"] {
            let worker = worker.clone();
            scope.spawn(move || (0..30).for_each(|n| drop(worker.append(&noted(job, &n.to_string())).expect(201))));
        }
    });
    receiver.until_taken(96);
    assert_eq!(receiver.positions(), (1..=96).collect::<Vec<u64>>());
    until("the list shows that everything has arrived", || list(&admin)[0]["position"] == 96);
}

#[test]
fn a_large_event_arrives_whole() {
    let (_server, worker, admin) = patient();
    let receiver = Receiver::start();
    add_all(&admin, &receiver);
    let text = "ü".repeat(200_000);
    worker.append(&json!([task_job("a"), started("a"), output("a", &text), noted("a", "after")])).expect(201);
    let arrived = receiver.until_taken(4);
    assert_eq!(arrived[2].json()["data"]["output"], json!(text));
    assert_eq!(arrived[3].json()["data"]["text"], "after");
}

#[test]
fn a_webhook_that_is_removed_sends_nothing_more_and_another_goes_on() {
    let (_server, worker, admin) = patient();
    let (removed, kept) = (Receiver::start(), Receiver::start());
    let id = add_all(&admin, &removed);
    add_all(&admin, &kept);
    worker.append(&task_job("a")).expect(201);
    removed.until_taken(1);
    admin.delete(&format!("/ledger/webhooks/{id}")).expect(204);
    admin.delete(&format!("/ledger/webhooks/{id}")).expect(404);
    assert_eq!(list(&admin).len(), 1);
    let text = || admin.get("/metrics").text();
    until("the delivery has ended", || !text().contains(&format!("jobledger_webhook_lag_events{{webhook=\"{id}\"}}")));
    worker.append(&noted("a", "x")).expect(201);
    kept.until_taken(2);
    assert_eq!(removed.messages().len(), 1);
}

#[test]
fn unknown_webhooks_and_those_of_other_organisations_are_not_found() {
    let (server, _, admin) = patient();
    let receiver = Receiver::start();
    let id = add_all(&admin, &receiver);
    let other = Client::new(&server.url, Some(&server.token("o", Role::Admin, OTHER.parse().unwrap())));
    for (client, id) in [(&admin, "wh_0000000000000000"), (&admin, "x"), (&other, id.as_str())] {
        let removed = client.delete(&format!("/ledger/webhooks/{id}")).expect(404).json();
        assert_eq!(removed["code"], "no-such-webhook");
        client.send(Method::POST, &format!("/ledger/webhooks/{id}/replay"), &[], b"").expect(404);
    }
    assert_eq!(list(&admin).len(), 1);
    let beyond = admin.send(Method::POST, &format!("/ledger/webhooks/{id}/replay?from=1"), &[], b"").expect(400);
    assert_eq!(beyond.json()["code"], "beyond-head");
    admin.send(Method::POST, &format!("/ledger/webhooks/{id}/replay?from=x"), &[], b"").expect(400);
    admin.send(Method::POST, &format!("/ledger/webhooks/{id}/replay?upto=1"), &[], b"").expect(400);
}

#[test]
fn a_body_that_is_wrong_is_refused_with_the_place() {
    let (_server, _, admin) = patient();
    let url = "https://receiver.example/";
    for (body, pointer, word) in [
        (json!({}), "/url", "URL"),
        (json!({"url": null}), "/url", "URL"),
        (json!({"url": 1}), "/url", "string"),
        (json!({"url": "receiver.example"}), "/url", "https://"),
        (json!({"url": "ftp://receiver.example"}), "/url", "https://"),
        (json!({"url": "https://u:p@receiver.example"}), "/url", "password"),
        (json!({"url": format!("{url}#x")}), "/url", "#"),
        (json!({"url": format!("{url}{}", "x".repeat(2048))}), "/url", "2048"),
        (json!({"url": url, "types": "job.failed"}), "/types", "sequence"),
        (json!({"url": url, "types": ["job.failed", "job.lost"]}), "/types/1", "job.completed"),
        (json!({"url": url, "types": ["ledger.created"]}), "/types/0", "job.completed"),
        (json!({"url": url, "kind": "robot"}), "/kind", "generic"),
        (json!({"url": url, "secret": "x"}), "/secret", "types"),
    ] {
        let answer = post(&admin, "/ledger/webhooks", &body).expect(422).json();
        assert_eq!((&answer["code"], &answer["pointer"]), (&json!("invalid"), &json!(pointer)), "{body}: {answer}");
        assert!(answer["detail"].as_str().unwrap().contains(word), "{body}: {answer}");
    }
    for body in ["", "{", "url=x"] {
        admin.send(Method::POST, "/ledger/webhooks", &[], body.as_bytes()).expect(400);
    }
    post(&admin, "/ledger/webhooks", &json!([])).expect(422);
    post(&admin, "/ledger/webhooks?org=x", &json!({"url": url})).expect(400);
    assert_eq!(list(&admin), Vec::<Value>::new());
}

#[test]
fn there_are_at_most_a_hundred_webhooks() {
    let (server, _, admin) = patient();
    let file = WebhookFile::open(&Folder::new(server.path()).webhooks()).unwrap();
    let receiver = "https://receiver.example".parse().unwrap();
    let new = NewWebhook { org: OTHER.parse::<OrgId>().unwrap(), receiver, types: Vec::new(), kind: None };
    for _ in 0..MAX_WEBHOOKS {
        file.add(&new, Position::GENESIS, Time::from_micros(0)).unwrap();
    }
    let answer = post(&admin, "/ledger/webhooks", &json!({"url": "https://receiver.example"})).expect(422).json();
    assert_eq!(answer["code"], "too-many-webhooks");
}

#[test]
fn the_secret_is_in_the_answer_that_adds_the_webhook_and_in_no_other() {
    let (_server, worker, admin) = patient();
    let receiver = Receiver::start();
    let added = add(&admin, &json!({"url": receiver.url}));
    let (id, secret) = (added["id"].as_str().unwrap(), added["secret"].as_str().unwrap());
    worker.append(&task_job("a")).expect(201);
    receiver.until_taken(1);
    let replayed = admin.send(Method::POST, &format!("/ledger/webhooks/{id}/replay"), &[], b"").expect(200);
    for answer in [admin.get("/ledger/webhooks"), admin.get("/metrics"), admin.get("/ledger/events"), replayed] {
        assert!(!answer.text().contains(secret) && !answer.text().contains("whsec_"), "{}", answer.text());
    }
}
