//! `GET /ledger/events`, `/ledger/events/{position}` and `/ledger/jobs/{id}/events`: the log itself, as a page, an export,
//! or a tail.

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;

use crate::access::Capability;
use crate::blocking::off_thread;
use crate::http::POSITION;
use crate::http::answer::Error;
use crate::http::answer::Long;
use crate::http::answer::{Stretch, ndjson};
use crate::http::app::App;
use crate::http::description::{CloudEvent, EventPage};
use crate::http::limits::{Held, LARGE, sent_with};
use crate::http::request::Caller;
use crate::http::request::Params;
use crate::http::request::Segment;
use crate::http::request::accept;
use crate::http::tail::{TailOf, tail};
use crate::job::{EventType, JobId, Kind, OrgId, Position, listed};
use crate::log::{Filter, Page, Reader, Row, Types, enough};
use crate::wire::{self, Leaf};

/// A page is cut at about this many bytes, 4 MiB, whatever its limit: events may have megabytes each.
const PAGE_BYTES: usize = 4 << 20;
/// What a short page shows at the most: events, and about how many bytes.
const SHORT_LIMIT: u64 = 100;
const SHORT_BYTES: usize = LARGE;
/// Events that a short page looks at, at the most.
const SHORT_SCAN: u64 = 1000;
/// Events of an export read at a time.
const EXPORT_STEP: u64 = 500;
/// How often `type` may be given; there are fewer types.
const MOST_TYPES: usize = 64;
/// About how many bytes of an export are read at a time, 256 KiB.
const EXPORT_BYTES: usize = 256 << 10;
/// About what an event takes on a page: room for as many is made at once.
const EVENT_BYTES: usize = 768;

/// What a route over the log asks for.
struct Asked {
    filter: Filter,
    after: Option<Position>,
    limit: u64,
    min: Option<Position>,
}

impl Asked {
    /// Waits until the log has what must be in the answer.
    async fn reach(&self, app: &App) -> Result<(), Error> {
        match self.min {
            Some(min) => Ok(app.ledger.reach(min).await?),
            None => Ok(()),
        }
    }
}

fn asked(mut params: Params, caller: &Caller, job: Option<JobId>, fixed_org: Option<OrgId>) -> Result<Asked, Error> {
    let after = params.one("after")?;
    let limit = params.count("limit", 50, 1000)? as u64;
    let kind = params.one::<Kind>("kind")?;
    let types = types(&params.many("type", MOST_TYPES)?)?;
    let job = match job {
        Some(job) => Some(job),
        None => params.one("job")?,
    };
    let org = match fixed_org {
        Some(org) => Some(org),
        None => caller.org_of_list(params.one("org")?)?,
    };
    let min = params.one("min_position")?;
    params.finish()?;
    Ok(Asked { filter: Filter { org, job, kind, types, upto: None }, after, limit, min })
}

/// The set of the types that a request names; all types if it names none.
fn types(words: &[String]) -> Result<Types, Error> {
    let known = |word: &String| EventType::shown().find(|known| known.as_str() == word);
    if let Some(unknown) = words.iter().find(|word| known(word).is_none()) {
        let found: String = unknown.chars().take(64).collect();
        let known = listed(EventType::shown());
        return Err(Error::parameter("type", format!("expected one of {known}, found `{found}`")));
    }
    Ok(if words.is_empty() { Types::ALL } else { words.iter().filter_map(known).collect() })
}

/// Read the log.
///
/// A page after `after`; with `Accept: application/x-ndjson` everything to the head of this moment, one event a line; with
/// `Accept: text/event-stream` a tail, which starts after `Last-Event-ID`, else after `after`, else at the head.
#[utoipa::path(
    get, path = "/ledger/events", tag = "ledger", operation_id = "list_events",
    params(
        ("after" = Option<u64>, Query, description = "Events after this position; default 0"),
        ("limit" = Option<u64>, Query, description = "Events on a page, 1 to 1000; default 50", minimum = 1, maximum = 1000),
        ("job" = Option<String>, Query, pattern = "^[A-Za-z0-9._:-]{1,128}$", description = "Of one job"),
        ("kind" = Option<crate::model::KindName>, Query, description = "Of one kind of job"),
        ("type" = Option<Vec<crate::http::description::EventType>>, Query, description = "Of these types; may repeat"),
        ("org" = Option<uuid::Uuid>, Query, description = "Of one organisation, for auditors"),
        ("min_position" = Option<u64>, Query, description = "Answer only when the log has reached this position"),
        ("Last-Event-ID" = Option<String>, Header, description = "The position where a tail goes on; only a tail looks at it"),
    ),
    responses(
        (status = 200, description = "A page, an export or a tail",
            content((EventPage = "application/json"), (String = "application/x-ndjson"), (String = "text/event-stream"))),
        (status = 204, description = "The tailed job has ended, and `Last-Event-ID` is at or past its end"),
        (status = 400, description = "A parameter or `Last-Event-ID` is not what was expected"),
        (status = 404, description = "`org` is not the caller's"),
        (status = 406, description = "`Accept` allows none of the three forms"),
        (status = 503, description = "The log has not reached `min_position`, or there are too many streams (`too-many-tails`), exports (`too-many-exports`) or large answers (`too-many-answers`) at once"),
    )
)]
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    params: Params,
) -> Result<Response, Error> {
    caller.require(Capability::ReadLedger)?;
    let asked = asked(params, &caller, None, None)?;
    asked.reach(&app).await?;
    show(app, caller, headers, asked).await
}

/// Read one job's events.
///
/// As `/ledger/events?job=`, in the same three forms; a tail sends `closed` after the final event and ends. With `as_of` only
/// what was recorded by then.
#[utoipa::path(
    get, path = "/ledger/jobs/{id}/events", tag = "ledger", operation_id = "list_job_events",
    params(
        ("id" = String, Path, description = "The job"),
        ("after" = Option<u64>, Query, description = "Events after this position; default 0"),
        ("limit" = Option<u64>, Query, description = "Events on a page, 1 to 1000; default 50", minimum = 1, maximum = 1000),
        ("kind" = Option<crate::model::KindName>, Query, description = "Of one kind of job"),
        ("type" = Option<Vec<crate::http::description::EventType>>, Query, description = "Of these types; may repeat"),
        ("org" = Option<uuid::Uuid>, Query, description = "The job's organisation, for auditors"),
        ("as_of" = Option<String>, Query, description = "A position or an RFC 3339 time of recording"),
        ("min_position" = Option<u64>, Query, description = "Answer only when the log has reached this position"),
        ("Last-Event-ID" = Option<String>, Header, description = "The position where a tail goes on; only a tail looks at it"),
    ),
    responses(
        (status = 200, description = "A page, an export or a tail",
            content((EventPage = "application/json"), (String = "application/x-ndjson"), (String = "text/event-stream"))),
        (status = 204, description = "The job has ended, and `Last-Event-ID` is at or past its end"),
        (status = 400, description = "A parameter or `Last-Event-ID` is not what was expected"),
        (status = 404, description = "No such job, or not yet then"),
        (status = 406, description = "`Accept` allows none of the three forms"),
        (status = 503, description = "The log has not reached `min_position`, or there are too many streams (`too-many-tails`), exports (`too-many-exports`) or large answers (`too-many-answers`) at once"),
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
    let mut asked = asked(params, &caller, Some(job.clone()), Some(org))?;
    asked.reach(&app).await?;
    if let Some(moment) = as_of {
        asked.filter.upto = Some(app.ledger.place("as_of", Some(moment)).await?.position);
    }
    if !app.ledger.log(|log| existed(log, org, &job, asked.filter.upto))? {
        return Err(Error::no_such_job());
    }
    show(app, caller, headers, asked).await
}

/// Whether there was such a job by then.
fn existed(log: &Reader<'_>, org: OrgId, job: &JobId, upto: Option<Position>) -> Result<bool, Error> {
    let Some(stream) = log.stream(org, job)? else { return Ok(false) };
    let mut found = false;
    log.scan_job(stream, Position::GENESIS, upto.unwrap_or(Position::MAX), 1, |_| {
        found = true;
        Ok::<_, Error>(())
    })?;
    Ok(found)
}

/// Read one event.
#[utoipa::path(
    get, path = "/ledger/events/{position}", tag = "ledger", operation_id = "get_event",
    params(
        ("position" = u64, Path, description = "Its place in the log"),
        ("min_position" = Option<u64>, Query, description = "Answer only when the log has reached this position"),
    ),
    responses(
        (status = 200, description = "The event", body = CloudEvent, content_type = "application/cloudevents+json"),
        (status = 400, description = "Not a position"),
        (status = 404, description = "No such event"),
        (status = 503, description = "The log has not reached `min_position`, or there are too many large answers at once (`too-many-answers`)"),
    )
)]
pub async fn one(
    State(app): State<App>,
    caller: Caller,
    Segment(position): Segment,
    mut params: Params,
) -> Result<Response, Error> {
    caller.require(Capability::ReadLedger)?;
    let min = params.one("min_position")?;
    params.finish()?;
    let position: Position = position.parse().map_err(|error| Error::bad_request(format!("{error}")))?;
    if let Some(min) = min {
        app.ledger.reach(min).await?;
    }
    let head = app.ledger.head();
    let shown = app.ledger.log(|log| {
        let is_large = |row: &Row<'_>| row.data.is_some_and(|data| data.len() > LARGE);
        visible(log, &caller, position, |row| (!is_large(&row)).then(|| line_of(row)))
    })?;
    let event = match shown {
        Some(event) => Bytes::from(event),
        None => {
            let held = app.limits.answers.wait(&caller, 1).await?;
            off_thread(move || {
                let event = app.ledger.log(|log| visible(log, &caller, position, line_of))?;
                Ok::<_, Error>(sent_with(held, event))
            })
            .await?
        }
    };
    let headers =
        [(CONTENT_TYPE, HeaderValue::from_static("application/cloudevents+json")), (POSITION, head.get().into())];
    Ok((headers, event).into_response())
}

/// An event as one line.
fn line_of(row: Row<'_>) -> Vec<u8> {
    let mut line = wire::cloudevent(row.leaf, row.data);
    line.push(b'\n');
    line
}

/// What `show` makes of the event at `position`; to whoever may not see it there is none.
fn visible<T>(
    log: &Reader<'_>,
    caller: &Caller,
    position: Position,
    show: impl FnOnce(Row<'_>) -> T,
) -> Result<T, Error> {
    let missing = || Error::new(StatusCode::NOT_FOUND, "no-such-event", "no such event");
    let read = log.at(position, |row| {
        let leaf = Leaf::parse(row.leaf).map_err(|error| Error::internal(&error))?;
        let org = leaf.org().map_err(|error| Error::internal(&error))?;
        Ok::<_, Error>((org, show(row)))
    });
    let (org, shown) = read?.ok_or_else(missing)??;
    if caller.may_see(org) { Ok(shown) } else { Err(missing()) }
}

/// The leaf of the event at `position`, for whoever may see that.
pub fn visible_leaf(log: &Reader<'_>, caller: &Caller, position: Position) -> Result<Vec<u8>, Error> {
    visible(log, caller, position, |row| row.leaf.to_vec())
}

async fn show(app: App, caller: Caller, headers: HeaderMap, asked: Asked) -> Result<Response, Error> {
    let offered = ["application/json", "application/x-ndjson", "text/event-stream"];
    match accept::choose(&headers, &offered) {
        Some("application/json") => match short_page(&app, &asked)? {
            Some(page) => Ok(page),
            None => {
                let held = app.limits.answers.wait(&caller, 1).await?;
                off_thread(move || long_page(&app, &asked, held)).await
            }
        },
        Some("application/x-ndjson") => {
            let long = Long::new(&app, &caller, app.limits.exports.take(&caller, 1)?);
            let from = asked.after.unwrap_or_default().next();
            let head = asked.filter.end(app.ledger.head());
            Ok(ndjson(app, long, (from, head), move |app, from, head| lines(app, from, head, &asked.filter)))
        }
        Some(_) if asked.filter.upto.is_some() => Err(Error::live_as_of()),
        Some(_) => tail(&app, &caller, &headers, TailOf { filter: asked.filter, after: asked.after }),
        None => Err(Error::not_acceptable(&offered.join(", "))),
    }
}

/// A page that is surely short to read: it is read where it is asked for, because handing it to another thread costs more
/// than the read. `None` where there may be more to show than was looked at.
fn short_page(app: &App, asked: &Asked) -> Result<Option<Response>, Error> {
    if asked.limit > SHORT_LIMIT {
        return Ok(None);
    }
    let (after, mut events) = (asked.after.unwrap_or_default(), Events::new(asked.limit));
    let seen = (app.ledger.erased(), app.ledger.head());
    let page = app.ledger.log(|log| match &asked.filter {
        Filter { org, job: None, kind: None, types: Types::ALL, upto: None } => {
            app.sheets.page(log, seen, SHORT_SCAN, (after, asked.limit), *org, |event| {
                events.push(|body| body.extend_from_slice(event));
            })
        }
        filter => log.page_within(SHORT_SCAN, after, asked.limit, filter, |row| {
            Ok(enough(events.push(|body| wire::write_cloudevent(body, row.leaf, row.data)), SHORT_BYTES))
        }),
    })?;
    let whole = events.shown == asked.limit || page.scanned >= page.head;
    Ok((whole && events.body.len() <= LARGE).then(|| events.answer(page, Bytes::from)))
}

fn long_page(app: &App, asked: &Asked, held: Held) -> Result<Response, Error> {
    let mut events = Events::new(asked.limit);
    let page = app.ledger.log(|log| {
        log.page(asked.after.unwrap_or_default(), asked.limit, &asked.filter, |row| {
            Ok::<_, Error>(enough(events.push(|body| wire::write_cloudevent(body, row.leaf, row.data)), PAGE_BYTES))
        })
    })?;
    Ok(events.answer(page, |body| sent_with(held, body)))
}

/// A page as it grows.
struct Events {
    body: Vec<u8>,
    shown: u64,
}

impl Events {
    /// A page with room for `limit` common events, if that is a short page.
    fn new(limit: u64) -> Events {
        let mut body = Vec::with_capacity(limit.min(SHORT_LIMIT) as usize * EVENT_BYTES);
        body.extend(b"{\"events\":[");
        Events { body, shown: 0 }
    }

    /// Adds an event; answers how many bytes there are.
    fn push(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> usize {
        if self.shown > 0 {
            self.body.push(b',');
        }
        self.shown += 1;
        write(&mut self.body);
        self.body.len()
    }

    fn answer(mut self, page: Page, body: impl FnOnce(Vec<u8>) -> Bytes) -> Response {
        let next = if page.scanned < page.head { page.scanned.to_string() } else { "null".to_owned() };
        self.body.extend(format!("],\"next\":{next},\"head\":{}}}\n", page.head).bytes());
        let headers =
            [(CONTENT_TYPE, HeaderValue::from_static("application/json")), (POSITION, page.head.get().into())];
        (headers, body(self.body)).into_response()
    }
}

fn lines(app: &App, from: Position, head: Position, filter: &Filter) -> Result<Stretch, Error> {
    let mut lines = Vec::new();
    let after = Position::new(from.get().saturating_sub(1));
    let page = app.ledger.log(|log| {
        log.page(after, EXPORT_STEP, filter, |row| {
            if row.position <= head {
                wire::write_cloudevent(&mut lines, row.leaf, row.data);
                lines.push(b'\n');
            }
            Ok::<_, Error>(enough(lines.len(), EXPORT_BYTES))
        })
    })?;
    Ok((lines, page.scanned))
}
