//! `GET /ledger/events` and `/ledger/jobs/{id}/events`: the log itself, as a page, an export or a tail.
//!
//! Not here: the loop of a tail (`http::tail`), and how a filter finds its events (`log`).

pub mod one;
mod page;
mod query;

pub use one::visible_leaf;
pub use query::EventQuery;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use crate::access::Capability;
use crate::http::answer::{Error, Lines, LongAnswer, Range, ndjson};
use crate::http::app::App;
use crate::http::description::{EventPage, EventReadAnswers, EventType};
use crate::http::request::{Caller, Params, Segment, accept, refuse_heartbeat};
use crate::http::tail::{or_busy, tail};
use crate::job::{JobId, OrgId, Position};
use crate::log::{Filter, Reader, enough};
use crate::model::KindName;
use crate::wire;

/// Events of an export that are read at a time.
const EXPORT_STEP: u64 = 500;
/// About how many bytes of an export are read at a time, 256 KiB.
const EXPORT_BYTES: usize = 256 << 10;
/// The forms of an answer.
const FORMS: [&str; 3] = ["application/json", "application/x-ndjson", "text/event-stream"];

/// Read the log.
///
/// A page after `after`; with `Accept: application/x-ndjson` everything up to the head at the time of the request, one event a line;
/// with `Accept: text/event-stream` a tail, which starts after `Last-Event-ID`, else after `after`, else at the head.
#[utoipa::path(
    get, path = "/ledger/events", tag = "ledger", operation_id = "list_events",
    params(
        ("after" = Option<u64>, Query, description = "Events after this position; default 0"),
        ("limit" = Option<u64>, Query, description = "Events on a page, 1 to 1000; default 50", minimum = 1, maximum = 1000),
        ("job" = Option<String>, Query, pattern = "^[A-Za-z0-9._:-]{1,128}$", description = "Of one job"),
        ("kind" = Option<KindName>, Query, description = "Of one kind of job"),
        ("type" = Option<Vec<EventType>>, Query, description = "Of these types; may repeat"),
        ("org" = Option<uuid::Uuid>, Query, description = "Of one organisation, for auditors"),
        ("min_position" = Option<u64>, Query, description = "Answer only when the log has reached this position"),
        ("heartbeat" = Option<u64>, Query, description = "A stream sends `event: heartbeat` after so many seconds without another message", minimum = 1, maximum = 60),
        ("Last-Event-ID" = Option<String>, Header, description = "The position after which a tail goes on; pages and exports ignore it"),
    ),
    responses(
        (status = 200, description = "A page, an export or a tail",
            content((EventPage = "application/json"), (String = "application/x-ndjson"), (String = "text/event-stream"))),
        (status = 404, description = "`org` is not the caller's"),
        EventReadAnswers,
    )
)]
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    params: Params,
) -> Result<Response, Error> {
    caller.require(Capability::ReadLedger)?;
    let query = EventQuery::of_log(params, &caller)?;
    query.reach(&app).await?;
    answer(app, caller, headers, query).await
}

/// Read one job's events.
///
/// As `/ledger/events?job=`, in the same three forms; a tail sends `closed` after the final event and ends. With `as_of` only
/// events that were recorded by then.
#[utoipa::path(
    get, path = "/ledger/jobs/{id}/events", tag = "ledger", operation_id = "list_job_events",
    params(
        ("id" = String, Path, description = "The job"),
        ("after" = Option<u64>, Query, description = "Events after this position; default 0"),
        ("limit" = Option<u64>, Query, description = "Events on a page, 1 to 1000; default 50", minimum = 1, maximum = 1000),
        ("kind" = Option<KindName>, Query, description = "Of one kind of job"),
        ("type" = Option<Vec<EventType>>, Query, description = "Of these types; may repeat"),
        ("org" = Option<uuid::Uuid>, Query, description = "The job's organisation, for auditors"),
        ("as_of" = Option<String>, Query, description = "A position or an RFC 3339 time of recording"),
        ("min_position" = Option<u64>, Query, description = "Answer only when the log has reached this position"),
        ("heartbeat" = Option<u64>, Query, description = "A stream sends `event: heartbeat` after so many seconds without another message", minimum = 1, maximum = 60),
        ("Last-Event-ID" = Option<String>, Header, description = "The position after which a tail goes on; pages and exports ignore it"),
    ),
    responses(
        (status = 200, description = "A page, an export or a tail",
            content((EventPage = "application/json"), (String = "application/x-ndjson"), (String = "text/event-stream"))),
        (status = 404, description = "No such job, or none yet at `as_of`"),
        EventReadAnswers,
    )
)]
pub async fn of_job(
    State(app): State<App>,
    caller: Caller,
    Segment(id): Segment,
    headers: HeaderMap,
    mut params: Params,
) -> Result<Response, Error> {
    caller.require(Capability::ReadLedger)?;
    let org = caller.org_of_job(params.one("org")?)?;
    let job = id.parse::<JobId>().map_err(|_| Error::no_such_job())?;
    let as_of = params.moment("as_of")?;
    let mut query = EventQuery::of_job(params, org, job.clone())?;
    query.reach(&app).await?;
    if let Some(moment) = as_of {
        query.filter.upto = Some(app.ledger.point_in_time("as_of", Some(moment)).await?.position);
    }
    // A tail looks for the job when it has its turn.
    let is_tail = as_of.is_none() && accept::choose(&headers, &FORMS) == Some("text/event-stream");
    if !is_tail && !app.ledger.log(|log| existed(log, org, &job, query.filter.upto))? {
        return Err(Error::no_such_job());
    }
    answer(app, caller, headers, query).await
}

/// Whether the job has an event up to `upto`.
fn existed(log: &Reader<'_>, org: OrgId, job: &JobId, upto: Option<Position>) -> Result<bool, Error> {
    let Some(stream) = log.stream(org, job)? else { return Ok(false) };
    let mut found = false;
    log.scan_job(stream, Position::GENESIS, upto.unwrap_or(Position::MAX), 1, |_| {
        found = true;
        Ok::<_, Error>(())
    })?;
    Ok(found)
}

/// Answers in the form that `Accept` asks for.
async fn answer(app: App, caller: Caller, headers: HeaderMap, query: EventQuery) -> Result<Response, Error> {
    let form = accept::choose(&headers, &FORMS);
    if form.is_some_and(|form| form != "text/event-stream") {
        refuse_heartbeat(query.heartbeat)?;
    }
    match form {
        Some("application/json") => page::page(app, &caller, query).await,
        Some("application/x-ndjson") => {
            let long = LongAnswer::new(&app, &caller, app.limits.exports.try_acquire(&caller, 1)?);
            let from = query.after.unwrap_or_default().next();
            let range = Range { from, to: query.filter.end(app.ledger.head()) };
            Ok(ndjson(app, long, range, move |app, range| export(app, range, &query.filter)))
        }
        Some(_) if query.filter.upto.is_some() => Err(Error::live_as_of()),
        Some(_) => or_busy(&app, &caller, tail(&app, &caller, &headers, query.tail()).await),
        None => Err(Error::not_acceptable(&FORMS.join(", "))),
    }
}

/// The first lines of `range`, about [`EXPORT_BYTES`] at most.
fn export(app: &App, range: Range, filter: &Filter) -> Result<Lines, Error> {
    let mut text = Vec::new();
    let after = app.ledger.quiet_after(Position::new(range.from.get().saturating_sub(1)), filter);
    let page = app.ledger.log(|log| {
        log.page(after, EXPORT_STEP, filter, |row| {
            if row.position <= range.to {
                wire::write_cloudevent(&mut text, row.leaf, row.data);
                text.push(b'\n');
            }
            Ok::<_, Error>(enough(text.len(), EXPORT_BYTES))
        })
    })?;
    Ok(Lines { text, read_to: page.scanned })
}
