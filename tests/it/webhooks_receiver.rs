//! Which receivers a server calls, and how a receiver checks what arrives.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use jobledger::access::Role;
use jobledger::deliveries::Settings;
use jobledger::http::HttpOptions;
use jobledger::job::{Position, Time};
use jobledger::ledger::Folder;
use jobledger::webhooks::{NewWebhook, WebhookFile};
use serde_json::json;

use crate::support::receiver::Receiver;
use crate::support::shell::lacking;
use crate::support::wait::until;
use crate::support::{TestServer, nil, noted, skipped, task_job};
use crate::webhooks::{add, list, patient, post, quick};

#[test]
fn loopback_and_private_addresses_and_http_are_refused() {
    let server = TestServer::start();
    let admin = server.client(Role::Admin);
    for url in [
        "http://receiver.example/",
        "https://localhost/",
        "https://a.localhost:9/",
        "https://127.0.0.1/",
        "https://10.1.2.3/",
        "https://192.168.0.1/",
        "https://169.254.169.254/latest",
        "https://[::1]/",
        "https://[fd00::1]/",
        "https://[::ffff:127.0.0.1]/",
    ] {
        let answer = post(&admin, "/ledger/webhooks", &json!({"url": url})).expect(422).json();
        assert_eq!(answer["pointer"], "/url", "{url}");
        assert!(answer["detail"].as_str().unwrap().contains("--webhook-allow-private"), "{url}: {answer}");
    }
    add(&admin, &json!({"url": "https://receiver.example/"}));
}

/// The command that adds a webhook beside the server does not know how the server was started. A name may lead anywhere.
#[test]
fn an_address_that_only_the_delivery_sees_is_not_called() {
    let webhooks = Settings { allow_private: false, ..quick(Duration::from_millis(20)) };
    let server = TestServer::serving(HttpOptions { webhooks, ..HttpOptions::default() });
    let (worker, admin) = (server.client(Role::Worker), server.client(Role::Admin));
    let receiver = Receiver::start();
    let file = WebhookFile::open(&Folder::new(server.path()).webhooks()).unwrap();
    let port = receiver.url.rsplit(':').next().unwrap();
    // 2130706433 is 127.0.0.1, and no address by its form.
    for host in ["127.0.0.1", "localhost", "2130706433"] {
        for scheme in ["http", "https"] {
            let url = format!("{scheme}://{host}:{port}").parse().unwrap();
            let new = NewWebhook { org: nil(), receiver: url, types: Vec::new(), kind: None };
            file.add(&new, Position::GENESIS, Time::from_micros(0)).unwrap();
        }
    }
    worker.append(&task_job("a")).expect(201);
    until("all are parked", || {
        let all = list(&admin);
        all.len() == 6 && all.iter().all(|webhook| webhook["state"] == "parked")
    });
    for webhook in list(&admin) {
        let (url, error) = (webhook["url"].as_str().unwrap(), webhook["last_error"].as_str().unwrap());
        assert!(url.starts_with("http:") || error.contains("loopback or private"), "{url}: {error}");
        assert!(url.starts_with("https:") || error.contains("https"), "{url}: {error}");
    }
    assert_eq!(receiver.connections(), 0);
}

/// Runs the function `verify` of the guide on stdin.
const CHECK: &str = r#"
import sys, json
given = json.load(sys.stdin)
print(verify(given["secret"], given["headers"], given["body"].encode()))
"#;

#[test]
fn the_python_of_the_guide_verifies_a_signature() {
    if let Some(tool) = lacking(&["python3"]) {
        return skipped(tool);
    }
    let guide = std::fs::read_to_string("docs/guide/receiver.md").unwrap();
    let code = guide.split("```python\n").nth(1).unwrap().split("```").next().unwrap();
    let (_server, worker, admin) = patient();
    let receiver = Receiver::start();
    let secret = add(&admin, &json!({"url": receiver.url}))["secret"].clone();
    worker.append(&json!([task_job("a"), noted("a", "Größe: 10 €")])).expect(201);
    let arrived = receiver.until_taken(2).remove(1);
    let body = String::from_utf8(arrived.body.clone()).unwrap();
    let verified = |secret: &serde_json::Value, body: &str| {
        let given = json!({"secret": secret, "headers": arrived.headers, "body": body}).to_string();
        let mut python = Command::new("python3");
        python.args(["-c", &format!("{code}\n{CHECK}")]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut python = python.spawn().unwrap();
        python.stdin.take().unwrap().write_all(given.as_bytes()).unwrap();
        let done = python.wait_with_output().unwrap();
        assert!(done.status.success());
        String::from_utf8(done.stdout).unwrap().trim().to_owned()
    };
    assert_eq!(verified(&secret, &body), "True");
    assert_eq!(verified(&secret, &body.replace("10", "11")), "False");
    assert_eq!(verified(&json!("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), &body), "False");
}
