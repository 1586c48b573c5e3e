//! Request bodies, bounded in size and time. A body over the limit is read to its end before it is refused: a client that still
//! writes would otherwise see a broken connection instead of the answer.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::header::{CONNECTION, EXPECT, HeaderValue};
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Frame, SizeHint};
use parking_lot::Mutex;
use serde::Deserialize;

use super::{Caller, Encoding};
use crate::http::answer::{Code, Error};
use crate::http::connection::ArrivingBody;
use crate::http::limits::{Limit, Permit};
use crate::json;

/// The largest body: 16 MiB.
pub const MAX_BODY: usize = 16 * 1024 * 1024;
/// Bytes beyond [`MAX_BODY`] that are read and dropped before the server gives the connection up.
const MAX_DRAIN: usize = 64 * 1024 * 1024;
/// Bytes of each body that the budget does not count, 64 KiB. Most bodies are smaller, and the server reads them even if the
/// budget is used up.
const FREE: usize = 64 << 10;
/// How long a body may take.
const TIME: Duration = Duration::from_secs(60);
/// How long the rest of a body may take that no handler has read.
const REST_TIME: Duration = Duration::from_secs(5);

/// A body, and its share of the budget for bodies, which the drop gives back.
pub struct ReceivedBody {
    /// All of the body.
    pub bytes: Bytes,
    _share: Option<Permit>,
}

/// A body that is too small to count.
impl From<Bytes> for ReceivedBody {
    fn from(bytes: Bytes) -> ReceivedBody {
        ReceivedBody { bytes, _share: None }
    }
}

/// A caller's share of the budget for bodies, while a body grows.
struct Share<'a> {
    budget: &'a Limit,
    caller: &'a Caller,
    /// Bytes of the body so far.
    size: usize,
    held: Option<Permit>,
}

impl<'a> Share<'a> {
    fn new(budget: &'a Limit, caller: &'a Caller) -> Share<'a> {
        Share { budget, caller, size: 0, held: None }
    }

    /// Takes room for `more` bytes; 503 if the budget has none.
    fn grow(&mut self, more: usize) -> Result<(), Error> {
        self.size += more;
        let counted = self.size.saturating_sub(FREE).min(more);
        if counted == 0 {
            return Ok(());
        }
        let hint = |full: Error| Error { detail: format!("{}, or send at most {FREE} bytes", full.detail), ..full };
        let more = self.budget.try_acquire(self.caller, counted as u32).map_err(hint)?;
        match &mut self.held {
            Some(held) => held.merge(more),
            None => self.held = Some(more),
        }
        Ok(())
    }
}

/// Reads the body that `caller` sends. Its memory comes from `budget`.
///
/// # Errors
///
/// 408 after 60 s, 413 over [`MAX_BODY`], 503 if the budget is used up, 400 if the body breaks off.
pub async fn read(budget: &Limit, caller: &Caller, body: Body) -> Result<ReceivedBody, Error> {
    match tokio::time::timeout(TIME, collect(budget, caller, body)).await {
        Ok(read) => read,
        Err(_) => Err(too_late()),
    }
}

/// Reads a body of at most `most` bytes, which is too small to count.
///
/// # Errors
///
/// 408 after 60 s, 413 over `most`, 400 if the body breaks off.
pub async fn read_small(body: Body, most: usize) -> Result<Bytes, Error> {
    match tokio::time::timeout(TIME, Limited::new(body, most).collect()).await {
        Ok(Ok(read)) => Ok(read.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Err(Error::new(Code::TOO_LARGE, format!("expected a body of at most {most} bytes")))
        }
        Ok(Err(_)) => Err(broken_off()),
        Err(_) => Err(too_late()),
    }
}

/// Reads a JSON object from a body.
///
/// # Errors
///
/// 400 for a body that is not JSON; 422 for a member of another type or name.
pub fn json_object<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Error> {
    let text = std::str::from_utf8(body).map_err(|_| Error::bad_request("expected JSON in UTF-8"))?;
    json::read("", text).map_err(|error| match error.cause.is_data() {
        true => Error::invalid(error.pointer.clone(), error.detail()),
        false => Error::bad_request(format!("expected a JSON object: {}", error.detail())),
    })
}

fn broken_off() -> Error {
    Error::bad_request("the body ended before it was complete")
}

fn too_late() -> Error {
    Error::new(Code::BODY_TIMEOUT, format!("expected the whole body within {} s", TIME.as_secs()))
}

async fn collect(budget: &Limit, caller: &Caller, mut body: Body) -> Result<ReceivedBody, Error> {
    let (mut collected, mut share) = (BytesMut::new(), Share::new(budget, caller));
    let mut read = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| broken_off())?;
        let Ok(data) = frame.into_data() else { continue };
        read += data.len();
        if read <= MAX_BODY {
            // Room is taken for bytes that have arrived: a client that only announces a large body holds none.
            share.grow(data.len())?;
            collected.extend_from_slice(&data);
        } else if read > MAX_BODY + MAX_DRAIN {
            break;
        }
    }
    match read <= MAX_BODY {
        true => Ok(ReceivedBody { bytes: collected.freeze(), _share: share.held }),
        false => Err(too_large()),
    }
}

fn too_large() -> Error {
    let detail = format!("expected a body of at most {MAX_BODY} bytes, decoded; send the events in more requests");
    Error::new(Code::TOO_LARGE, detail)
}

/// The decoded `body`. Memory for the decoded bytes comes from `budget` too. May take long.
///
/// # Errors
///
/// 400 for a body that does not decode, 413 over [`MAX_BODY`] decoded bytes, 503 if the budget is used up.
pub fn decoded(budget: &Limit, caller: &Caller, body: ReceivedBody, encoding: Encoding) -> Result<ReceivedBody, Error> {
    let mut share = Share::new(budget, caller);
    let bytes = encoding.decode(&body.bytes, |more| {
        if share.size + more > MAX_BODY {
            return Err(too_large());
        }
        share.grow(more)
    })?;
    Ok(ReceivedBody { bytes, _share: share.held })
}

/// Middleware: reads and drops the rest of a body that no handler has read, before the answer goes out. Otherwise the
/// connection would break under the client's next request, or under this one while the client still writes. If that would take
/// too long, or the client waits for `100 Continue`, the answer announces that the connection ends. Over HTTP/2 hyper leaves this
/// announcement out, and resets the stream after the answer; no other stream needs the end of this body.
pub fn read_the_rest<F: Future<Output = Response>>(
    request: Request<ArrivingBody>,
    next: impl FnOnce(Request) -> F,
) -> impl Future<Output = Response> {
    let asks_first = request.headers().contains_key(EXPECT);
    let (parts, body) = request.into_parts();
    let lent = (!body.is_end_stream()).then(|| LentBody(Arc::new(Mutex::new(Some(body)))));
    let body = lent.clone().map_or_else(Body::empty, Body::new);
    next(Request::from_parts(parts, body)).then(move |mut response| async move {
        let ended = match lent.and_then(|lent| lent.take()) {
            None => true,
            Some(_) if asks_first => false,
            Some(rest) => tokio::time::timeout(REST_TIME, discard(rest)).await.unwrap_or(false),
        };
        if !ended {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    })
}

/// Reads and drops at most [`MAX_BODY`] bytes. Answers whether the body ended within them.
async fn discard(mut body: ArrivingBody) -> bool {
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

/// A body that a handler reads and the middleware gets back. `None` once it has been read to its end.
#[derive(Clone)]
struct LentBody(Arc<Mutex<Option<ArrivingBody>>>);

impl LentBody {
    fn take(&self) -> Option<ArrivingBody> {
        let body = self.0.lock().take();
        body.filter(|body| !body.is_end_stream())
    }
}

impl HttpBody for LentBody {
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
