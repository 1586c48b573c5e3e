//! Accepts connections, over TLS or in clear, until the server stops; then ends every stream and finishes every answer.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_io_timeout::TimeoutStream;

use super::handle::ConnectionHandle;
use super::socket::ClientSocket;
use super::tls::{HTTP2, Tls};
use crate::deliveries::Settings;
use crate::http::limits::Bounds;
use crate::http::request::{Origin, OwnOrigins};
use crate::http::routes::session::OnceLink;
use crate::http::site::Site;

/// Pause after a connection could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How clients reach the server.
#[derive(Clone)]
pub enum Transport {
    /// In clear.
    Clear,
    /// Over TLS to a proxy in front of the server, which sends requests on in clear.
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

    /// The certificate and key, if the server ends TLS itself.
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
    /// The origin under which a proxy in front serves this server, if the proxy changes `Host`.
    pub public_url: Option<Origin>,
    /// The other origins whose pages may use the API.
    pub cors_origins: Vec<Origin>,
    /// The limits of concurrency.
    pub bounds: Bounds,
    /// How long a client may take for the TLS handshake, and to send the head of a request. A connection on which the client asks for
    /// nothing ends after this time too.
    pub head_timeout: Duration,
    /// How long a client may take no byte of an answer before the server closes the connection, or resets the stream of HTTP/2.
    pub stall_timeout: Duration,
    /// How long answers may take to end once the server stops.
    pub drain: Duration,
    /// Lines of the server's log that were dropped, for `/metrics`.
    pub dropped_lines: Counter,
    /// How webhooks are delivered.
    pub webhooks: Settings,
    /// A link that signs one browser in, once.
    pub once: Option<OnceLink>,
}

impl Default for HttpOptions {
    fn default() -> HttpOptions {
        HttpOptions {
            transport: Transport::Clear,
            public_url: None,
            cors_origins: Vec::new(),
            bounds: Bounds::default(),
            head_timeout: Duration::from_secs(30),
            stall_timeout: Duration::from_secs(30),
            // Half the time that Docker gives a process to end.
            drain: Duration::from_secs(5),
            dropped_lines: Counter::default(),
            webhooks: Settings::default(),
            once: None,
        }
    }
}

impl HttpOptions {
    /// The origins under which browsers know the server.
    pub fn origins(&self) -> OwnOrigins {
        let behind_tls = matches!(self.transport, Transport::BehindTls);
        OwnOrigins::new(self.transport.scheme(), behind_tls, self.public_url.clone())
    }
}

/// Serves `site` on `listener` until `stopping` turns true. Then finishes the answers to requests that have arrived, within
/// [`HttpOptions::drain`], and returns. The caller brings the socket and the signal, so tests bind port 0.
pub async fn serve(listener: TcpListener, site: Site, options: HttpOptions, mut stopping: watch::Receiver<bool>) {
    // Every connection holds a sender. The receiver learns when the last one is dropped.
    let (open, mut all_closed) = mpsc::channel::<Infallible>(1);
    let cut_off = Arc::new(AtomicU64::new(0));
    let mut failing = false;
    loop {
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Mostly for lack of file descriptors. The pause lets connections end; the log gets one line, not one a try.
                    if !std::mem::replace(&mut failing, true) {
                        tracing::warn!(error = &error as &dyn std::error::Error, "cannot accept connections; trying again");
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
            _ = stopping.wait_for(|stopping| *stopping) => break,
        };
        failing = false;
        // The work that is ready comes before the next connection. Without this, an append would wait behind thousands of watchers that
        // connect at the same instant.
        tokio::task::yield_now().await;
        let (open, options, handle) = (open.clone(), options.clone(), ConnectionHandle::default());
        let (site, stopping, cut_off) = (site.clone(), stopping.clone(), cut_off.clone());
        let connection = Connection { peer, site, stopping, cut_off, handle: handle.clone(), open };
        tokio::spawn(async move {
            let served = pin!(connection.accept(stream, &options));
            if handle.unless_overdue(served).await.is_none() {
                tracing::debug!("a connection was closed: its answer's token has ended");
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

/// One connection. Its protocol serves it: `serve_http1` or `serve_http2`.
pub(super) struct Connection {
    pub peer: SocketAddr,
    pub site: Site,
    pub stopping: watch::Receiver<bool>,
    /// Counts connections that were closed before the client had taken its answer.
    pub cut_off: Arc<AtomicU64>,
    pub handle: ConnectionHandle,
    /// As long as a sender lives, the server does not end.
    pub open: mpsc::Sender<Infallible>,
}

impl Connection {
    async fn accept(self, stream: TcpStream, options: &HttpOptions) {
        // Answers are small and clients wait for them: send each at once instead of filling packets.
        let _ = stream.set_nodelay(true);
        // If the client stops reading, a write stays pending and times out.
        let mut stream = TimeoutStream::new(ClientSocket::new(stream, self.handle.clone()));
        stream.set_write_timeout(Some(options.stall_timeout));
        let stream = Box::pin(stream);
        match options.transport.tls() {
            None => self.serve_http1(stream, options).await,
            // On the heap, so that a connection in clear is not larger for it.
            Some(tls) => Box::pin(self.serve_tls(stream, tls, options)).await,
        }
    }

    async fn serve_tls(mut self, stream: Pin<Box<TimeoutStream<ClientSocket>>>, tls: &Tls, options: &HttpOptions) {
        let handshake = tokio::select! {
            handshake = timeout(options.head_timeout, tls.acceptor().accept(stream)) => handshake,
            _ = self.stopping.wait_for(|stopping| *stopping) => return,
        };
        let Ok(Ok(stream)) = handshake else { return };
        let (socket, session) = stream.get_ref();
        match session.alpn_protocol() {
            Some(HTTP2) => {
                socket.get_ref().bound_unsent();
                // On the heap, so that a connection of HTTP/1.1 is not larger for it.
                Box::pin(self.serve_http2(stream, options)).await;
            }
            _ => self.serve_http1(stream, options).await,
        }
    }
}

/// The result of `work`; `None` if `end` comes first.
pub(super) async fn unless<T>(end: impl Future, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        done = work => Some(done),
        _ = end => None,
    }
}
