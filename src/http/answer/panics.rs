//! A handler that panics fails one request: the panic is logged and answered with 500, and the connection goes on.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Poll;

use axum::response::{IntoResponse, Response};

use super::Error;
use crate::ledger::panic_text;

/// The answer, or 500 if the handler panics.
///
/// The panic drops the handler's own state. State that requests share is behind locks whose data no panic leaves half changed.
pub fn caught(answer: impl Future<Output = Response>) -> impl Future<Output = Response> {
    let mut answer = Box::pin(answer);
    poll_fn(move |cx| match catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(cx))) {
        Ok(polled) => polled,
        Err(panic) => Poll::Ready(Error::panicked(panic_text(&*panic)).into_response()),
    })
}
