//! Requests that are sent again, with the same ids, until they are answered.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use ureq::Agent;
use ureq::http::{Method, Request};

/// A server that may be killed at any time.
pub struct Asking<'t> {
    agent: Agent,
    url: String,
    token: String,
    requests: &'t AtomicU64,
}

/// An answer other than 5xx.
pub struct Answer {
    pub status: u16,
    pub body: Value,
}

impl<'t> Asking<'t> {
    pub fn new(address: &str, token: &str, requests: &'t AtomicU64) -> Asking<'t> {
        let config = Agent::config_builder().http_status_as_error(false).timeout_global(Some(Duration::from_secs(20)));
        Asking { agent: config.build().into(), url: format!("http://{address}"), token: token.to_owned(), requests }
    }

    /// An event with an id of its own.
    pub fn event(&self, id: &str, event_type: &str, job: &str, data: Value) -> Value {
        json!({
            "specversion": "1.0", "id": id, "source": "/bench", "type": event_type, "subject": job, "data": data,
        })
    }

    pub fn append(&self, events: &Value, lease: Option<&str>) -> Answer {
        self.ask(Method::POST, "/ledger/events", lease, Some(events))
    }

    pub fn get(&self, path: &str) -> Value {
        let answer = self.ask(Method::GET, path, None, None);
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.body
    }

    /// How many jobs have not ended, or are to be repeated.
    pub fn open_jobs(&self) -> u64 {
        let counts = self.get("/ledger/jobs/counts");
        counts["pending"].as_u64().unwrap_or(1) + counts["running"].as_u64().unwrap_or(1)
    }

    /// Sends a request until it has an answer.
    pub fn ask(&self, method: Method, path: &str, lease: Option<&str>, body: Option<&Value>) -> Answer {
        loop {
            self.requests.fetch_add(1, Ordering::Relaxed);
            let request = Request::builder().method(method.clone()).uri(format!("{}{path}", self.url));
            let request = request.header("authorization", format!("Bearer {}", self.token));
            let request = lease.into_iter().fold(request, |request, lease| request.header("ledger-lease", lease));
            let request = request.header("content-type", "application/json");
            let body = body.map(Value::to_string).unwrap_or_default();
            if let Ok(mut answer) = self.agent.run(request.body(body).expect("a request"))
                && let Ok(text) = answer.body_mut().with_config().limit(64 << 20).read_to_string()
                && !answer.status().is_server_error()
            {
                return Answer {
                    status: answer.status().as_u16(),
                    body: serde_json::from_str(&text).unwrap_or_default(),
                };
            }
            thread::sleep(Duration::from_millis(100));
        }
    }
}
