//! Gives a body to the answers that hyper itself writes to requests that it cannot parse.
//!
//! hyper answers these without a body, and no service sees them. hyper has no hook for them either, so this stream around the
//! socket replaces the bytes on their way out. It recognises hyper's own answer by the time of the write, not by its bytes: an
//! answer of a route may have the same bytes.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::exchanges::Exchanges;
use super::hyper_answer::with_body;
use crate::http::answer::ErrorStyle;

/// Bytes of a request that are kept, to find its path in them.
const KEPT: usize = 2048;
/// A client that still sends would lose the answer if the connection closed at once. So the server goes on reading for this
/// long, at most this many bytes, and drops what it reads.
const LINGER: Duration = Duration::from_secs(2);
const MAX_LINGER: usize = 16 << 20;

/// A connection on which hyper's own answers get a body.
pub struct ErrorBodies<S> {
    stream: S,
    styles: Arc<[ErrorStyle]>,
    exchanges: Exchanges,
    /// The first bytes of the newest request.
    request: Vec<u8>,
    state: State,
}

enum State {
    /// hyper writes the answer of a request that reached the service, or has not flushed it yet.
    Answering,
    /// Everything is written and flushed, and since then the service got no request beyond the first `begun`. The next bytes
    /// that are read begin a request.
    Idle { begun: u64 },
    /// hyper has written an answer of its own. It will close the connection.
    HyperAnswer { answer: HyperAnswer, linger: Option<Linger> },
}

#[derive(Default)]
struct HyperAnswer {
    /// What hyper has written so far.
    written: Vec<u8>,
    /// What replaces it, once hyper has written all.
    replacement: Option<Replacement>,
}

struct Replacement {
    bytes: Vec<u8>,
    sent: usize,
}

struct Linger {
    /// Bytes that may still be read.
    left: usize,
    until: Pin<Box<Sleep>>,
}

impl<S> ErrorBodies<S> {
    /// `styles` are the forms of errors by path; `exchanges` counts the requests that reach the service of this connection.
    pub fn new(stream: S, styles: Arc<[ErrorStyle]>, exchanges: Exchanges) -> ErrorBodies<S> {
        ErrorBodies { stream, styles, exchanges, request: Vec::new(), state: State::Idle { begun: 0 } }
    }

    /// Takes bytes that hyper writes, if they belong to an answer of its own.
    fn take(&mut self, bytes: &[u8]) -> bool {
        if let State::Idle { begun } = self.state {
            self.state = if self.exchanges.begun() == begun {
                State::HyperAnswer { answer: HyperAnswer::default(), linger: None }
            } else {
                State::Answering
            };
        }
        let State::HyperAnswer { answer, .. } = &mut self.state else { return false };
        answer.written.extend_from_slice(bytes);
        if answer.written.ends_with(b"\r\n\r\n") {
            let bytes = with_body(&answer.written, &self.request, &self.styles);
            answer.replacement = Some(Replacement { bytes, sent: 0 });
        }
        true
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ErrorBodies<S> {
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

impl<S: AsyncRead + AsyncWrite + Unpin> ErrorBodies<S> {
    /// Writes the replacement of hyper's own answer.
    fn poll_replacement(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let State::HyperAnswer { answer, .. } = &mut self.state else { return Poll::Ready(Ok(())) };
        let Some(Replacement { bytes, sent }) = &mut answer.replacement else { return Poll::Ready(Ok(())) };
        while *sent < bytes.len() {
            match ready!(Pin::new(&mut self.stream).poll_write(cx, &bytes[*sent..]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => *sent += written,
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Reads on until the client closes the connection, or reaches [`LINGER`] or [`MAX_LINGER`].
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let State::HyperAnswer { linger, .. } = &mut self.state else { return Poll::Ready(()) };
        let linger =
            linger.get_or_insert_with(|| Linger { left: MAX_LINGER, until: Box::pin(tokio::time::sleep(LINGER)) });
        let mut dropped = [0; 8192];
        while linger.left > 0 && linger.until.as_mut().poll(cx).is_pending() {
            let mut read = ReadBuf::new(&mut dropped);
            match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut read)) {
                Ok(()) if !read.filled().is_empty() => linger.left = linger.left.saturating_sub(read.filled().len()),
                _ => break,
            }
        }
        Poll::Ready(())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for ErrorBodies<S> {
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
        // If the first part belongs to an answer of hyper's own, all of them do.
        let taken = parts.iter().take_while(|part| self.take(part)).map(|part| part.len()).sum();
        if taken > 0 {
            return Poll::Ready(Ok(taken));
        }
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// hyper flushes once it has written everything that it has.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_replacement(cx))?;
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        if matches!(self.state, State::Answering) && self.exchanges.all_ended() {
            self.state = State::Idle { begun: self.exchanges.begun() };
            self.request.clear();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !matches!(self.state, State::HyperAnswer { linger: Some(_), .. }) {
            ready!(self.poll_replacement(cx))?;
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
        }
        ready!(self.poll_linger(cx));
        Poll::Ready(Ok(()))
    }
}
