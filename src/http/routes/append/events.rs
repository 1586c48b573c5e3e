//! The events in the body of an append: decoded, parsed and masked, on another thread if the body is large.

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderName};
use bytes::Bytes;
use serde::de::IgnoredAny;

use crate::http::answer::{Code, Error};
use crate::http::app::App;
use crate::http::observe::off_thread;
use crate::http::request::body::{self, ReceivedBody};
use crate::http::request::{Caller, Encoding};
use crate::ledger::INLINE;
use crate::mask::{Mask, NAMES};
use crate::wire::{self, BatchReject, Incoming};

const SPECVERSION: HeaderName = HeaderName::from_static("ce-specversion");

/// The events of a request.
pub struct Events {
    /// The events, in order.
    pub list: Vec<Incoming>,
    /// Whether the request sends a batch, whose errors name the place of the event.
    pub is_batch: bool,
}

impl Events {
    /// Parses the events of `body`.
    ///
    /// # Errors
    ///
    /// 400, 413, 415 and 422 for a body that has no events that can be stored; 503 if too many large bodies are being read.
    pub async fn parse(app: &App, caller: &Caller, headers: &HeaderMap, body: ReceivedBody) -> Result<Events, Error> {
        let events = if body.bytes.len() > INLINE {
            let permit = app.limits.parses.acquire(caller, 1).await?;
            let (headers, bytes, mask) = (headers.clone(), body.bytes.clone(), app.ledger.mask().clone());
            off_thread(move || {
                let _permit = permit;
                parse(&headers, &bytes, &mask)
            })
            .await
        } else {
            parse(headers, &body.bytes, app.ledger.mask())
        };
        events.inspect_err(|error| {
            if error.code == Code::SECRET {
                app.ledger.metrics().stopped(NAMES);
            }
        })
    }

    /// The place of an event in the batch; `None` for a single event.
    pub fn index(&self, place: usize) -> Option<usize> {
        self.is_batch.then_some(place)
    }
}

/// Reads the body of an append. The whole body is read before the request can be refused for its content or its headers.
///
/// # Errors
///
/// See [`body::read`]; 415 for an unknown `Content-Encoding`.
pub async fn received(app: &App, caller: &Caller, headers: &HeaderMap, body: Body) -> Result<ReceivedBody, Error> {
    let received = body::read(&app.limits.bodies, caller, body).await?;
    match Encoding::of(headers)? {
        Encoding::Identity => Ok(received),
        encoding => {
            let permit = app.limits.parses.acquire(caller, 1).await?;
            let (budget, caller) = (app.limits.bodies.clone(), caller.clone());
            off_thread(move || {
                let _permit = permit;
                body::decoded(&budget, &caller, received, encoding)
            })
            .await
        }
    }
}

fn parse(headers: &HeaderMap, body: &Bytes, mask: &Mask) -> Result<Events, Error> {
    let content_type = headers.get(CONTENT_TYPE).map(|value| value.to_str().unwrap_or(""));
    let essence = content_type.and_then(|named| named.split(';').next()).unwrap_or("").trim().to_ascii_lowercase();
    // In binary mode stock clients leave out the content type of the data, with data and without.
    let is_data = || essence == "application/json" || content_type.is_none() && is_json_or_empty(body);
    let single = |event: Result<Incoming, wire::Reject>| match event {
        Ok(event) => Ok(Events { list: vec![event], is_batch: false }),
        Err(reject) => Err(Error::rejected(None, reject)),
    };
    let batch = || match wire::batch(body, mask) {
        Ok(list) => Ok(Events { list, is_batch: true }),
        Err(BatchReject { index, reject }) => Err(Error::rejected(index, reject)),
    };
    let is_array = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    match essence.as_str() {
        "application/cloudevents+json" => single(wire::single(body, mask)),
        "application/cloudevents-batch+json" => batch(),
        _ if headers.contains_key(SPECVERSION) && is_data() => {
            let attributes = headers
                .iter()
                .filter_map(|(name, value)| name.as_str().strip_prefix("ce-").map(|name| (name, value.as_bytes())));
            single(wire::binary(attributes, content_type, body, mask))
        }
        "application/json" if is_array => batch(),
        "application/json" => single(wire::single(body, mask)),
        _ => {
            let detail = "expected `application/cloudevents+json`, `application/cloudevents-batch+json` or \
                          `application/json`";
            Err(Error::new(Code::UNSUPPORTED_MEDIA_TYPE, detail))
        }
    }
}

fn is_json_or_empty(body: &[u8]) -> bool {
    body.is_empty() || serde_json::from_slice::<IgnoredAny>(body).is_ok()
}
