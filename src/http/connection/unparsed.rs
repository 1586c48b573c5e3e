//! Requests that hyper cannot parse. It answers them by itself, without a body and before any service sees them; here its
//! answer is given the body that the errors of the path have.
//!
//! hyper has no hook for that answer, so it is exchanged on its way to the socket. That it is hyper's own follows from when it
//! is written, not from how it looks, because an answer of a route may carry the same bytes.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::http::StatusCode;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use crate::http::answer::{Error, ErrorStyle};
use crate::http::observe;

/// How much of a request is kept to find its path in.
const KEPT: usize = 2048;
/// A client that still sends would lose the answer if the connection closed at once: so much longer, and so many bytes more
/// are read and thrown away.
const LINGER: Duration = Duration::from_secs(2);
const MAX_LINGER: usize = 16 << 20;

/// Which requests of one connection have reached the service, and which of these are answered whole.
#[derive(Clone, Default)]
pub struct Turns(Arc<Counts>);

#[derive(Default)]
struct Counts {
    begun: AtomicU64,
    ended: AtomicU64,
}

impl Turns {
    /// A request has reached the service.
    pub fn begin(&self) -> Turn {
        self.0.begun.fetch_add(1, Ordering::Relaxed);
        Turn(self.clone())
    }

    fn begun(&self) -> u64 {
        self.0.begun.load(Ordering::Relaxed)
    }

    fn all_ended(&self) -> bool {
        self.0.ended.load(Ordering::Relaxed) == self.begun()
    }
}

/// One request that is being answered.
pub struct Turn(Turns);

impl Turn {
    /// The answer's body; with it the turn ends.
    pub fn until(self, body: Body) -> Answered {
        Answered { body, _turn: self }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.0.ended.fetch_add(1, Ordering::Relaxed);
    }
}

/// The body of an answer. hyper drops it when all of it is on its way.
pub struct Answered {
    body: Body,
    _turn: Turn,
}

impl HttpBody for Answered {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A connection on which hyper's own answers get a body.
pub struct Unparsed<S> {
    stream: S,
    styles: Arc<[ErrorStyle]>,
    turns: Turns,
    /// The beginning of the newest request.
    request: Vec<u8>,
    state: State,
}

enum State {
    /// What was written belongs to a request that reached the service, or is not flushed yet.
    Answering,
    /// Everything is written and flushed, and nothing has reached the service since it had `begun` so many requests. What
    /// is read now begins a request.
    Idle { begun: u64 },
    /// hyper has written an answer of its own, so it will close the connection.
    Own { answer: Own, linger: Option<Linger> },
}

#[derive(Default)]
struct Own {
    /// As hyper has written it so far.
    written: Vec<u8>,
    /// What is sent instead, and how much of it was sent; `None` until hyper has written all.
    sent: Option<(Vec<u8>, usize)>,
}

struct Linger {
    left: usize,
    until: Pin<Box<Sleep>>,
}

impl<S> Unparsed<S> {
    /// `styles` say what errors look like under which path; `turns` are told of every request that reaches the service.
    pub fn new(stream: S, styles: Arc<[ErrorStyle]>, turns: Turns) -> Unparsed<S> {
        Unparsed { stream, styles, turns, request: Vec::new(), state: State::Idle { begun: 0 } }
    }

    /// Takes the bytes if they are of an answer of hyper's own.
    fn take(&mut self, bytes: &[u8]) -> bool {
        if let State::Idle { begun } = self.state {
            self.state = if self.turns.begun() == begun {
                State::Own { answer: Own::default(), linger: None }
            } else {
                State::Answering
            };
        }
        let State::Own { answer, .. } = &mut self.state else { return false };
        answer.written.extend_from_slice(bytes);
        if answer.written.ends_with(b"\r\n\r\n") {
            answer.sent = Some((with_body(&answer.written, &self.request, &self.styles), 0));
        }
        true
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Unparsed<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        if let State::Idle { .. } = self.state {
            let (read, room) = (&buf.filled()[before..], KEPT - self.request.len());
            self.request.extend_from_slice(&read[..read.len().min(room)]);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Unparsed<S> {
    /// Writes what is sent instead of hyper's own answer.
    fn poll_own(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let State::Own { answer: Own { sent: Some((bytes, sent)), .. }, .. } = &mut self.state else {
            return Poll::Ready(Ok(()));
        };
        while *sent < bytes.len() {
            match ready!(Pin::new(&mut self.stream).poll_write(cx, &bytes[*sent..]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => *sent += written,
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Reads on until the client has heard the answer and closes, or it takes too long.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let State::Own { linger, .. } = &mut self.state else { return Poll::Ready(()) };
        let linger =
            linger.get_or_insert_with(|| Linger { left: MAX_LINGER, until: Box::pin(tokio::time::sleep(LINGER)) });
        let mut thrown_away = [0; 8192];
        while linger.left > 0 && linger.until.as_mut().poll(cx).is_pending() {
            let mut read = ReadBuf::new(&mut thrown_away);
            match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut read)) {
                Ok(()) if !read.filled().is_empty() => linger.left = linger.left.saturating_sub(read.filled().len()),
                _ => break,
            }
        }
        Poll::Ready(())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Unparsed<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.take(bytes) {
            return Poll::Ready(Ok(bytes.len()));
        }
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // Once the first part is of an answer of hyper's own, all are.
        let taken = parts.iter().take_while(|part| self.take(part)).map(|part| part.len()).sum();
        if taken > 0 {
            return Poll::Ready(Ok(taken));
        }
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// hyper flushes when it has written everything that it has.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_own(cx))?;
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        if matches!(self.state, State::Answering) && self.turns.all_ended() {
            self.state = State::Idle { begun: self.turns.begun() };
            self.request.clear();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !matches!(self.state, State::Own { linger: Some(_), .. }) {
            ready!(self.poll_own(cx))?;
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
        }
        ready!(self.poll_linger(cx));
        Poll::Ready(Ok(()))
    }
}

/// hyper's answer `written`, with the body that the path of `request` asks for.
fn with_body(written: &[u8], request: &[u8], styles: &[ErrorStyle]) -> Vec<u8> {
    let Some((status, head)) = own_answer(written) else { return written.to_vec() };
    let path = path(request);
    tracing::info!(status = status.as_u16(), "a request that cannot be parsed was refused");
    if request.starts_with(b"HEAD ") {
        return written.to_vec();
    }
    let style = ErrorStyle::of(styles, path);
    let body = (style.body)(&error(status), path);
    let id = observe::fresh();
    let more = format!(
        "content-type: {}\r\ncontent-length: {}\r\ncache-control: no-store\r\nconnection: close\r\n{}: {}\r\n\r\n",
        style.content_type,
        body.len(),
        observe::REQUEST_ID,
        id.to_str().unwrap_or("")
    );
    [head.as_bytes(), more.as_bytes(), &body].concat()
}

/// The status of an error without a body, and its head without the headers that are set here and the empty line.
fn own_answer(written: &[u8]) -> Option<(StatusCode, String)> {
    let text = std::str::from_utf8(written).ok()?;
    let status = StatusCode::from_bytes(text.strip_prefix("HTTP/1.1 ")?.get(..3)?.as_bytes()).ok()?;
    let mut lines: Vec<&str> = text.trim_end().split("\r\n").collect();
    let all = lines.len();
    lines.retain(|line| *line != "content-length: 0");
    if !status.is_client_error() || lines.len() == all {
        return None;
    }
    lines.retain(|line| *line != "connection: close");
    Some((status, lines.join("\r\n") + "\r\n"))
}

fn error(status: StatusCode) -> Error {
    match status {
        StatusCode::URI_TOO_LONG => {
            Error::new(status, "uri-too-long", "expected a path and a query of at most 65534 bytes together")
        }
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
            Error::new(status, "headers-too-large", "expected at most 100 headers, of at most 400 KiB together")
        }
        _ => {
            let detail = "expected an HTTP/1.1 request; the first line, or a header, is not written as one";
            Error::new(status, "bad-request", detail)
        }
    }
}

/// The path in the first line of a request; empty where there is none.
fn path(request: &[u8]) -> &str {
    let mut words = request.split(|byte| *byte == b' ');
    let method = words.next().unwrap_or(b"");
    let target = words.next().unwrap_or(b"");
    let end = target.iter().position(|byte| *byte == b'?' || !byte.is_ascii_graphic()).unwrap_or(target.len());
    let is_path = method.iter().all(u8::is_ascii_uppercase) && target.starts_with(b"/");
    std::str::from_utf8(&target[..end]).ok().filter(|_| is_path).unwrap_or("")
}
