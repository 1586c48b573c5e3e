//! A server with TLS, and a client of HTTP/2 for it that controls streams, windows and single frames.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, Method, Request};
use bytes::Bytes;
use h2::client::{Builder, ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use jobledger::http::{HttpOptions, Tls, Transport};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::certificates::certificate;
use super::client::Answer;
use super::server::TestServer;
use super::skipped;
use super::wait::PATIENCE;

/// The name of HTTP/2 in the TLS handshake.
pub const H2: &[u8] = b"h2";

/// A server that ends TLS itself.
pub struct TlsServer {
    pub server: TestServer,
    pub certificate: PathBuf,
    _dir: tempfile::TempDir,
}

/// Runs `test` with a server that has the options `http`, and TLS. A test that hangs fails.
pub fn with_tls(http: HttpOptions, test: impl AsyncFnOnce(TlsServer)) {
    let dir = tempfile::tempdir().unwrap();
    let Some((certificate, key)) = certificate(dir.path()) else { return skipped("openssl") };
    let transport = Transport::Tls(Tls::load(certificate.clone().into(), key.into()).unwrap());
    let server = TestServer::serving(HttpOptions { transport, ..http });
    let server = TlsServer { server, certificate: certificate.into(), _dir: dir };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        tokio::time::timeout(PATIENCE, test(server)).await.expect("the test ends");
    });
}

impl TlsServer {
    /// Opens a connection over TLS that offers these protocols.
    pub async fn connect(&self, protocols: &[&[u8]]) -> TlsStream<TcpStream> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&self.certificate).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        let tcp = TcpStream::connect(self.authority()).await.unwrap();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, tcp).await.unwrap()
    }

    /// Opens a connection of HTTP/2 for the holder of `token`.
    pub async fn http2(&self, token: &str) -> Http2 {
        self.http2_with(token, Builder::new().initial_connection_window_size(16 << 20)).await
    }

    /// The same, with the client's settings.
    pub async fn http2_with(&self, token: &str, settings: &Builder) -> Http2 {
        let (requests, connection) = settings.handshake(self.connect(&[H2]).await).await.unwrap();
        let (url, token) = (self.server.url.clone(), token.to_owned());
        Http2 { requests, url, token, connection: tokio::spawn(connection) }
    }

    /// Sends `bytes` over a new connection and nothing more. Returns the error code of the GOAWAY with which the server ends it.
    pub async fn goaway(&self, bytes: &[u8]) -> u8 {
        let mut stream = self.connect(&[H2]).await;
        stream.write_all(bytes).await.unwrap();
        error_of_goaway(&read_all(&mut stream).await)
    }

    /// Address and port.
    pub fn authority(&self) -> &str {
        self.server.url.strip_prefix("https://").unwrap()
    }
}

/// One connection of HTTP/2.
pub struct Http2 {
    requests: SendRequest<Bytes>,
    url: String,
    pub token: String,
    /// Ends when the connection has ended. It is an error if the server closed it while the client had something to send.
    pub connection: JoinHandle<Result<(), h2::Error>>,
}

impl Http2 {
    /// A request with the client's token.
    pub fn request(&self, method: Method, path: &str) -> axum::http::request::Builder {
        let request = Request::builder().method(method).uri(format!("{}{path}", self.url));
        request.header("authorization", format!("Bearer {}", self.token))
    }

    /// Opens a stream: sends the head of `request`, and with `ends` its end.
    pub fn open(&self, request: axum::http::request::Builder, ends: bool) -> (ResponseFuture, SendStream<Bytes>) {
        self.try_open(request, ends).unwrap()
    }

    /// The same on a connection that the server may have closed.
    pub fn try_open(
        &self,
        request: axum::http::request::Builder,
        ends: bool,
    ) -> Result<(ResponseFuture, SendStream<Bytes>), h2::Error> {
        self.requests.clone().send_request(request.body(()).unwrap(), ends)
    }

    /// Reads `path` over a connection that the server may have closed.
    pub async fn try_get(&self, path: &str) -> Result<Answer, h2::Error> {
        let (head, body) = self.try_open(self.request(Method::GET, path), true)?.0.await?.into_parts();
        let mut reading = Reading { status: head.status.as_u16(), headers: head.headers, body, text: Vec::new() };
        reading.rest().await?;
        Ok(Answer { status: reading.status, headers: reading.headers, body: reading.text })
    }

    /// Sends a request with `body`, and reads the answer.
    pub async fn send(&self, request: axum::http::request::Builder, body: impl Into<Bytes>) -> Answer {
        let body = body.into();
        let (answer, mut sending) = self.open(request, body.is_empty());
        if !body.is_empty() {
            sending.send_data(body, true).unwrap();
        }
        Reading::of(answer).await.answer().await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path), "").await
    }

    /// Appends one event or a batch.
    pub async fn append(&self, events: &serde_json::Value) -> Answer {
        let request = self.request(Method::POST, "/ledger/events").header("content-type", "application/json");
        self.send(request, events.to_string()).await
    }

    /// Asks for `path` as this media type, and reads the head of the answer alone.
    pub async fn begin(&self, path: &str, media_type: &str) -> Reading {
        let request = self.request(Method::GET, path).header("accept", media_type);
        Reading::of(self.open(request, true).0).await
    }

    /// Opens a stream of server-sent events.
    pub async fn tail(&self, path: &str) -> Reading {
        let reading = self.begin(path, "text/event-stream").await;
        assert_eq!(reading.status, 200, "{path}");
        reading
    }

    /// Waits until `/metrics` has this line.
    pub async fn until_metric(&self, line: &str) {
        while !self.get("/metrics").await.expect(200).text().lines().any(|found| found == line) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// An answer whose head has arrived. Its drop resets the stream.
pub struct Reading {
    pub status: u16,
    pub headers: HeaderMap,
    body: RecvStream,
    /// The part of the body that the test has read.
    pub text: Vec<u8>,
}

impl Reading {
    pub async fn of(answer: ResponseFuture) -> Reading {
        let (head, body) = answer.await.expect("an answer").into_parts();
        Reading { status: head.status.as_u16(), headers: head.headers, body, text: Vec::new() }
    }

    /// Reads more of the body, and gives the server room for as much again. `None` at the end.
    pub async fn more(&mut self) -> Option<Result<(), h2::Error>> {
        let chunk = match self.body.data().await? {
            Ok(chunk) => chunk,
            Err(error) => return Some(Err(error)),
        };
        self.text.extend_from_slice(&chunk);
        Some(self.body.flow_control().release_capacity(chunk.len()))
    }

    /// Reads until the body has `words`.
    pub async fn until(&mut self, words: &str) {
        while !String::from_utf8_lossy(&self.text).contains(words) {
            self.more().await.expect("a stream that goes on").unwrap();
        }
    }

    /// Waits until `bytes` of the body have arrived that the test has not read.
    pub async fn until_unread(&mut self, bytes: usize) {
        while self.body.flow_control().used_capacity() < bytes {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Reads to the end of the body, which the server may also reset.
    pub async fn rest(&mut self) -> Result<(), h2::Error> {
        while let Some(read) = self.more().await {
            read?;
        }
        Ok(())
    }

    /// Reads the whole answer.
    pub async fn answer(mut self) -> Answer {
        self.rest().await.unwrap();
        Answer { status: self.status, headers: self.headers, body: self.text }
    }
}

/// The first bytes of a client, and its settings: all as the server proposes.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";

/// One frame of HTTP/2.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// The frames in `bytes`: kind and payload of each.
pub fn frames(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    while let Some((head, rest)) = bytes.split_at_checked(9) {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let (payload, rest) = rest.split_at(length.min(rest.len()));
        frames.push((head[3], payload.to_vec()));
        bytes = rest;
    }
    frames
}

/// Reads until the server closes the connection.
pub async fn read_all(stream: &mut TlsStream<TcpStream>) -> Vec<u8> {
    let mut read = Vec::new();
    // Many servers close without a farewell of TLS, which rustls calls an error.
    let _ = stream.read_to_end(&mut read).await;
    read
}

/// The error code of the last GOAWAY in `bytes`; 0 is none.
#[track_caller]
pub fn error_of_goaway(bytes: &[u8]) -> u8 {
    let frames = frames(bytes);
    let goaway = frames.iter().rev().find(|(kind, _)| *kind == 7);
    goaway.unwrap_or_else(|| panic!("no GOAWAY: {frames:?}")).1[7]
}

/// A header as HPACK writes it without a table. Names and values have less than 127 bytes.
pub fn literal(name: &str, value: &str) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    [vec![0], text(name), text(value)].concat()
}
