//! The server: connections in, over TLS or not, until it is told to stop; then every stream is ended and every answer given.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::metrics::counter::Counter;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_io_timeout::TimeoutStream;

use super::arriving::Arrival;
use super::handle::{Line, Narrowing};
use super::tls::Tls;
use super::unparsed::{Turns, Unparsed};
use crate::http::limits::Bounds;
use crate::http::site::Site;

/// How long a client may take to send its headers, or to greet over TLS.
const GREETING: Duration = Duration::from_secs(30);
/// The longest head of a request, and how much of an answer is gathered before the client takes some: 128 KiB.
const BUFFER: usize = 128 << 10;
/// How long a server that stops waits for the rest of a request whose head it has: what a client has sent already is on its way
/// through the machine.
const REST: Duration = Duration::from_millis(100);
/// How often it looks whether that has come.
const LOOK: Duration = Duration::from_millis(5);

/// How clients reach the server.
#[derive(Clone)]
pub enum Transport {
    /// In clear.
    Clear,
    /// Over TLS that a proxy in front of the server ends; what the proxy sends on is in clear.
    BehindTls,
    /// Over TLS that the server ends itself.
    Tls(Tls),
}

impl Transport {
    /// The scheme of the URLs under which clients know the server.
    pub fn scheme(&self) -> &'static str {
        match self {
            Transport::Clear => "http",
            Transport::BehindTls | Transport::Tls(_) => "https",
        }
    }

    /// The certificate and key, where the server ends TLS itself.
    pub fn tls(&self) -> Option<&Tls> {
        match self {
            Transport::Tls(tls) => Some(tls),
            Transport::Clear | Transport::BehindTls => None,
        }
    }
}

/// How connections are served.
#[derive(Clone)]
pub struct HttpOptions {
    /// How clients reach the server.
    pub transport: Transport,
    /// How much there may be at once of what costs memory, disk or time.
    pub bounds: Bounds,
    /// How long a client may take nothing of an answer before its connection is closed.
    pub stall_timeout: Duration,
    /// How long answers may take to end once the server stops.
    pub drain: Duration,
    /// Lines of the server's log that were dropped, for `/metrics`.
    pub dropped_lines: Counter,
}

impl Default for HttpOptions {
    fn default() -> HttpOptions {
        HttpOptions {
            transport: Transport::Clear,
            bounds: Bounds::default(),
            stall_timeout: Duration::from_secs(30),
            // Half of what Docker gives a process to end.
            drain: Duration::from_secs(5),
            dropped_lines: Counter::default(),
        }
    }
}

/// Serves `site` on `listener` until `stopping` turns true, then answers what was asked, for as long as the options say, and
/// returns. The caller brings the socket and the signal, so tests bind port 0.
pub async fn serve(listener: TcpListener, site: Site, options: HttpOptions, mut stopping: watch::Receiver<bool>) {
    // Every connection holds a sender; the receiver learns when the last one is gone.
    let (open, mut all_closed) = mpsc::channel::<Infallible>(1);
    let cut_off = Arc::new(AtomicU64::new(0));
    let mut failing = false;
    loop {
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, mostly: give connections time to end instead of spinning, and say so once.
                    if !std::mem::replace(&mut failing, true) {
                        tracing::warn!(error = &error as &dyn std::error::Error, "connections are not accepted just now");
                    }
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
            _ = stopping.wait_for(|stopping| *stopping) => break,
        };
        failing = false;
        let (open, options) = (open.clone(), options.clone());
        let (site, stopping, cut_off, line) = (site.clone(), stopping.clone(), cut_off.clone(), Line::default());
        let connection = Connection { peer, site, stopping, cut_off, line: line.clone() };
        tokio::spawn(async move {
            let _open = open;
            tokio::select! {
                () = connection.accept(stream, &options) => {}
                () = line.cut() => tracing::debug!("a connection was closed: its answer's token has ended"),
            }
        });
    }
    drop((listener, open));
    let _ = all_closed.recv().await;
    match cut_off.load(Ordering::Relaxed) {
        0 => {}
        connections => tracing::warn!(connections, "some clients did not take their answers in time"),
    }
}

/// One connection.
struct Connection {
    peer: SocketAddr,
    site: Site,
    stopping: watch::Receiver<bool>,
    /// Connections that were closed before their answers were taken.
    cut_off: Arc<AtomicU64>,
    line: Line,
}

impl Connection {
    async fn accept(mut self, stream: TcpStream, options: &HttpOptions) {
        // Answers are small and awaited: sending each at once matters more than filling packets.
        let _ = stream.set_nodelay(true);
        // A client that stops reading takes nothing, so its writes stay pending.
        let mut stream = TimeoutStream::new(Narrowing::new(stream, self.line.clone()));
        stream.set_write_timeout(Some(options.stall_timeout));
        let stream = Box::pin(stream);
        let Some(tls) = options.transport.tls() else { return self.serve(stream, options.drain).await };
        let greeted = tokio::select! {
            greeted = timeout(GREETING, tls.acceptor().accept(stream)) => greeted,
            _ = self.stopping.wait_for(|stopping| *stopping) => return,
        };
        if let Ok(Ok(stream)) = greeted {
            self.serve(stream, options.drain).await;
        }
    }

    async fn serve(mut self, stream: impl AsyncRead + AsyncWrite + Unpin, drain: Duration) {
        let (arrival, turns) = (Arrival::default(), Turns::default());
        let service = service_fn(|mut request: Request<Incoming>| {
            let turn = turns.begin();
            request.extensions_mut().insert(self.line.clone());
            let answer = self.site.clone().answer(request.map(|body| arrival.body(body)), self.peer);
            async { Ok::<_, Infallible>(answer.await.map(|body| turn.until(body))) }
        });
        let stream = TokioIo::new(Unparsed::new(stream, self.site.styles(), turns.clone()));
        let mut server = hyper::server::conn::http1::Builder::new();
        server.timer(TokioTimer::new()).header_read_timeout(GREETING).max_buf_size(BUFFER);
        let mut served = pin!(server.serve_connection(stream, service));
        let stopped = self.stopping.wait_for(|stopping| *stopping);
        let mut ended = before(served.as_mut(), stopped).await;
        if ended.is_none() {
            ended = before(served.as_mut(), arrived(&arrival)).await;
        }
        if ended.is_none() && arrival.is_whole() {
            served.as_mut().graceful_shutdown();
            ended = timeout(drain, served).await.ok();
            self.cut_off.fetch_add(u64::from(ended.is_none()), Ordering::Relaxed);
        }
        // A connection on which nothing was asked that could be answered is dropped here.
        if let Some(Err(error)) = ended {
            tracing::debug!(error = &error as &dyn std::error::Error, "a connection ended early");
        }
    }
}

/// What `work` comes to; `None` where `end` comes first.
async fn before<T>(work: impl Future<Output = T>, end: impl Future) -> Option<T> {
    tokio::select! {
        biased;
        done = work => Some(done),
        _ = end => None,
    }
}

/// Waits until a request whose head has come in is here whole, or is not after [`REST`].
async fn arrived(arrival: &Arrival) {
    let whole = async {
        while !arrival.is_whole() && !arrival.is_nothing() {
            tokio::time::sleep(LOOK).await;
        }
    };
    let _ = timeout(REST, whole).await;
}
