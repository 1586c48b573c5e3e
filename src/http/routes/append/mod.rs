//! `POST /ledger/events`: appends one event or a batch, all or none. The routes of documented APIs that create a job append here too.
//!
//! Not here: what a CloudEvent must look like (`wire`), and whether the job's state allows the event (`job`, `ledger`).

mod answer;
mod create;
mod events;

pub use create::{Creation, NewJob, create_job, read_document};

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;

pub use self::answer::LeaseAnswer;
use self::answer::{AppendAnswer, prefers_receipt};
use self::events::{Events, received};
use crate::access::Capability;
use crate::http::answer::Error;
use crate::http::app::App;
use crate::http::description::CloudEventInOrBatch;
use crate::http::request::{Caller, Params, lease_token, precondition};
use crate::job::Event;
use crate::ledger::Append;
use crate::wire::Incoming;

/// Append events.
///
/// One CloudEvent (`application/cloudevents+json`, `application/json`, or binary mode with `ce-` headers and the data as the
/// body), or 1 to 1000 (`application/cloudevents-batch+json`, or a JSON array). All or none, across jobs, and durable before
/// the answer. An event that the log has already, with the same (`source`, `id`) and content, is answered with its position there.
/// Secrets in free text (messages, reasons, remarks, hook output) are stored as `[masked:<rule>]`. The body may be encoded,
/// `Content-Encoding: gzip` or `zstd`; limits hold for the decoded body.
#[utoipa::path(
    post, path = "/ledger/events", tag = "ledger", operation_id = "append_events",
    params(
        ("If-Match" = Option<String>, Header, pattern = "^([*]|\"[0-9]{1,18}\")$", description = "Quoted position: the newest event of the one job appended to; `*`: the job exists"),
        ("Prefer" = Option<String>, Header, description = "`return=receipt`: a proof with each event, which the answer's `Preference-Applied` confirms"),
        ("If-None-Match" = Option<String>, Header, pattern = "^[*]$", description = "`*`: the job does not exist yet"),
        ("Ledger-Lease" = Option<String>, Header, pattern = "^jll_[0-9]{1,18}_[0-9a-f]{32}$", description = "The token of the lease under which the worker reports"),
    ),
    // One content type: of several that overlap, generated clients choose the wrong one, or fail.
    request_body(
        content = CloudEventInOrBatch, content_type = "application/json",
        description = "One CloudEvent, or an array of 1 to 1000; the content types of CloudEvents are accepted too",
    ),
    responses(
        (status = 201, description = "All events are in the log, at least one of them new", body = AppendAnswer),
        (status = 200, description = "All events were in the log before", body = AppendAnswer),
        (status = 202, description = "All events are in the log. What they redact stays in the WAL until the program that copies the WAL (`--checkpoint external`) has truncated it", body = AppendAnswer),
        (status = 400, description = "Not JSON, not a CloudEvent, a batch of 0 or over 1000, or a precondition on several jobs"),
        (status = 403, description = "The role may not append, or not redact; `source-owned`: the source belongs to another token; `source-not-yours`: the token is bound to other sources"),
        (status = 404, description = "No such job"),
        (status = 408, description = "The body took too long"),
        (status = 409, description = "The job's state does not allow the event, another worker holds the job's lease (`lease-lost`), or the id belongs to an event with other content"),
        (status = 412, description = "The precondition does not hold"),
        (status = 413, description = "A body over 16 MiB, or an event with data over 8 MiB"),
        (status = 415, description = "A content type that is none of the above, or a content encoding other than gzip and zstd, which `Accept-Encoding` then names"),
        (status = 422, description = "An event whose content is wrong in itself; `secret` for a member that is named like a secret"),
        (status = 503, description = "Overloaded, read-only, stopping, the outcome is unknown, or another program still reads what the events redact (`erasure-pending`): send the same events with the same ids again"),
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
    let headers = parts.headers;
    let body = received(&app, &caller, &headers, body).await?;
    params.finish()?;
    let guard = precondition(&headers)?;
    let events = Events::parse(&app, &caller, &headers, body).await?;
    let redacts = check_rights(&app, &caller, &events)?;
    let is_batch = events.is_batch;
    let org = caller.0.org;
    let lease = lease_token(&headers)?.map(|token| app.ledger.held_lease(org, &events.list, &token));
    let leased = leased(&events.list);
    let append = Append { org, actor: caller.0.name, events: events.list, guard, lease };
    let appended = app.ledger.append(append).await.map_err(|error| Error::append(error, is_batch))?;
    let status = match appended.all_known() {
        // The redaction is recorded, but its bytes stay in the WAL until the external program has copied it back.
        _ if redacts && app.ledger.external_copy_back() => StatusCode::ACCEPTED,
        true => StatusCode::OK,
        false => StatusCode::CREATED,
    };
    let lease = |place| (place, LeaseAnswer::of_start(&app, org, &appended.events[place]));
    let leases = leased.into_iter().map(lease).collect();
    let answer = AppendAnswer::new(appended, leases);
    match prefers_receipt(&headers) {
        true => answer.respond_with_receipts(app, status).await,
        false => Ok(answer.respond(status)),
    }
}

/// The places of the events that begin a lease.
fn leased(events: &[Incoming]) -> Vec<usize> {
    let begins = |event: &Incoming| matches!(&event.event, Event::Started(started) if started.lease_sec.is_some());
    events.iter().enumerate().filter(|(_, event)| begins(event)).map(|(place, _)| place).collect()
}

/// Checks that the caller may append these events. Answers whether one of them is a redaction.
///
/// # Errors
///
/// 403 for a redaction by a role that may not redact, and for a source that the token may not use.
fn check_rights(app: &App, caller: &Caller, events: &Events) -> Result<bool, Error> {
    let redacts = events.list.iter().any(|event| matches!(event.event, Event::Redacted(_)));
    if redacts {
        caller.require(Capability::Redact)?;
    }
    for (place, event) in events.list.iter().enumerate() {
        if let Err(refusal) = app.access.check_source(&caller.0, &event.source) {
            return Err(Error::source(events.index(place), refusal));
        }
    }
    Ok(redacts)
}
