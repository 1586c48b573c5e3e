//! The connection under a request, as far as a long answer changes it: the connection closes where the answer's lease ends and
//! the client does not take the rest, and a stream has a small send buffer.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::lease::Lease;

/// How long an answer whose lease has ended may take to end by itself. A client that reads sees the end of its stream; to one
/// that does not, the server cannot say anything.
const GRACE: Duration = Duration::from_millis(400);
/// What the kernel keeps of a stream that is not read, in bytes; Linux doubles it. Left to itself it keeps megabytes.
const SMALL_BUFFER: usize = 32 << 10;

/// A connection. Cheap to clone; a request carries one among its extensions.
#[derive(Clone)]
pub struct Line(Arc<State>);

struct State {
    /// The lease of the long answer that is being sent.
    lease: watch::Sender<Option<Lease>>,
    /// Whether the send buffer is to become small.
    narrow: AtomicBool,
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Line")
    }
}

impl Default for Line {
    fn default() -> Line {
        Line(Arc::new(State { lease: watch::Sender::new(None), narrow: AtomicBool::new(false) }))
    }
}

impl Line {
    /// Binds the connection to `lease` until the answer is dropped.
    pub fn bind(&self, lease: Lease) -> Bound {
        self.0.lease.send_replace(Some(lease));
        Bound(self.clone())
    }

    /// Asks for a small send buffer: what the kernel holds of a stream that is not read, it holds for each stream.
    pub fn narrow(&self) {
        self.0.narrow.store(true, Ordering::Relaxed);
    }

    /// Waits until the lease of a long answer has ended and the answer has not.
    pub async fn cut(&self) {
        let mut bound = self.0.lease.subscribe();
        loop {
            let lease = bound.borrow_and_update().clone();
            let over = async {
                match lease {
                    Some(mut lease) => lease.over().await,
                    None => std::future::pending().await,
                }
                tokio::time::sleep(GRACE).await;
            };
            tokio::select! {
                _ = bound.changed() => {}
                () = over => return,
            }
        }
    }
}

/// A long answer on its way. While it lives, its connection ends with the lease.
pub struct Bound(Line);

impl Drop for Bound {
    fn drop(&mut self) {
        self.0.0.lease.send_replace(None);
    }
}

/// A socket whose send buffer becomes small when its line asks for it.
pub struct Narrowing {
    stream: TcpStream,
    line: Line,
}

impl Narrowing {
    /// The socket of `line`.
    pub fn new(stream: TcpStream, line: Line) -> Narrowing {
        Narrowing { stream, line }
    }

    fn ready_to_write(&mut self) -> Pin<&mut TcpStream> {
        if self.line.0.narrow.swap(false, Ordering::Relaxed) {
            // Where the system refuses, the stream works with a large buffer.
            let _ = SockRef::from(&self.stream).set_send_buffer_size(SMALL_BUFFER);
        }
        Pin::new(&mut self.stream)
    }
}

impl AsyncRead for Narrowing {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Narrowing {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.ready_to_write().poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.ready_to_write().poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
