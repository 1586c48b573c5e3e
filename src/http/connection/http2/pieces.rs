//! The body of an answer in small pieces, so that h2 holds little of an answer that its client does not take.
//!
//! hyper waits until the client has room for one byte, and then hands the whole piece to h2. So h2 holds at most one piece beyond
//! the client's window. hyper ends the stream's task with the last piece, and the rest of that piece, less than [`PIECE`], may
//! wait for the client as long as the connection lives.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};

use super::streams::Stream;

/// The longest piece: 16 KiB, the largest frame that every client takes.
const PIECE: usize = 16 << 10;

/// A body that hyper gets in pieces, and that tells its stream which of them wait.
pub(super) struct Pieces {
    body: Body,
    stream: Stream,
    /// The part of the newest chunk that hyper has not got yet.
    rest: Bytes,
}

impl Pieces {
    /// The body of the answer of `stream`.
    pub fn new(body: Body, stream: Stream) -> Pieces {
        Pieces { body, stream, rest: Bytes::new() }
    }

    /// The next piece of the rest.
    fn cut(&mut self) -> Bytes {
        if self.rest.len() > PIECE {
            return self.rest.split_to(PIECE);
        }
        std::mem::take(&mut self.rest)
    }
}

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.stream.taken();
        let piece = if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(cx)).map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(chunk))) => {
                    self.rest = chunk;
                    self.cut()
                }
                Some(Ok(Err(trailers))) => return Poll::Ready(Some(Ok(trailers))),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        } else {
            let piece = self.cut();
            // The last piece of a chunk is a copy: it may wait long, and must not keep the chunk and its permit.
            if self.rest.is_empty() { Bytes::copy_from_slice(&piece) } else { piece }
        };
        self.stream.offered();
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, body) = (self.rest.len() as u64, self.body.size_hint());
        let mut hint = SizeHint::new();
        hint.set_lower(body.lower() + rest);
        if let Some(upper) = body.upper() {
            hint.set_upper(upper + rest);
        }
        hint
    }
}
