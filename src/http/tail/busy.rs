//! The answer to a browser that opens one stream too many.

use axum::response::Response;
use serde_json::json;

use super::answer;
use crate::http::answer::{Code, Error};
use crate::http::app::App;
use crate::http::request::Caller;
use crate::tails::frame;

/// The earliest and the latest time after which a browser tries again, in milliseconds: browsers that were turned away together come
/// back one by one.
const RETRY: (u32, u32) = (5_000, 15_000);

/// The answer of a stream. A browser with one stream too many gets a stream that says so and ends, because an EventSource gives up for
/// good on a 503. Every other client gets the 503.
pub fn or_busy(app: &App, caller: &Caller, opened: Result<Response, Error>) -> Result<Response, Error> {
    match opened {
        Err(error) if error.code == Code::TOO_MANY_TAILS && caller.0.is_session() => Ok(busy(app, &error)),
        opened => opened,
    }
}

fn busy(app: &App, error: &Error) -> Response {
    let data = json!({"code": error.code.name, "detail": error.detail}).to_string();
    // Without an `id` the browser keeps the position that it has seen.
    let frames =
        [frame::retry(spread(getrandom::u32().unwrap_or_default())), frame::event_frame(None, "busy", data.as_bytes())];
    answer(app.ledger.head(), tokio_stream::iter(frames))
}

/// A time between both ends of [`RETRY`], by a random number.
fn spread(random: u32) -> u32 {
    RETRY.0 + random % (RETRY.1 - RETRY.0 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_come_back_between_5_and_15_seconds_later() {
        assert_eq!([0, 10_000, 10_001, u32::MAX].map(spread), [5_000, 15_000, 5_000, 5_000 + u32::MAX % 10_001]);
    }
}
