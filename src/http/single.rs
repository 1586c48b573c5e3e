//! The single-job read that all four APIs share: as of a moment, conditional, live.

use axum::http::header::{CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::POSITION;
use super::accept;
use super::app::App;
use super::auth::Caller;
use super::error::Error;
use super::params::Reading;
use super::tail::{Render, live};
use crate::job::{Job, Kind, Position};
use crate::ledger::Shown;

/// How a documented read shows a job.
#[derive(Clone, Copy)]
pub struct View {
    /// Jobs of which kind there are here; `None` for all.
    pub kind: Option<Kind>,
    /// The content type of the answer.
    pub content_type: &'static str,
    /// What `Accept` may ask for besides: other names of the same answer, which then goes under that name.
    pub also: &'static [&'static str],
    /// Whether the answer follows from the job's revision alone, and so has an `ETag`; one that depends on the clock has none.
    pub revisioned: bool,
    /// The read model.
    pub render: Render,
}

/// Answers a single-job read.
pub async fn single_job(
    app: App,
    caller: Caller,
    headers: HeaderMap,
    reading: Reading,
    view: View,
) -> Result<Response, Error> {
    let mut offered = vec![view.content_type];
    offered.extend(view.also);
    offered.push("text/event-stream");
    let chosen = accept::choose(&headers, &offered).ok_or_else(|| Error::not_acceptable(&offered.join(", ")))?;
    if chosen == "text/event-stream" {
        if reading.as_of.is_some() {
            return Err(Error::live_as_of());
        }
        return live(&app, &caller, &headers, &reading, view.kind, view.render).await;
    }
    // Asked for before the job is read: what was erased up to there is not in the answer.
    let erased = reading.as_of.map(|_| app.ledger.erased()).unwrap_or_default();
    // Kept until the answer is rendered.
    let turn;
    let shown = match reading.as_of {
        None => app.ledger.job(&reading.key, reading.min).await?,
        Some(moment) => {
            turn = app.ledger.turn(reading.min).await?;
            app.ledger.job_as_of(&turn, &reading.key, moment).await?
        }
    };
    let position = shown.position;
    let job = shown.value.filter(|job| view.kind.is_none_or(|kind| job.kind == kind));
    let shown = Shown { value: job.ok_or_else(Error::no_such_job)?, position, now: shown.now };
    let etag = view.revisioned.then(|| etag(&shown.value, erased));
    let mut response = if let Some(etag) = etag.as_ref().filter(|etag| matches(&headers, etag)) {
        tracing::trace!(?etag, "not modified");
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let body = (view.render)(app, shown).await?;
        ([(CONTENT_TYPE, chosen)], body).into_response()
    };
    response.headers_mut().insert(POSITION, HeaderValue::from(position.get()));
    if let Some(etag) = etag {
        response.headers_mut().insert(ETAG, etag);
    }
    Ok(response)
}

/// A job's revision: the position of its newest event, quoted. An erasure changes how the past is shown, so what was asked
/// for as of then names the newest one after it too.
fn etag(job: &Job, erased: Position) -> HeaderValue {
    let etag = match erased > job.position {
        true => format!("\"{}-{erased}\"", job.position),
        false => format!("\"{}\"", job.position),
    };
    HeaderValue::from_str(&etag).expect("digits in quotes")
}

/// Weak comparison (RFC 9110, section 13.1.2).
fn matches(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    let etag = etag.to_str().unwrap_or("");
    let tags = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    tags.flat_map(|value| value.split(',')).map(str::trim).any(|tag| tag == "*" || tag.trim_start_matches("W/") == etag)
}
