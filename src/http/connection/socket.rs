//! The socket of a connection, with bounds for the bytes of an answer that the kernel buffers.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::handle::ConnectionHandle;

/// Bytes that the kernel buffers of a stream that the client does not read; Linux doubles the figure.
const SMALL_BUFFER: usize = 32 << 10;

/// Bytes of a connection of HTTP/2 that the kernel holds before it sends them, 64 KiB. A frame of a tail waits behind no more than
/// that of a large answer, and a client that does not read costs no more.
#[cfg(target_os = "linux")]
const UNSENT: u32 = 64 << 10;

/// The socket of a client.
pub struct ClientSocket {
    stream: TcpStream,
    handle: ConnectionHandle,
}

impl ClientSocket {
    /// The socket of the connection `handle`.
    pub fn new(stream: TcpStream, handle: ConnectionHandle) -> ClientSocket {
        ClientSocket { stream, handle }
    }

    /// Bounds the bytes that the kernel holds and has not sent. Bytes under way do not count: a small send buffer, as a tail over HTTP/1.1
    /// asks for, would slow the other streams of the connection down.
    pub fn bound_unsent(&self) {
        // Where the system has no such bound, the buffer has its usual size.
        #[cfg(target_os = "linux")]
        let _ = SockRef::from(&self.stream).set_tcp_notsent_lowat(UNSENT);
    }

    fn ready_to_write(&mut self) -> Pin<&mut TcpStream> {
        if self.handle.take_small_buffer_wish() {
            // If the system refuses, the stream works with a large buffer.
            let _ = SockRef::from(&self.stream).set_send_buffer_size(SMALL_BUFFER);
        }
        Pin::new(&mut self.stream)
    }
}

impl AsyncRead for ClientSocket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for ClientSocket {
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
