//! HTTP/1.1 on one connection, over TLS or in clear: one request after the other.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::atomic::Ordering;

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::arriving::Arrival;
use super::error_bodies::ErrorBodies;
use super::exchanges::Exchanges;
use super::head_timer::HeadTimer;
use super::serve::{Connection, HttpOptions, unless};

/// The longest head of a request, and how much of an answer hyper buffers before the client takes some: 128 KiB.
const BUFFER: usize = 128 << 10;

impl Connection {
    /// Answers the requests on `stream` until the client or the server ends the connection.
    pub async fn serve_http1(mut self, stream: impl AsyncRead + AsyncWrite + Unpin, options: &HttpOptions) {
        let (arrival, exchanges) = (Arrival::default(), Exchanges::default());
        let service = service_fn(|mut request: Request<Incoming>| {
            let exchange = exchanges.begin();
            request.extensions_mut().insert(self.handle.clone());
            let answer = self.site.clone().answer(request.map(|body| arrival.body(body)), self.peer);
            // On the heap: hyper keeps room for this future as long as the connection lives.
            Box::pin(async move { Ok::<_, Infallible>(answer.await.map(|body| exchange.until_dropped(body))) })
        });
        let stream = TokioIo::new(ErrorBodies::new(stream, self.site.styles(), exchanges.clone()));
        let mut server = Builder::new();
        server.timer(HeadTimer::default()).header_read_timeout(options.head_timeout).max_buf_size(BUFFER);
        let mut served = pin!(server.serve_connection(stream, service));
        let stopped = self.stopping.wait_for(|stopping| *stopping);
        let mut ended = unless(stopped, served.as_mut()).await;
        if ended.is_none() {
            ended = unless(arrival.rest(), served.as_mut()).await;
        }
        if ended.is_none() && arrival.is_whole() {
            served.as_mut().graceful_shutdown();
            ended = timeout(options.drain, served).await.ok();
            self.cut_off.fetch_add(u64::from(ended.is_none()), Ordering::Relaxed);
        }
        // A connection without a whole request has nothing to answer: the drop closes it.
        if let Some(Err(error)) = ended {
            tracing::debug!(error = &error as &dyn std::error::Error, "a connection ended early");
        }
    }
}
