//! The load generator: keep-alive HTTP/1.1 over bare sockets. It makes requests before the round, and parses only the length of an
//! answer, because it shares the processors with the server.

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Barrier;

use super::figures::{latency, median, per_second};
use super::to::Stream;

/// The client's runtime: one thread for all connections.
pub fn client() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// One keep-alive connection.
pub struct Connection<S = TcpStream> {
    stream: S,
    buffer: Vec<u8>,
}

impl Connection {
    pub async fn open(address: SocketAddr) -> Connection {
        let stream = TcpStream::connect(address).await.expect("the server listens");
        stream.set_nodelay(true).expect("a TCP socket");
        Connection::over(stream)
    }
}

impl<S: Stream> Connection<S> {
    pub fn over(stream: S) -> Connection<S> {
        Connection { stream, buffer: Vec::with_capacity(64 * 1024) }
    }

    /// Sends a request and reads its whole answer; returns the length of the body.
    pub async fn ask(&mut self, request: &[u8]) -> usize {
        self.stream.write_all(request).await.expect("the server reads");
        self.stream.flush().await.expect("the server reads");
        self.buffer.clear();
        loop {
            let read = self.stream.read_buf(&mut self.buffer).await.expect("the server answers");
            assert!(read > 0, "the server closed: {}", String::from_utf8_lossy(&self.buffer));
            let Some(head) = find(&self.buffer, b"\r\n\r\n") else { continue };
            let body = content_length(&self.buffer[..head]);
            assert!(self.buffer.starts_with(b"HTTP/1.1 20"), "{}", String::from_utf8_lossy(&self.buffer));
            if self.buffer.len() >= head + 4 + body {
                return body;
            }
        }
    }

    /// The body of the last answer.
    pub fn body(&self) -> &[u8] {
        &self.buffer[find(&self.buffer, b"\r\n\r\n").expect("an answer") + 4..]
    }

    /// Sends a request whose answer does not end.
    pub async fn start(mut self, request: &[u8]) -> S {
        self.stream.write_all(request).await.expect("the server reads");
        self.stream
    }
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

fn content_length(head: &[u8]) -> usize {
    let name = b"content-length: ";
    let at = find(head, name).expect("an answer with a length") + name.len();
    head[at..].iter().take_while(|b| b.is_ascii_digit()).fold(0, |n, b| n * 10 + usize::from(b - b'0'))
}

/// The bytes of a request, made before the round. The event's id is written at sending, as a producer does.
pub struct Request {
    bytes: Vec<u8>,
    id: Option<Range<usize>>,
}

impl Request {
    /// `bytes` with the id of an event at `id`.
    pub fn naming(bytes: Vec<u8>, id: Option<Range<usize>>) -> Request {
        Request { bytes, id }
    }

    fn name(&mut self) {
        if let Some(id) = self.id.clone() {
            super::work::time_ordered().hyphenated().encode_lower(&mut self.bytes[id]);
        }
    }
}

impl From<Vec<u8>> for Request {
    fn from(bytes: Vec<u8>) -> Request {
        Request { bytes, id: None }
    }
}

/// The result of a round.
pub struct Round {
    pub requests: usize,
    pub took: Duration,
    /// The latency of each request, sorted.
    pub latencies: Vec<Duration>,
}

/// Sends each connection's requests one after the other, all connections at once.
pub async fn run_round<R: Into<Request> + Send + 'static>(address: SocketAddr, requests: Vec<Vec<R>>) -> Round {
    let start = Arc::new(Barrier::new(requests.len() + 1));
    let count = requests.iter().map(Vec::len).sum();
    let connections: Vec<_> = requests
        .into_iter()
        .map(|requests| {
            let start = start.clone();
            let requests: Vec<Request> = requests.into_iter().map(Into::into).collect();
            tokio::spawn(async move {
                let mut connection = Connection::open(address).await;
                let mut latencies = Vec::with_capacity(requests.len());
                start.wait().await;
                for mut request in requests {
                    request.name();
                    let sent = Instant::now();
                    connection.ask(&request.bytes).await;
                    latencies.push(sent.elapsed());
                }
                latencies
            })
        })
        .collect();
    start.wait().await;
    let started = Instant::now();
    let mut latencies = Vec::with_capacity(count);
    for connection in connections {
        latencies.extend(connection.await.expect("every request is answered"));
    }
    let took = started.elapsed();
    latencies.sort();
    Round { requests: count, took, latencies }
}

/// Sends a request on each connection every `pause`, whether or not the connection's last answer has come. A latency counts from the
/// time at which the request was due.
pub async fn run_paced(address: SocketAddr, requests: Vec<Vec<Request>>, pause: Duration) -> Round {
    run_paced_while(address, requests, pause, || true).await
}

/// [`run_paced`] that sends no more requests once `go_on` is false.
pub async fn run_paced_while(
    address: SocketAddr,
    requests: Vec<Vec<Request>>,
    pause: Duration,
    go_on: impl Fn() -> bool + Clone + Send + 'static,
) -> Round {
    let mut connections = Vec::with_capacity(requests.len());
    for _ in &requests {
        connections.push(Connection::open(address).await);
    }
    let (count, started) = (connections.len() as u32, Instant::now());
    let mut running = tokio::task::JoinSet::new();
    for ((requests, mut connection), place) in requests.into_iter().zip(connections).zip(0..) {
        let go_on = go_on.clone();
        running.spawn(async move {
            let mut latencies = Vec::with_capacity(requests.len());
            let first = started + pause * place / count;
            for (mut request, n) in requests.into_iter().zip(0..) {
                let due = first + pause * n;
                tokio::time::sleep_until(due.into()).await;
                if !go_on() {
                    break;
                }
                request.name();
                connection.ask(&request.bytes).await;
                latencies.push(due.elapsed());
            }
            latencies
        });
    }
    let mut latencies: Vec<Duration> = running.join_all().await.concat();
    latencies.sort();
    Round { requests: latencies.len(), took: started.elapsed(), latencies }
}

/// The rounds of one measured thing.
#[derive(Default)]
pub struct Series {
    pub rates: Vec<f64>,
    latencies: Vec<Duration>,
}

impl Series {
    /// Adds a round.
    pub fn add(&mut self, round: Round) {
        self.rates.push(per_second(round.requests, round.took));
        self.latencies.extend(round.latencies);
    }

    /// Requests a second: the median over the rounds.
    pub fn rate(&self) -> f64 {
        median(&self.rates)
    }

    /// The median, the 99th and the 99.9th percentile, and the longest of the latencies of all rounds.
    pub fn latencies(&mut self) -> String {
        self.latencies.sort();
        latencies(&self.latencies)
    }
}

/// The median, the 99th and the 99.9th percentile, and the longest of these latencies.
pub fn latencies(sorted: &[Duration]) -> String {
    [0.5, 0.99, 0.999, 1.0].map(|part| latency(sorted, part)).join(" / ")
}
