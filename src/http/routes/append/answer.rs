//! The answer of an append: where each event is, with its receipt if the request prefers one.

use std::time::Duration;

use axum::http::header::HeaderValue;
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::POSITION;
use crate::http::answer::{Error, JsonLine};
use crate::http::app::App;
use crate::http::observe::{in_request, off_thread};
use crate::job::{JobKey, OrgId, Position, Time};
use crate::ledger::{Appended, AppendedEvent, ProveError, receipt};
use crate::log::Reader;

const PREFER: HeaderName = HeaderName::from_static("prefer");
/// Names the preference of the request that was honoured (RFC 7240, section 3).
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// The body of the answer.
#[derive(Debug, Serialize, ToSchema)]
pub struct AppendAnswer {
    /// One member for each event, in the order of the request.
    events: Vec<EventAnswer>,
    /// The newest position of this request.
    #[schema(minimum = 0)]
    position: u64,
}

/// Where one event is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AppendedEvent)]
struct EventAnswer {
    /// The producer's id.
    id: String,
    /// The producer.
    source: String,
    /// The job; a new UUIDv7 if the producer gave none.
    subject: String,
    /// The event's place in the log.
    #[schema(minimum = 0)]
    position: u64,
    /// Whether the log had the event before this request.
    duplicate: bool,
    /// The proof that the event is in the log, with `Prefer: return=receipt`: a tlog-proof file with the event's leaf in `extra`.
    /// A receipt proves the event for ever; `jobledger verify receipt` checks it.
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<String>,
    /// The lease that a `job.started` with `lease_sec` began; absent once the lease is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    lease: Option<LeaseAnswer>,
}

/// A worker's lease of a job.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Lease)]
pub struct LeaseAnswer {
    /// What the holder sends as the header `Ledger-Lease`.
    token: String,
    /// When the lease runs out if the holder neither reports nor renews it.
    until: String,
}

impl LeaseAnswer {
    /// The lease that the `job.started` at `since` began; `left` is how long it lasts.
    pub fn new(app: &App, key: &JobKey, since: Position, left: Duration) -> LeaseAnswer {
        let left = i64::try_from(left.as_nanos()).unwrap_or(i64::MAX);
        // Whole milliseconds are exact enough for a time that each report moves.
        let until = Time::from_micros(app.ledger.now().plus(left).micros() / 1000 * 1000).to_string();
        LeaseAnswer { token: app.ledger.lease_token(key, since).to_string(), until }
    }

    /// The lease that the event began; `None` once the lease is over.
    pub(super) fn of_start(app: &App, org: OrgId, event: &AppendedEvent) -> Option<LeaseAnswer> {
        let key = JobKey { org, id: event.subject.clone() };
        let left = app.ledger.lease_left(&key, event.position)?;
        Some(LeaseAnswer::new(app, &key, event.position, left))
    }
}

impl AppendAnswer {
    /// The answer to `appended`, with the lease of each event that began one, by the event's place.
    pub(super) fn new(appended: Appended, leases: Vec<(usize, Option<LeaseAnswer>)>) -> AppendAnswer {
        let position = appended.position().get();
        let events = appended.events.into_iter().map(|event| EventAnswer {
            id: event.id,
            source: event.source,
            subject: event.subject.to_string(),
            position: event.position.get(),
            duplicate: event.duplicate,
            receipt: None,
            lease: None,
        });
        let mut events: Vec<EventAnswer> = events.collect();
        leases.into_iter().for_each(|(place, lease)| events[place].lease = lease);
        AppendAnswer { events, position }
    }

    /// The answer without receipts.
    pub(super) fn respond(self, status: StatusCode) -> Response {
        (status, [(POSITION, HeaderValue::from(self.position))], JsonLine(self)).into_response()
    }

    /// The answer with receipts. The events are in the log already, so it goes out without receipts if they cannot be made;
    /// `Preference-Applied` tells which.
    pub(super) async fn respond_with_receipts(mut self, app: App, status: StatusCode) -> Result<Response, Error> {
        let answer = off_thread(move || {
            match app.ledger.log(|log| self.receipts(log)) {
                Ok(receipts) => {
                    self.events.iter_mut().zip(receipts).for_each(|(event, receipt)| event.receipt = receipt);
                }
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    in_request(|| tracing::error!(error, "the receipts of an append cannot be made"));
                }
            }
            Ok::<_, Error>(self)
        })
        .await?;
        let applied = answer.events.iter().all(|event| event.receipt.is_some());
        let applied = applied.then_some([(PREFERENCE_APPLIED, HeaderValue::from_static("return=receipt"))]);
        Ok((applied, answer.respond(status)).into_response())
    }

    /// The receipts under the newest checkpoint, which covers the events by now.
    fn receipts(&self, log: &Reader<'_>) -> Result<Vec<Option<String>>, ProveError> {
        let Some(newest) = log.checkpoint()? else { return Ok(Vec::new()) };
        let one = |event: &EventAnswer| Ok(Some(receipt(log, &newest, Position::new(event.position))?.to_string()));
        self.events.iter().map(one).collect()
    }
}

/// Whether one of the preferences (RFC 7240) is `return=receipt`.
pub fn prefers_receipt(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(PREFER).iter().filter_map(|line| line.to_str().ok());
    let preferences = lines.flat_map(|line| line.split(',')).filter_map(|one| one.split(';').next());
    preferences.filter_map(|one| one.split_once('=')).any(|(name, value)| {
        name.trim().eq_ignore_ascii_case("return") && value.trim().trim_matches('"').eq_ignore_ascii_case("receipt")
    })
}
