//! A receiver of webhooks: it keeps every message, and answers as the test says.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use parking_lot::{Condvar, Mutex};
use serde_json::Value;
use sha2::Sha256;

use super::wait::{until, until_some};

/// A message that arrived whole.
#[derive(Debug, Clone)]
pub struct Message {
    pub path: String,
    /// By their names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
    /// The status that the receiver answered.
    pub answered: u16,
}

impl Message {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The event's position in the log.
    pub fn position(&self) -> u64 {
        self.json()["position"].as_str().unwrap().parse().unwrap()
    }

    /// The value of `webhook-id`.
    pub fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }

    /// Whether the signature is that of Standard Webhooks with `secret`, and not older than a minute.
    pub fn is_signed_with(&self, secret: &str) -> bool {
        let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        let timestamp = &self.headers["webhook-timestamp"];
        mac.update(format!("{}.{timestamp}.", self.id()).as_bytes());
        mac.update(&self.body);
        let age = chrono::Utc::now().timestamp() - timestamp.parse::<i64>().unwrap();
        let signature = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
        self.headers["webhook-signature"] == signature && (0..60).contains(&age)
    }
}

/// The running receiver. Dropping the value ends it.
pub struct Receiver {
    pub url: String,
    shared: Arc<Shared>,
}

struct Shared {
    messages: Mutex<Vec<Message>>,
    connections: AtomicUsize,
    /// How many messages wait for an answer.
    hanging: AtomicUsize,
    answer: Mutex<Answer>,
    changed: Condvar,
}

#[derive(Clone)]
struct Answer {
    /// `None` keeps the sender waiting.
    status: Option<u16>,
    location: Option<String>,
    ended: bool,
}

impl Receiver {
    /// Starts a receiver that takes every message.
    pub fn start() -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            messages: Mutex::default(),
            connections: AtomicUsize::new(0),
            hanging: AtomicUsize::new(0),
            answer: Mutex::new(Answer { status: Some(204), location: None, ended: false }),
            changed: Condvar::new(),
        });
        let receiver = Receiver { url, shared: shared.clone() };
        std::thread::spawn(move || {
            for stream in listener.incoming().map(Result::unwrap) {
                if shared.answer.lock().ended {
                    return;
                }
                shared.connections.fetch_add(1, Ordering::SeqCst);
                let shared = shared.clone();
                // A sender may close its connection at any time.
                std::thread::spawn(move || drop(shared.serve(&stream)));
            }
        });
        receiver
    }

    /// Answers every message with `status` from now on, the waiting ones too.
    pub fn answer(&self, status: u16) {
        self.shared.answer.lock().status = Some(status);
        self.shared.changed.notify_all();
    }

    /// Answers every message with a redirect from now on.
    pub fn redirect(&self, to: &str) {
        self.shared.answer.lock().location = Some(to.to_owned());
        self.answer(307);
    }

    /// Answers no message from now on.
    pub fn hang(&self) {
        self.shared.answer.lock().status = None;
    }

    /// How many messages wait for an answer.
    pub fn hanging(&self) -> usize {
        self.shared.hanging.load(Ordering::SeqCst)
    }

    /// How many connections the receiver has accepted.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// All answered messages, in order.
    pub fn messages(&self) -> Vec<Message> {
        self.shared.messages.lock().clone()
    }

    /// The messages that were answered 2xx, in order.
    pub fn taken(&self) -> Vec<Message> {
        self.messages().into_iter().filter(|message| message.answered / 100 == 2).collect()
    }

    /// The positions of the messages that were answered 2xx, in order.
    pub fn positions(&self) -> Vec<u64> {
        self.taken().iter().map(Message::position).collect()
    }

    /// Waits until `count` messages were answered 2xx.
    #[track_caller]
    pub fn until_taken(&self, count: usize) -> Vec<Message> {
        until_some(&format!("{count} messages"), || Some(self.taken()).filter(|taken| taken.len() >= count))
    }

    /// Waits until so many messages wait for an answer.
    #[track_caller]
    pub fn until_hanging(&self, count: usize) {
        until("a message hangs", || self.hanging() == count);
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.shared.answer.lock().ended = true;
        self.shared.changed.notify_all();
        // The thread waits for a connection, so this connection lets it see the end.
        let _ = TcpStream::connect(self.url.trim_start_matches("http://").trim_end_matches("/hook"));
    }
}

impl Shared {
    fn serve(&self, stream: &TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
            let mut headers = BTreeMap::new();
            loop {
                let mut line = String::new();
                reader.read_line(&mut line)?;
                let Some((name, value)) = line.trim_end().split_once(": ") else { break };
                headers.insert(name.to_ascii_lowercase(), value.to_owned());
            }
            let mut body = vec![0; headers["content-length"].parse().unwrap()];
            reader.read_exact(&mut body)?;
            let Some((status, location)) = self.wait() else { return Ok(()) };
            self.messages.lock().push(Message { path, headers, body, answered: status });
            let location = location.map(|to| format!("location: {to}\r\n")).unwrap_or_default();
            write!(&*stream, "HTTP/1.1 {status} Told\r\n{location}content-length: 0\r\n\r\n")?;
        }
    }

    /// Waits for the answer; `None` at the end of the receiver.
    fn wait(&self) -> Option<(u16, Option<String>)> {
        let mut answer = self.answer.lock();
        self.hanging.fetch_add(1, Ordering::SeqCst);
        self.changed.wait_while(&mut answer, |answer| answer.status.is_none() && !answer.ended);
        self.hanging.fetch_sub(1, Ordering::SeqCst);
        let Answer { status, location, ended } = answer.clone();
        status.filter(|_| !ended).map(|status| (status, location))
    }
}
