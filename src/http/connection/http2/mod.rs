//! HTTP/2 on one connection: many requests at once, each in a stream of its own. A client chooses HTTP/2 in the TLS handshake
//! (ALPN); in clear the server speaks HTTP/1.1 alone.
//!
//! Not here: HTTP/1.1 (`http1`), which has helpers that HTTP/2 does not need. `ErrorBodies` and `Exchanges` give a body to the
//! answers that hyper writes itself: HTTP/2 answers a malformed request with a reset of its stream, which has no body.
//! `max_buf_size` bounds what hyper buffers of one answer: HTTP/2 has [`SEND_BUFFER`] for it.

mod abandoned;
mod origin_form;
mod pieces;
mod streams;

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::Ordering;

use axum::response::Response;
use h2::Reason;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http2::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::sleep;

use self::abandoned::{Abandoned, Unanswered};
use self::origin_form::in_origin_form;
use self::pieces::Pieces;
use self::streams::{Stream, Streams};
use super::arriving::{Arrival, REST_TIMEOUT};
use super::serve::{Connection, HttpOptions, unless};
use crate::http::request::MAX_HEADERS;
use crate::http::site::Site;

/// Streams that a client may have open at once on one connection. A client with more requests waits for the end of one.
const MAX_STREAMS: u32 = 100;
/// Bytes of headers beyond which h2 answers 431 itself, without a body, and reads no more of them. Between [`MAX_HEADERS`] and this
/// the answer has a body, so it must be more.
const HEADERS_READ: u32 = 2 * MAX_HEADERS as u32;
/// Bytes of one request body that the client may send before the server has read some: 256 KiB.
const STREAM_WINDOW: u32 = 256 << 10;
/// The same for all request bodies of a connection together: 1 MiB.
const CONNECTION_WINDOW: u32 = 1 << 20;
/// Bytes of one answer that wait for the socket: 32 KiB. One piece more may wait for the client.
const SEND_BUFFER: usize = 32 << 10;
/// Streams that a client may open and reset before the server has begun to answer them. One more ends the connection.
const MAX_RESET_EARLY: usize = 20;
/// Streams of one connection that the server may have to reset because the client breaks the rules of HTTP/2. One more ends the
/// connection.
const MAX_RESET_FOR_ERRORS: usize = 100;

impl Connection {
    /// Answers the requests on `stream` until the client ends the connection, asks for nothing for a while, or the server stops.
    ///
    /// At its end the server sends GOAWAY: requests that have arrived are answered, and the client opens a new connection for others.
    pub async fn serve_http2(self, stream: impl AsyncRead + AsyncWrite + Unpin, options: &HttpOptions) {
        let Connection { peer, site, mut stopping, cut_off, handle: _, open } = self;
        let (streams, abandoned) = (Streams::new(options.stall_timeout, open), Abandoned::new(options.head_timeout));
        let service = service_fn({
            let (stopping, abandoned) = (stopping.clone(), abandoned.clone());
            move |request| answer(site.clone(), peer, stopping.clone(), abandoned.unanswered(), request)
        });
        let mut served = pin!(builder(options, streams.clone()).serve_connection(TokioIo::new(stream), service));
        let until_end = async {
            let last_call = async {
                tokio::select! {
                    _ = stopping.wait_for(|stopping| *stopping) => {}
                    () = streams.none_for(options.head_timeout) => {}
                }
            };
            let mut ended = unless(last_call, served.as_mut()).await;
            if ended.is_none() {
                served.as_mut().graceful_shutdown();
                ended = unless(out_of_time(&mut stopping, &streams, options), served).await;
                cut_off.fetch_add(u64::from(ended.is_none() && streams.are_open()), Ordering::Relaxed);
            }
            if let Some(Err(error)) = ended {
                tracing::debug!(error = &error as &dyn std::error::Error, "a connection ended early");
            }
        };
        tokio::select! {
            () = until_end => {}
            () = abandoned.too_many() => tracing::debug!("a connection was closed: its client abandons its requests"),
        }
    }
}

fn builder(options: &HttpOptions, streams: Streams) -> Builder<Streams> {
    let mut builder = Builder::new(streams);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(HEADERS_READ)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .max_pending_accept_reset_streams(MAX_RESET_EARLY)
        .max_local_error_reset_streams(MAX_RESET_FOR_ERRORS)
        // A PING finds a client that is gone, although the server has nothing to send to it.
        .keep_alive_interval(options.head_timeout)
        .keep_alive_timeout(options.stall_timeout);
    builder
}

/// Answers a request. This is the first part of the stream's task; the second part sends the body.
///
/// # Errors
///
/// `REFUSED_STREAM` if the server stops before the request has arrived whole: nothing of it was done, and the client may send it
/// again elsewhere.
async fn answer(
    site: Site,
    peer: SocketAddr,
    mut stopping: watch::Receiver<bool>,
    unanswered: Unanswered,
    request: Request<Incoming>,
) -> Result<Response<Pieces>, h2::Error> {
    let (stream, arrival) = (Stream::current(), Arrival::default());
    let mut request = in_origin_form(request.map(|body| arrival.stream_body(body)));
    // Each stream has a handle of its own, so that an answer whose lease ends takes no other answer with it.
    request.extensions_mut().insert(stream.handle().clone());
    let answered = tokio::select! {
        biased;
        answer = site.answer(request, peer) => Ok(answer.map(|body| Pieces::new(body, stream))),
        () = never_whole(&mut stopping, &arrival) => Err(Reason::REFUSED_STREAM.into()),
    };
    unanswered.answered();
    answered
}

/// Waits until the server stops, and then for the rest of the request. Ends only if that rest does not arrive in time.
async fn never_whole(stopping: &mut watch::Receiver<bool>, arrival: &Arrival) {
    let _ = stopping.wait_for(|stopping| *stopping).await;
    arrival.rest().await;
    if arrival.is_whole() {
        std::future::pending().await
    }
}

/// Waits until a connection that was told to end has had its time. A server that stops gives its answers [`HttpOptions::drain`]; a
/// client without a request has [`REST_TIMEOUT`] for one that is on its way. A client that has its answers, and does not close the
/// connection, is cut off after [`HttpOptions::stall_timeout`].
async fn out_of_time(stopping: &mut watch::Receiver<bool>, streams: &Streams, options: &HttpOptions) {
    let drained = async {
        let _ = stopping.wait_for(|stopping| *stopping).await;
        sleep(REST_TIMEOUT).await;
        if streams.have_begun() {
            sleep(options.drain).await;
        }
    };
    tokio::select! {
        () = drained => {}
        () = streams.none_for(options.stall_timeout) => {}
    }
}
