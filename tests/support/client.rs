//! A blocking HTTP client, and a reader of server-sent events.

use std::io::{BufRead, BufReader};
use std::time::Duration;

use serde_json::Value;
use ureq::http::{HeaderMap, Method, Request};

use super::wait::until;

/// Longest wait for an answer: a test that hangs fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// Talks to one server with one token.
#[derive(Clone)]
pub struct Client {
    agent: ureq::Agent,
    url: String,
    pub token: Option<String>,
}

/// An answer of any status.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    /// The text without its final newline. An answer of the ledger's own API is one line.
    #[track_caller]
    pub fn line(&self) -> String {
        self.text().strip_suffix('\n').expect("the end of a line").to_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// A header, `""` where it is absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Fails unless the status is `status`; the failure shows the body.
    #[track_caller]
    pub fn expect(self, status: u16) -> Answer {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }
}

impl Client {
    pub fn new(url: &str, token: Option<&str>) -> Client {
        Client::with_patience(url, token, PATIENCE)
    }

    /// A client that waits so long for a whole answer.
    pub fn with_patience(url: &str, token: Option<&str>, patience: Duration) -> Client {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .allow_non_standard_methods(true)
            .timeout_global(Some(patience))
            .build();
        Client { agent: config.into(), url: url.to_owned(), token: token.map(str::to_owned) }
    }

    /// A client with the same token for another address, such as that of a restarted server.
    pub fn at(&self, url: &str) -> Client {
        Client { url: url.to_owned(), ..self.clone() }
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], b"")
    }

    pub fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.send(Method::GET, path, headers, b"")
    }

    pub fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, &[], b"")
    }

    /// Appends one event (an object) or a batch (an array).
    pub fn append(&self, events: &Value) -> Answer {
        self.append_with(events, &[])
    }

    pub fn append_with(&self, events: &Value, headers: &[(&str, &str)]) -> Answer {
        let mut all = vec![("content-type", "application/json")];
        all.extend(headers);
        self.send(Method::POST, "/ledger/events", &all, events.to_string().as_bytes())
    }

    /// Posts bytes to `/ledger/events` as they are.
    pub fn post(&self, content_type: &str, body: &[u8]) -> Answer {
        self.send(Method::POST, "/ledger/events", &[("content-type", content_type)], body)
    }

    /// Posts JSON to `path`.
    pub fn post_json(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, &[("content-type", "application/json")], body.to_string().as_bytes())
    }

    /// The newest position of the log.
    pub fn head(&self) -> u64 {
        self.get("/ledger/events?limit=1").expect(200).json()["head"].as_u64().unwrap()
    }

    pub fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.try_send(method, path, headers, body).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Appends to a server that may die before it answers.
    pub fn try_append(&self, events: &Value) -> Result<Answer, ureq::Error> {
        let headers = [("content-type", "application/json")];
        self.try_send(Method::POST, "/ledger/events", &headers, events.to_string().as_bytes())
    }

    /// Sends a request to a server that may die before it answers.
    pub fn try_send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Answer, ureq::Error> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.url));
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = if body.is_empty() {
            self.agent.run(request.body(()).unwrap())
        } else {
            self.agent.run(request.body(body).unwrap())
        };
        let mut answer = answer?;
        let body = answer.body_mut().with_config().limit(1 << 30).read_to_vec()?;
        Ok(Answer { status: answer.status().as_u16(), headers: answer.headers().clone(), body })
    }

    /// Opens a stream of server-sent events.
    #[track_caller]
    pub fn stream(&self, path: &str, headers: &[(&str, &str)]) -> Stream {
        let stream = self.try_stream(path, headers).unwrap();
        stream.unwrap_or_else(|status| panic!("{path}: {status}"))
    }

    /// Opens a stream of server-sent events at a server that may die; answers the status if it is not 200.
    pub fn try_stream(&self, path: &str, headers: &[(&str, &str)]) -> Result<Result<Stream, u16>, ureq::Error> {
        let mut request = Request::builder().uri(format!("{}{path}", self.url)).header("accept", "text/event-stream");
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = self.agent.run(request.body(()).unwrap())?;
        if answer.status() != 200 {
            return Ok(Err(answer.status().as_u16()));
        }
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        let headers = answer.headers().clone();
        Ok(Ok(Stream { lines: BufReader::new(Box::new(answer.into_body().into_reader())), headers }))
    }
}

/// One block of a stream: everything up to an empty line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frame {
    pub id: Option<u64>,
    pub event: String,
    pub data: String,
    pub retry: Option<u64>,
}

impl Frame {
    /// Whether the frame is a heartbeat: its `id` alone, or the event that a client asked for.
    pub fn is_heartbeat(&self) -> bool {
        matches!(self.event.as_str(), "" | "heartbeat")
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_else(|error| panic!("{error}: {}", self.data))
    }
}

/// An open stream of frames. The iterator ends when the server ends the stream. A stream that is silent too long fails the test.
pub struct Stream {
    lines: BufReader<Box<dyn std::io::Read>>,
    pub headers: HeaderMap,
}

impl Iterator for Stream {
    type Item = Frame;

    fn next(&mut self) -> Option<Frame> {
        self.try_next().expect("a stream that goes on")
    }
}

impl Stream {
    /// The next frame; `None` at the end.
    pub fn try_next(&mut self) -> std::io::Result<Option<Frame>> {
        let mut frame = Frame::default();
        let mut any = false;
        loop {
            let mut line = String::new();
            if self.lines.read_line(&mut line)? == 0 {
                return Ok(None);
            }
            let line = line.trim_end_matches('\n');
            if line.is_empty() && any {
                return Ok(Some(frame));
            }
            any = true;
            match line.split_once(": ") {
                Some(("id", id)) => frame.id = Some(id.parse().unwrap()),
                Some(("event", event)) => frame.event = event.into(),
                Some(("data", data)) => frame.data = data.into(),
                Some(("retry", retry)) => frame.retry = Some(retry.parse().unwrap()),
                _ => panic!("an unknown line in a stream: {line}"),
            }
        }
    }
}

/// Waits until `/metrics` has this line.
#[track_caller]
pub fn until_metric(client: &Client, line: &str) {
    until(line, || client.get("/metrics").text().lines().any(|found| found == line));
}
