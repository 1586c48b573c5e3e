//! The socket of a connection, whose send buffer shrinks when a handler asks for it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::handle::ConnectionHandle;

/// Bytes that the kernel buffers of a stream that the client does not read; Linux doubles the figure.
const SMALL_BUFFER: usize = 32 << 10;

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
