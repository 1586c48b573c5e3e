//! Request bodies: bounded in size and time. One that is too large is drained before it is refused, because a client that
//! still writes would otherwise see a broken connection instead of the answer.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use crate::http::answer::Error;
use crate::http::connection::Arriving;
use crate::http::limits::{Held, Limit};
use crate::http::request::Caller;
use crate::http::request::Encoding;
use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::{CONNECTION, EXPECT, HeaderValue};
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Frame, SizeHint};
use parking_lot::Mutex;

/// The largest body: 16 MiB.
pub const MAX_BODY: usize = 16 * 1024 * 1024;
/// How much more is read and thrown away before the connection is given up.
const MAX_DRAIN: usize = 64 * 1024 * 1024;
/// So much of each body counts for nothing, 64 KiB: most are smaller, and are read whatever others send.
const FREE: usize = 64 << 10;
/// How long a body may take.
const TIME: Duration = Duration::from_secs(60);

/// How long a body that nobody wants may take.
const REST_TIME: Duration = Duration::from_secs(5);

/// A body that was read. Its share of what bodies may take of memory is given back when it is dropped.
pub struct Read {
    /// All of it.
    pub bytes: Bytes,
    _share: Option<Held>,
}

/// Reads the body of at most [`MAX_BODY`] bytes that `caller` sends; memory for it is taken from `budget`.
pub async fn read(budget: &Limit, caller: &Caller, body: Body) -> Result<Read, Error> {
    match tokio::time::timeout(TIME, collect(budget, caller, body)).await {
        Ok(read) => read,
        Err(_) => {
            let detail = format!("expected the whole body within {} s", TIME.as_secs());
            Err(Error::new(StatusCode::REQUEST_TIMEOUT, "body-timeout", detail))
        }
    }
}

async fn collect(budget: &Limit, caller: &Caller, mut body: Body) -> Result<Read, Error> {
    let (mut collected, mut share) = (BytesMut::new(), None);
    let mut read = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Error::bad_request("the body ended before it was complete"))?;
        let Ok(data) = frame.into_data() else { continue };
        read += data.len();
        if read <= MAX_BODY {
            // Taken as it comes, so that a client that only says how much it will send holds nothing.
            take(budget, caller, read.saturating_sub(FREE).min(data.len()), &mut share)?;
            collected.extend_from_slice(&data);
        } else if read > MAX_BODY + MAX_DRAIN {
            break;
        }
    }
    if read <= MAX_BODY { Ok(Read { bytes: collected.freeze(), _share: share }) } else { Err(too_large()) }
}

fn too_large() -> Error {
    let detail = format!("expected a body of at most {MAX_BODY} bytes, decoded; send the events in more requests");
    Error::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", detail)
}

/// The body as it was before it was encoded, of at most [`MAX_BODY`] bytes, for which memory is taken from `budget` too. May take
/// long.
pub fn decoded(budget: &Limit, caller: &Caller, body: Read, encoding: Encoding) -> Result<Read, Error> {
    let (mut size, mut share) = (0, None);
    let bytes = encoding.decode(&body.bytes, |more| {
        size += more;
        if size > MAX_BODY {
            return Err(too_large());
        }
        take(budget, caller, size.saturating_sub(FREE).min(more), &mut share)
    })?;
    Ok(Read { bytes, _share: share })
}

fn take(budget: &Limit, caller: &Caller, bytes: usize, share: &mut Option<Held>) -> Result<(), Error> {
    if bytes == 0 {
        return Ok(());
    }
    let hint = |full: Error| Error { detail: format!("{}, or send at most {FREE} bytes", full.detail), ..full };
    let more = budget.take(caller, bytes as u32).map_err(hint)?;
    match share {
        Some(share) => share.merge(more),
        None => *share = Some(more),
    }
    Ok(())
}

/// Middleware. A body that nobody read is read to its end and thrown away before the answer goes out; otherwise the
/// connection would break under the client's next request, or under this one while it still writes. Where that would take
/// too long, or the client waits to be asked for the body, the answer says that the connection ends.
pub fn read_the_rest<F: Future<Output = Response>>(
    request: Request<Arriving>,
    next: impl FnOnce(Request) -> F,
) -> impl Future<Output = Response> {
    let asks_first = request.headers().contains_key(EXPECT);
    let (parts, body) = request.into_parts();
    let lent = (!body.is_end_stream()).then(|| Lent(Arc::new(Mutex::new(Some(body)))));
    let body = lent.clone().map_or_else(Body::empty, Body::new);
    let answer = next(Request::from_parts(parts, body));
    async move {
        let mut response = answer.await;
        let ended = match lent.and_then(|lent| lent.take()) {
            None => true,
            Some(_) if asks_first => false,
            Some(rest) => tokio::time::timeout(REST_TIME, discard(rest)).await.unwrap_or(false),
        };
        if !ended {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// Throws at most [`MAX_BODY`] bytes away; whether that was all.
async fn discard(mut body: Arriving) -> bool {
    let mut read = 0;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return false };
        read += frame.data_ref().map_or(0, Bytes::len);
        if read > MAX_BODY {
            return false;
        }
    }
    true
}

/// A body that comes back when the handler drops it; `None` once it has been read to its end.
#[derive(Clone)]
struct Lent(Arc<Mutex<Option<Arriving>>>);

impl Lent {
    fn take(&self) -> Option<Arriving> {
        let body = self.0.lock().take();
        body.filter(|body| !body.is_end_stream())
    }
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let mut lent = self.0.lock();
        let Some(body) = lent.as_mut() else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(body).poll_frame(cx));
        if frame.is_none() {
            *lent = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.0.lock().as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let lent = self.0.lock();
        lent.as_ref().map_or(SizeHint::with_exact(0), HttpBody::size_hint)
    }
}
