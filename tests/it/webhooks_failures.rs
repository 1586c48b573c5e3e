//! Webhooks whose receiver fails, is slow, or is not there: nothing is lost, and nothing else waits.

use std::time::Duration;

use jobledger::access::Role;
use jobledger::deliveries::{Pauses, Settings};
use jobledger::http::HttpOptions;
use jobledger::ledger::{Folder, Options};
use jobledger::webhooks::WebhookFile;
use serde_json::{Value, json};
use ureq::http::Method;

use crate::support::receiver::{Message, Receiver};
use crate::support::until_metric;
use crate::support::wait::until;
use crate::support::{Client, TestServer, completed, event, noted, started, task_job};
use crate::webhooks::{add_all, list, patient, quick, serving};

/// Starts a webhook again.
#[track_caller]
fn replay(admin: &Client, id: &str, query: &str) -> Value {
    admin.send(Method::POST, &format!("/ledger/webhooks/{id}/replay{query}"), &[], b"").expect(200).json()
}

/// The ids of all messages about the event at `position`.
fn ids(messages: &[Message], position: u64) -> Vec<&str> {
    messages.iter().filter(|message| message.position() == position).map(Message::id).collect()
}

#[test]
fn an_event_is_sent_again_until_the_receiver_takes_it() {
    let (_server, worker, admin) = patient();
    let receiver = Receiver::start();
    add_all(&admin, &receiver);
    receiver.answer(500);
    worker.append(&json!([task_job("a"), started("a")])).expect(201);
    until("three tries", || receiver.messages().len() >= 3);
    let shown = list(&admin).remove(0);
    assert_eq!((&shown["state"], &shown["position"]), (&json!("active"), &json!(0)));
    assert!(shown["failures"].as_u64().unwrap() > 0, "{shown}");
    assert!(shown["last_error"].as_str().unwrap().contains("500"), "{shown}");
    assert!(shown["next_try_at"].is_string(), "{shown}");
    receiver.answer(200);
    receiver.until_taken(2);
    let messages = receiver.messages();
    assert_eq!(receiver.positions(), [1, 2], "no event overtakes the one that fails");
    let ids = ids(&messages, 1);
    assert!(ids.len() >= 4 && ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    until("the failure is forgotten", || {
        let shown = list(&admin).remove(0);
        shown["failures"] == 0 && shown["last_error"].is_null() && shown["next_try_at"].is_null()
    });
}

#[test]
fn a_receiver_that_fails_for_ever_is_parked_and_a_replay_loses_nothing() {
    let server = serving(Duration::from_millis(100));
    let (worker, admin) = (server.client(Role::Worker), server.client(Role::Admin));
    let receiver = Receiver::start();
    let id = add_all(&admin, &receiver);
    worker.append(&json!([task_job("a"), started("a")])).expect(201);
    receiver.until_taken(2);
    receiver.answer(500);
    worker.append(&json!([noted("a", "1"), noted("a", "2"), completed("a")])).expect(201);
    until("it is parked", || list(&admin)[0]["state"] == "parked");
    let shown = list(&admin).remove(0);
    assert_eq!((&shown["position"], &shown["next_try_at"]), (&json!(2), &Value::Null));
    // 5, 10, 20, 20, 20, 20 and the last 5 of 100 ms are seven pauses.
    assert_eq!(shown["failures"], 8, "{shown}");
    until_metric(&admin, r#"jobledger_webhooks{state="parked"} 1"#);
    until_metric(&admin, r#"jobledger_webhooks{state="active"} 0"#);
    until_metric(&admin, &format!(r#"jobledger_webhook_lag_events{{webhook="{id}"}} 3"#));
    until_metric(&admin, "jobledger_webhook_failures_total 8");
    until_metric(&admin, "jobledger_webhook_deliveries_total 2");
    let tried = receiver.messages().len();
    receiver.answer(200);
    worker.append(&noted("a", "after")).expect(201);
    assert_eq!(replay(&admin, &id, "")["state"], "active");
    receiver.until_taken(6);
    assert_eq!(receiver.positions(), [1, 2, 3, 4, 5, 6]);
    assert_eq!(receiver.messages().len(), tried + 4, "a parked webhook sends nothing");
    // Again from a position, with the same ids.
    assert_eq!(replay(&admin, &id, "?from=3")["position"], 2);
    receiver.until_taken(10);
    assert_eq!(receiver.positions(), [1, 2, 3, 4, 5, 6, 3, 4, 5, 6]);
    let taken = receiver.taken();
    assert_eq!(ids(&taken, 6)[0], ids(&taken, 6)[1]);
    assert_ne!(ids(&taken, 5)[0], ids(&taken, 6)[0]);
}

#[test]
fn a_replay_ends_the_pause() {
    let pauses = Pauses::default();
    let webhooks = Settings { pauses, ..quick(Duration::ZERO) };
    let server = TestServer::serving(HttpOptions { webhooks, ..HttpOptions::default() });
    let (worker, admin) = (server.client(Role::Worker), server.client(Role::Admin));
    let receiver = Receiver::start();
    let id = add_all(&admin, &receiver);
    receiver.answer(503);
    worker.append(&task_job("a")).expect(201);
    until("one try", || list(&admin)[0]["failures"] == 1);
    let shown = list(&admin).remove(0);
    let next: chrono::DateTime<chrono::Utc> = shown["next_try_at"].as_str().unwrap().parse().unwrap();
    let pause = next - chrono::Utc::now();
    assert!(pause <= chrono::TimeDelta::seconds(5), "the first pause is 5 s: {pause}");
    receiver.answer(200);
    replay(&admin, &id, "");
    receiver.until_taken(1);
    assert!(chrono::Utc::now() < next, "it did not wait for the pause");
}

#[test]
fn a_receiver_that_does_not_answer_delays_no_append_and_no_other_receiver() {
    let (_server, worker, admin) = patient();
    let (slow, quick) = (Receiver::start(), Receiver::start());
    add_all(&admin, &slow);
    add_all(&admin, &quick);
    slow.hang();
    worker.append(&task_job("a")).expect(201);
    slow.until_hanging(1);
    for n in 0..50 {
        worker.append(&noted("a", &n.to_string())).expect(201);
    }
    quick.until_taken(51);
    assert_eq!((slow.hanging(), slow.messages().len()), (1, 0), "all of that happened while one message hung");
    slow.answer(200);
    slow.until_taken(51);
    assert_eq!(slow.positions(), (1..=51).collect::<Vec<u64>>());
}

#[test]
fn a_receiver_that_takes_too_long_has_failed() {
    let webhooks = Settings { timeout: Duration::from_millis(200), ..quick(Duration::from_secs(3600)) };
    let server = TestServer::serving(HttpOptions { webhooks, ..HttpOptions::default() });
    let (worker, admin) = (server.client(Role::Worker), server.client(Role::Admin));
    let receiver = Receiver::start();
    add_all(&admin, &receiver);
    receiver.hang();
    worker.append(&task_job("a")).expect(201);
    until("a try has failed", || list(&admin)[0]["failures"].as_u64() >= Some(1));
    let error = list(&admin)[0]["last_error"].as_str().unwrap().to_owned();
    assert!(error.contains("no answer within 0.2 s"), "{error}");
    receiver.answer(200);
    receiver.until_taken(1);
}

#[test]
fn a_receiver_that_is_not_there_gets_its_events_when_it_comes_back() {
    let (_server, worker, admin) = patient();
    let gone = Receiver::start();
    let id = add_all(&admin, &gone);
    let address = gone.url.trim_start_matches("http://").trim_end_matches("/hook").to_owned();
    drop(gone);
    until("the port is closed", || std::net::TcpStream::connect(&address).is_err());
    worker.append(&task_job("a")).expect(201);
    until("a try has failed", || list(&admin)[0]["failures"].as_u64() >= Some(1));
    let error = list(&admin)[0]["last_error"].as_str().unwrap().to_owned();
    assert!(error.starts_with("no answer"), "{error}");
    assert_eq!(list(&admin)[0]["id"], json!(id));
}

#[test]
fn a_redirect_is_a_failure_and_is_not_followed() {
    let (_server, worker, admin) = patient();
    let (receiver, elsewhere) = (Receiver::start(), Receiver::start());
    add_all(&admin, &receiver);
    receiver.redirect(&elsewhere.url);
    worker.append(&task_job("a")).expect(201);
    until("a try has failed", || list(&admin)[0]["failures"].as_u64() >= Some(2));
    assert!(list(&admin)[0]["last_error"].as_str().unwrap().contains("307"));
    assert_eq!(elsewhere.connections(), 0);
}

#[test]
fn an_event_that_is_redacted_while_it_waits_arrives_without_its_data() {
    let (_server, worker, admin) = patient();
    let receiver = Receiver::start();
    add_all(&admin, &receiver);
    let redact = |position: u64| {
        let redacted = event("job.redacted", "a", json!({"position": position, "reason": "asked"}));
        admin.append(&redacted).expect(201);
    };
    worker.append(&json!([task_job("a"), started("a")])).expect(201);
    receiver.until_taken(2);
    receiver.answer(500);
    worker.append(&json!([noted("a", "3"), noted("a", "4"), noted("a", "5"), completed("a")])).expect(201);
    until("a try has failed", || receiver.messages().len() > 2);
    // The event that is tried again, and one behind it.
    redact(3);
    redact(4);
    receiver.hang();
    receiver.until_hanging(1);
    // One behind a message that is under way.
    redact(5);
    receiver.answer(200);
    let taken = receiver.until_taken(9);
    assert_eq!(receiver.positions(), (1..=9).collect::<Vec<u64>>());
    let data: Vec<Value> = taken[2..5].iter().map(|message| message.json()["data"].clone()).collect();
    assert_eq!(data, ["[redacted]", "[redacted]", "[redacted]"]);
}

#[test]
fn a_stop_and_a_start_go_on_where_the_receiver_stands() {
    let dir = tempfile::tempdir().unwrap();
    let start = |drain: Duration| {
        let http = HttpOptions { webhooks: quick(Duration::from_secs(3600)), drain, ..HttpOptions::default() };
        TestServer::open_serving(dir.path(), Options::default(), http)
    };
    let mut server = start(Duration::from_millis(100));
    let (worker, admin) = (server.client(Role::Worker), server.client(Role::Admin));
    let receiver = Receiver::start();
    add_all(&admin, &receiver);
    worker.append(&json!([task_job("a"), started("a")])).expect(201);
    receiver.until_taken(2);
    receiver.answer(500);
    worker.append(&json!([noted("a", "1"), noted("a", "2")])).expect(201);
    until("a try has failed", || receiver.messages().len() > 2);
    receiver.hang();
    receiver.until_hanging(1);
    // The message under way is not answered in time.
    server.stop();
    let stored = WebhookFile::open(&Folder::new(dir.path()).webhooks()).unwrap().list(None).unwrap().remove(0);
    assert!(stored.failures >= 1 && stored.position.get() == 2, "a stop forgets no failure: {stored:?}");
    receiver.answer(500);
    receiver.until_hanging(0);
    receiver.answer(200);
    let mut server = start(Duration::from_secs(5));
    worker.at(&server.url).append(&noted("a", "3")).expect(201);
    receiver.until_taken(5);
    assert_eq!(receiver.positions(), [1, 2, 3, 4, 5]);
    server.stop();
    // A clean stop notes the position, so nothing arrives twice.
    let server = start(Duration::from_secs(5));
    worker.at(&server.url).append(&noted("a", "4")).expect(201);
    receiver.until_taken(6);
    assert_eq!(receiver.positions(), [1, 2, 3, 4, 5, 6]);
}
