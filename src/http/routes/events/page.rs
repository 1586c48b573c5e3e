//! Pages of events. A short page is read where the request arrives, because handing it to another thread costs more than the
//! read. A page that may be long takes a permit and a thread that may block.

use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;

use super::query::EventQuery;
use crate::http::POSITION;
use crate::http::answer::{Error, LogState, PageQuery};
use crate::http::app::App;
use crate::http::limits::{LARGE, Permit, bytes_with_permit};
use crate::http::observe::off_thread;
use crate::http::request::Caller;
use crate::log::{Filter, Page, Types, enough};
use crate::wire;

/// A page ends at about this many bytes, 4 MiB, even if its limit allows more events: an event may have megabytes.
const PAGE_BYTES: usize = 4 << 20;
/// Most events on a short page.
const SHORT_LIMIT: u64 = 100;
/// A short page ends at about this many bytes, 256 KiB.
const SHORT_BYTES: usize = LARGE;
/// Most events that a short page looks at.
const SHORT_SCAN: u64 = 1000;
/// The usual size of an event on a page, for the first allocation.
const EVENT_BYTES: usize = 768;

/// Answers with a page.
pub async fn page(app: App, caller: &Caller, query: EventQuery) -> Result<Response, Error> {
    if let Some(page) = short_page(&app, &query)? {
        return Ok(page);
    }
    let permit = app.limits.answers.acquire(caller, 1).await?;
    off_thread(move || long_page(&app, &query, permit)).await
}

/// Reads the page at once if it is certainly short. Returns `None` if the caller allows more than [`SHORT_LIMIT`] events, if the read
/// ends at [`SHORT_SCAN`] or [`SHORT_BYTES`] while the log may have further events for the page, or if the page has more than
/// [`LARGE`] bytes.
fn short_page(app: &App, query: &EventQuery) -> Result<Option<Response>, Error> {
    if query.limit > SHORT_LIMIT {
        return Ok(None);
    }
    let mut builder = PageBuilder::new(query.limit);
    let after = app.ledger.quiet_after(query.after.unwrap_or_default(), &query.filter);
    let state = LogState { redacted: app.ledger.newest_redaction(), head: app.ledger.head() };
    let page = app.ledger.log(|log| match &query.filter {
        Filter { org, job: None, kind: None, types: Types::ALL, upto: None } => {
            let page = PageQuery { after, limit: query.limit, org: *org, scan: SHORT_SCAN };
            app.rendered_events.page(log, state, page, |event| {
                builder.push(|body| body.extend_from_slice(event));
            })
        }
        filter => log.page_within(SHORT_SCAN, after, query.limit, filter, |row| {
            Ok(enough(builder.push(|body| wire::write_cloudevent(body, row.leaf, row.data)), SHORT_BYTES))
        }),
    })?;
    let whole = builder.shown == query.limit || page.scanned >= page.head;
    Ok((whole && builder.body.len() <= LARGE).then(|| builder.answer(page, Bytes::from)))
}

fn long_page(app: &App, query: &EventQuery, permit: Permit) -> Result<Response, Error> {
    let mut builder = PageBuilder::new(query.limit);
    let after = app.ledger.quiet_after(query.after.unwrap_or_default(), &query.filter);
    let page = app.ledger.log(|log| {
        log.page(after, query.limit, &query.filter, |row| {
            Ok::<_, Error>(enough(builder.push(|body| wire::write_cloudevent(body, row.leaf, row.data)), PAGE_BYTES))
        })
    })?;
    Ok(builder.answer(page, |body| bytes_with_permit(permit, body)))
}

/// A page while it grows.
struct PageBuilder {
    body: Vec<u8>,
    /// How many events it shows.
    shown: u64,
}

impl PageBuilder {
    /// An empty page, with room for a short page of `limit` usual events.
    fn new(limit: u64) -> PageBuilder {
        let mut body = Vec::with_capacity(limit.min(SHORT_LIMIT) as usize * EVENT_BYTES);
        body.extend(b"{\"events\":[");
        PageBuilder { body, shown: 0 }
    }

    /// Adds the event that `write` writes. Returns the bytes of the page so far.
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
