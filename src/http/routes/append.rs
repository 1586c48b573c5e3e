//! `POST /ledger/events`: events in, one or many, all or none.

use axum::extract::{Request, State};
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Serialize;
use serde::de::IgnoredAny;
use utoipa::ToSchema;

use crate::access::Capability;
use crate::blocking::off_thread;
use crate::http::POSITION;
use crate::http::answer::Error;
use crate::http::answer::Line;
use crate::http::app::App;
use crate::http::request::Caller;
use crate::http::request::Encoding;
use crate::http::request::Params;
use crate::http::request::body;
use crate::http::request::guard;
use crate::job::{Event, Position};
use crate::ledger::{Append, Appended, INLINE, ProveError, receipt};
use crate::log::Reader;
use crate::mask::{Mask, NAMES};
use crate::wire::{self, BatchReject, Incoming};

const PREFER: HeaderName = HeaderName::from_static("prefer");
const SPECVERSION: HeaderName = HeaderName::from_static("ce-specversion");
/// Says which preference of the request was honoured (RFC 7240, section 3).
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// What an append answers.
#[derive(Debug, Serialize, ToSchema)]
pub struct AppendAnswer {
    /// One entry an event, in the order of the request.
    events: Vec<AppendedEvent>,
    /// The newest position of this request.
    #[schema(minimum = 0)]
    position: u64,
}

/// Where one event is.
#[derive(Debug, Serialize, ToSchema)]
struct AppendedEvent {
    /// The producer's id.
    id: String,
    /// The producer.
    source: String,
    /// The job; one that the ledger minted where the producer gave none.
    subject: String,
    /// Its place in the log.
    #[schema(minimum = 0)]
    position: u64,
    /// Whether it was there before.
    duplicate: bool,
    /// The proof that it is in the log, with `Prefer: return=receipt`: a tlog-proof file with the event's leaf in `extra`.
    /// Whoever keeps it can prove the event for ever; `jobledger verify receipt` checks it.
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<String>,
}

impl AppendAnswer {
    fn new(appended: Appended) -> AppendAnswer {
        let position = appended.position().get();
        let events = appended.events.into_iter().map(|event| AppendedEvent {
            id: event.id,
            source: event.source,
            subject: event.subject.to_string(),
            position: event.position.get(),
            duplicate: event.duplicate,
            receipt: None,
        });
        AppendAnswer { events: events.collect(), position }
    }

    /// The events' receipts, under the newest checkpoint: by now that covers all of them.
    fn receipts(&self, log: &Reader<'_>) -> Result<Vec<Option<String>>, ProveError> {
        let Some(newest) = log.checkpoint()? else { return Ok(Vec::new()) };
        let one = |event: &AppendedEvent| Ok(Some(receipt(log, &newest, Position::new(event.position))?.to_string()));
        self.events.iter().map(one).collect()
    }
}

/// Append events.
///
/// One CloudEvent (`application/cloudevents+json`, `application/json`, or binary mode with `ce-` headers and the data as the
/// body), or 1 to 1000 (`application/cloudevents-batch+json`, or a JSON array). All or none, across jobs, and durable before
/// the answer. The same (`source`, `id`) with the same content again is answered as the first time. Secrets in free text
/// (messages, reasons, remarks, hook output) are stored as `[masked:<rule>]`. The body may be encoded, `Content-Encoding: gzip` or
/// `zstd`; limits hold for the decoded body.
#[utoipa::path(
    post, path = "/ledger/events", tag = "ledger", operation_id = "append_events",
    params(
        ("If-Match" = Option<String>, Header, pattern = "^([*]|\"[0-9]{1,18}\")$", description = "Quoted position: the newest event of the one job appended to; `*`: there is such a job"),
        ("Prefer" = Option<String>, Header, description = "`return=receipt`: a proof with each event, which the answer's `Preference-Applied` confirms"),
        ("If-None-Match" = Option<String>, Header, pattern = "^[*]$", description = "`*`: there is no such job yet"),
    ),
    // One content type: of several that overlap, generated clients choose the wrong one, or fail.
    request_body(
        content = crate::http::description::CloudEventInOrBatch, content_type = "application/json",
        description = "One CloudEvent, or an array of 1 to 1000; the content types of CloudEvents are taken too",
    ),
    responses(
        (status = 201, description = "All events are in the log, at least one of them new", body = AppendAnswer),
        (status = 200, description = "All events were in the log before", body = AppendAnswer),
        (status = 202, description = "All events are in the log; what they erase stays in its WAL until whoever copies that (`--checkpoint external`) has cut it", body = AppendAnswer),
        (status = 400, description = "Not JSON, not a CloudEvent, a batch of 0 or over 1000, or a guard on many jobs"),
        (status = 403, description = "The role may not append, or not erase; `source-owned`: the source belongs to another token; `source-not-yours`: the token is bound to other sources"),
        (status = 404, description = "No such job"),
        (status = 408, description = "The body took too long"),
        (status = 409, description = "The job's state does not allow it, or the id is taken by other content"),
        (status = 412, description = "The guard does not hold"),
        (status = 413, description = "A body over 16 MiB, or an event with data over 8 MiB"),
        (status = 415, description = "A content type that is none of the above, or a content encoding other than gzip and zstd, which `Accept-Encoding` then names"),
        (status = 422, description = "Content that is wrong in itself; `secret` for a member that is named like a secret"),
        (status = 503, description = "Overloaded, read-only, stopping, the outcome is unknown, or what is recorded as erased is still read by somebody (`erasure-pending`): send the same events with the same ids again"),
    )
)]
pub async fn append(
    State(app): State<App>,
    caller: Caller,
    params: Params,
    request: Request,
) -> Result<Response, Error> {
    caller.require(Capability::Append)?;
    let (parts, body) = request.into_parts();
    // The body is read before anything in it or about it is refused: drained first.
    let mut body = body::read(&app.limits.bodies, &caller, body).await?;
    let Some(encoding) = Encoding::of(&parts.headers) else { return Ok(Encoding::unsupported()) };
    if encoding != Encoding::Identity {
        let turn = app.limits.parses.wait(&caller, 1).await?;
        let (budget, sender) = (app.limits.bodies.clone(), caller.clone());
        body = off_thread(move || {
            let _turn = turn;
            body::decoded(&budget, &sender, body, encoding)
        })
        .await?;
    }
    params.finish()?;
    let guard = guard(&parts.headers)?;
    let read = if body.bytes.len() > INLINE {
        let turn = app.limits.parses.wait(&caller, 1).await?;
        let (headers, bytes, mask) = (parts.headers.clone(), body.bytes.clone(), app.ledger.mask().clone());
        off_thread(move || {
            let _turn = turn;
            events(&headers, &bytes, &mask)
        })
        .await
    } else {
        events(&parts.headers, &body.bytes, app.ledger.mask())
    };
    let (events, batch) = read.inspect_err(|error| {
        if error.code == Error::SECRET {
            app.ledger.metrics().stopped(NAMES);
        }
    })?;
    drop(body);
    let erases = events.iter().any(|event| matches!(event.event, Event::Redacted(_)));
    if erases {
        caller.require(Capability::Redact)?;
    }
    let refused = |(index, event): (usize, &Incoming)| {
        let refusal = app.access.check_source(&caller.0, &event.source).err()?;
        Some(Error::source(batch.then_some(index), refusal))
    };
    if let Some(refused) = events.iter().enumerate().find_map(refused) {
        return Err(refused);
    }
    let append = Append { org: caller.0.org, actor: caller.0.name, events, guard };
    let appended = app.ledger.append(append).await.map_err(|error| Error::append(error, batch))?;
    let status = match appended.all_known() {
        // Recorded, but the bytes are not gone before somebody else has seen to it.
        _ if erases && app.ledger.external_copy_back() => StatusCode::ACCEPTED,
        true => StatusCode::OK,
        false => StatusCode::CREATED,
    };
    let mut answer = AppendAnswer::new(appended);
    let position = HeaderValue::from(answer.position);
    if !prefers_receipt(&parts.headers) {
        return Ok((status, [(POSITION, position)], Line(answer)).into_response());
    }
    let answer = off_thread(move || {
        // The events are in the log, so this is answered, with receipts or without: `Preference-Applied` tells.
        match app.ledger.log(|log| answer.receipts(log)) {
            Ok(receipts) => {
                answer.events.iter_mut().zip(receipts).for_each(|(event, receipt)| event.receipt = receipt);
            }
            Err(error) => tracing::error!(error = &error as &dyn std::error::Error, "there are no receipts"),
        }
        Ok::<_, Error>(answer)
    })
    .await?;
    let applied = answer.events.iter().all(|event| event.receipt.is_some());
    let applied = applied.then_some([(PREFERENCE_APPLIED, HeaderValue::from_static("return=receipt"))]);
    Ok((status, [(POSITION, position)], applied, Line(answer)).into_response())
}

fn is_json_or_empty(body: &[u8]) -> bool {
    body.is_empty() || serde_json::from_slice::<IgnoredAny>(body).is_ok()
}

/// Whether one of the preferences (RFC 7240) is `return=receipt`.
fn prefers_receipt(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(PREFER).iter().filter_map(|line| line.to_str().ok());
    let preferences = lines.flat_map(|line| line.split(',')).filter_map(|one| one.split(';').next());
    preferences.filter_map(|one| one.split_once('=')).any(|(name, value)| {
        name.trim().eq_ignore_ascii_case("return") && value.trim().trim_matches('"').eq_ignore_ascii_case("receipt")
    })
}

/// The events of a request, and whether they came as a batch.
fn events(headers: &HeaderMap, body: &Bytes, mask: &Mask) -> Result<(Vec<Incoming>, bool), Error> {
    let content_type = headers.get(CONTENT_TYPE).map(|value| value.to_str().unwrap_or(""));
    let essence = content_type.and_then(|named| named.split(';').next()).unwrap_or("").trim().to_ascii_lowercase();
    // Stock clients leave the type of the data out in binary mode, with data and without.
    let of_data = || essence == "application/json" || content_type.is_none() && is_json_or_empty(body);
    let one = |event: Result<Incoming, wire::Reject>| match event {
        Ok(event) => Ok((vec![event], false)),
        Err(reject) => Err(Error::rejected(None, reject)),
    };
    let batch = || match wire::batch(body, mask) {
        Ok(events) => Ok((events, true)),
        Err(BatchReject { index, reject }) => Err(Error::rejected(index, reject)),
    };
    let is_array = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    match essence.as_str() {
        "application/cloudevents+json" => one(wire::single(body, mask)),
        "application/cloudevents-batch+json" => batch(),
        _ if headers.contains_key(SPECVERSION) && of_data() => {
            let attributes = headers
                .iter()
                .filter_map(|(name, value)| name.as_str().strip_prefix("ce-").map(|name| (name, value.as_bytes())));
            one(wire::binary(attributes, content_type, body, mask))
        }
        "application/json" if is_array => batch(),
        "application/json" => one(wire::single(body, mask)),
        _ => {
            let detail = "expected `application/cloudevents+json`, `application/cloudevents-batch+json` or \
                          `application/json`";
            Err(Error::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", detail))
        }
    }
}
