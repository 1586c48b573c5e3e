//! A handler that panics is a fault in one request: it is logged and answered, and the connection goes on.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Poll;

use axum::response::{IntoResponse, Response};

use crate::http::answer::Error;
use crate::ledger::panic_text;

/// The answer, or 500 where making it panicked.
///
/// What the handler left half done is dropped with it; what requests share is behind locks that do not mind.
pub fn caught(answer: impl Future<Output = Response>) -> impl Future<Output = Response> {
    let mut answer = Box::pin(answer);
    poll_fn(move |cx| match catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(cx))) {
        Ok(polled) => polled,
        Err(panic) => Poll::Ready(Error::panicked(panic_text(&*panic)).into_response()),
    })
}
