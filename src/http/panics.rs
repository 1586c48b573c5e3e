//! A handler that panics is a fault in one request: it is logged and answered, and the connection goes on.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Poll;

use axum::response::{IntoResponse, Response};

use super::error::Error;

/// The answer, or 500 where making it panicked.
///
/// What the handler left half done is dropped with it; what requests share is behind locks that do not mind.
pub fn caught(answer: impl Future<Output = Response>) -> impl Future<Output = Response> {
    let mut answer = Box::pin(answer);
    poll_fn(move |cx| match catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(cx))) {
        Ok(polled) => polled,
        Err(panic) => Poll::Ready(Error::panicked(said(&*panic)).into_response()),
    })
}

/// What `panic!` was given; nothing where it was no text.
fn said(panic: &(dyn Any + Send)) -> &str {
    panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref().copied()).unwrap_or_default()
}
