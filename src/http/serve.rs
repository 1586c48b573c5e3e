//! The server: connections in, over TLS or not, until it is told to stop; then every stream is ended and every answer given.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;

use super::limits::Bounds;
use super::site::Site;
use super::unparsed::{Turns, Unparsed};

/// How long a client may take to send its headers, or to greet over TLS.
const GREETING: Duration = Duration::from_secs(30);
/// How long answers may take to end once the server stops.
const LAST_ANSWERS: Duration = Duration::from_secs(10);

/// What keeps a server from starting.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Certificate or key cannot be used.
    #[error("cannot use the TLS certificate or key `{}`: {why}", .path.display())]
    Tls {
        /// Which file.
        path: PathBuf,
        /// Why.
        why: String,
    },
}

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
}

/// A certificate chain and its key, both PEM.
#[derive(Clone)]
pub struct Tls(TlsAcceptor);

impl Tls {
    /// Reads them.
    pub fn load(certificates: PathBuf, key: PathBuf) -> Result<Tls, ServeError> {
        use rustls::pki_types::pem::PemObject;
        use rustls::pki_types::{CertificateDer, PrivateKeyDer};
        let wrong = |path: &PathBuf, why: String| ServeError::Tls { path: path.clone(), why };
        let chain = CertificateDer::pem_file_iter(&certificates)
            .and_then(Iterator::collect)
            .map_err(|error| wrong(&certificates, error.to_string()))?;
        let secret = PrivateKeyDer::from_pem_file(&key).map_err(|error| wrong(&key, error.to_string()))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, secret))
            .map_err(|error| wrong(&key, error.to_string()))?;
        Ok(Tls(TlsAcceptor::from(Arc::new(config))))
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
}

impl Default for HttpOptions {
    fn default() -> HttpOptions {
        HttpOptions { transport: Transport::Clear, bounds: Bounds::default(), stall_timeout: Duration::from_secs(30) }
    }
}

/// Serves `site` on `listener` until `stopping` turns true, then answers what was asked and returns. The caller brings the
/// socket and the signal, so tests bind port 0.
pub async fn serve(listener: TcpListener, site: Site, options: HttpOptions, mut stopping: watch::Receiver<bool>) {
    let connections = GracefulShutdown::new();
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of file descriptors, mostly: give connections time to end instead of spinning.
                    tracing::warn!(error = &error as &dyn std::error::Error, "a connection was not accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
            _ = stopping.wait_for(|stopping| *stopping) => break,
        };
        let watcher = connections.watcher();
        tokio::spawn(connection(stream, site.clone(), options.clone(), watcher));
    }
    drop(listener);
    if tokio::time::timeout(LAST_ANSWERS, connections.shutdown()).await.is_err() {
        tracing::warn!("some clients did not take their answers in time");
    }
}

async fn connection(
    stream: TcpStream,
    site: Site,
    options: HttpOptions,
    watcher: hyper_util::server::graceful::Watcher,
) {
    // Answers are small and awaited: sending each at once matters more than filling packets.
    let _ = stream.set_nodelay(true);
    // A client that stops reading takes nothing, so its writes stay pending.
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(options.stall_timeout));
    let stream = Box::pin(stream);
    let mut server = hyper::server::conn::http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(GREETING);
    let (turns, styles) = (Turns::default(), site.styles());
    let begun = turns.clone();
    let service = service_fn(move |request| {
        let turn = begun.begin();
        let answer = site.clone().answer(request);
        async { Ok::<_, Infallible>(answer.await.map(|body| turn.until(body))) }
    });
    let served = match options.transport {
        Transport::Clear | Transport::BehindTls => {
            let stream = TokioIo::new(Unparsed::new(stream, styles, turns));
            watcher.watch(server.serve_connection(stream, service)).await
        }
        Transport::Tls(Tls(acceptor)) => match tokio::time::timeout(GREETING, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => {
                let stream = TokioIo::new(Unparsed::new(stream, styles, turns));
                watcher.watch(server.serve_connection(stream, service)).await
            }
            _ => return,
        },
    };
    if let Err(error) = served {
        tracing::debug!(error = &error as &dyn std::error::Error, "a connection ended early");
    }
}
