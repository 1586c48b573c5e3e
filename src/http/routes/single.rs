//! The single-job read that all four APIs share: as of a moment, conditional, live.

use std::sync::Arc;

use axum::http::header::{CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;

use crate::blocking::off_thread;
use crate::http::POSITION;
use crate::http::answer::Error;
use crate::http::answer::{Name, Rendered};
use crate::http::app::App;
use crate::http::request::Caller;
use crate::http::request::Reading;
use crate::http::request::accept;
use crate::http::tail::live;
use crate::job::{Job, JobKey, Kind, Position, Summary, Time};
use crate::ledger::{Found, Ledger, Shown, Turn};
use crate::views::is_large;

/// How a documented read shows a job.
#[derive(Clone, Copy)]
pub struct View {
    /// The path that it is read at: names the view among others.
    pub name: &'static str,
    /// Jobs of which kind there are here; `None` for all.
    pub kind: Option<Kind>,
    /// The content type of the answer.
    pub content_type: &'static str,
    /// What `Accept` may ask for besides: other names of the same answer, which then goes under that name.
    pub also: &'static [&'static str],
    /// Whether the answer follows from the job's revision alone, and so has an `ETag`; one that depends on the clock has none.
    pub revisioned: bool,
    /// The read model: text without newlines but for one at its end, which the ledger's own model has.
    pub render: Render,
}

/// Makes a job's read model.
#[derive(Clone, Copy)]
pub enum Render {
    /// Of the job without its parts, and the time.
    Row(fn(&Summary, Time) -> Vec<u8>),
    /// Of the whole job. For a large job it may take long, and read the log.
    Whole(fn(&Ledger, &Job) -> Result<Vec<u8>, Error>),
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
        return live(&app, &caller, &headers, &reading, view).await;
    }
    match reading.as_of {
        None => {
            let shown = found(&app, &view, &reading.key, reading.min).await?;
            let unchanged = view.revisioned && matches(&headers, &etag(shown.value.position, Position::GENESIS));
            let rendered = match unchanged {
                true => unrendered(&shown.value, shown.position),
                false => rendered(&app, &view, shown).await?,
            };
            Ok(answer(&view, chosen, unchanged, rendered, Position::GENESIS))
        }
        Some(moment) => {
            // Kept until the answer is rendered.
            let turn = app.ledger.turn(reading.min).await?;
            // Asked for before the job is read: what was erased up to there is not in the answer.
            let erased = app.ledger.erased();
            let shown = app.ledger.job_as_of(&turn, &reading.key, moment).await?;
            let shown = of_kind(shown, &view, |job| job.kind)?;
            let unchanged = view.revisioned && matches(&headers, &etag(shown.value.position, erased));
            let rendered = match unchanged {
                true => unrendered(&shown.value, shown.position),
                false => rendered_past(&app, &view, &turn, shown, erased).await?,
            };
            Ok(answer(&view, chosen, unchanged, rendered, erased))
        }
    }
}

/// The job of the view's kind, as it is now; without its parts if it is large.
pub async fn found(app: &App, view: &View, key: &JobKey, min: Option<Position>) -> Result<Shown<Found>, Error> {
    of_kind(app.ledger.job(key, min).await?, view, |job| job.kind)
}

/// What was read, if it is a job of the view's kind; `kind_of` tells of which kind it is.
fn of_kind<J>(shown: Shown<Option<J>>, view: &View, kind_of: fn(&J) -> Kind) -> Result<Shown<J>, Error> {
    let job = shown.value.filter(|job| view.kind.is_none_or(|kind| kind_of(job) == kind));
    Ok(Shown { value: job.ok_or_else(Error::no_such_job)?, position: shown.position, now: shown.now })
}

/// What was found, as the view shows it. A large job is loaded and rendered once for all who read the same revision.
pub async fn rendered(app: &App, view: &View, shown: Shown<Found>) -> Result<Rendered, Error> {
    let mut rendered = unrendered(&shown.value, shown.position);
    match (&shown.value, view.render) {
        (job, Render::Row(render)) => rendered.body = render(job, shown.now).into(),
        (Found::Whole(job), Render::Whole(render)) => rendered.body = render(&app.ledger, job)?.into(),
        (Found::Large(row), Render::Whole(_)) => {
            let key = row.key.clone();
            let name = Name { view: view.name, key: key.clone(), revision: row.position, past: None };
            let make = async {
                let turn = app.ledger.turn(None).await?;
                let shown = of_kind(app.ledger.whole_job(&turn, &key).await?, view, |job| job.kind)?;
                rendered_whole(app, view, &turn, shown).await
            };
            let shared = app.renders.get(app.ledger.erased(), name, make).await?;
            // The job has not changed since it was rendered, or only after it was found here.
            return Ok(Rendered { position: shared.position.max(shown.position), ..shared });
        }
    }
    Ok(rendered)
}

/// The job as of a moment, as the view shows it.
async fn rendered_past(
    app: &App,
    view: &View,
    turn: &Turn,
    shown: Shown<Arc<Job>>,
    erased: Position,
) -> Result<Rendered, Error> {
    if !is_large(&shown.value) || matches!(view.render, Render::Row(_)) {
        return rendered(
            app,
            view,
            Shown { value: Found::Whole(shown.value), position: shown.position, now: shown.now },
        )
        .await;
    }
    let (revision, position) = (shown.value.position, shown.position);
    let name = Name { view: view.name, key: shown.value.key.clone(), revision, past: Some(erased) };
    let rendered = app.renders.get(erased, name, rendered_whole(app, view, turn, shown)).await?;
    Ok(Rendered { position, ..rendered })
}

/// Renders a large job on a thread that may block. The rendering keeps the turn for as long as it runs.
async fn rendered_whole(app: &App, view: &View, turn: &Turn, shown: Shown<Arc<Job>>) -> Result<Rendered, Error> {
    app.ledger.metrics().large_renderings.inc();
    let (ledger, turn, render, now) = (app.ledger.clone(), turn.clone(), view.render, shown.now);
    off_thread(move || {
        let _turn = turn;
        let body = match render {
            Render::Row(render) => render(&shown.value, now),
            Render::Whole(render) => render(&ledger, &shown.value)?,
        };
        Ok(Rendered { body: body.into(), ..unrendered(&shown.value, shown.position) })
    })
    .await
}

fn unrendered(job: &Summary, position: Position) -> Rendered {
    Rendered { revision: job.position, position, ended: job.state.ended_at().is_some(), body: Bytes::new() }
}

fn answer(view: &View, content_type: &str, unchanged: bool, rendered: Rendered, erased: Position) -> Response {
    let Rendered { revision, position, body, .. } = rendered;
    let mut response = match unchanged {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => ([(CONTENT_TYPE, content_type)], body).into_response(),
    };
    response.headers_mut().insert(POSITION, HeaderValue::from(position.get()));
    if view.revisioned {
        response.headers_mut().insert(ETAG, etag(revision, erased));
    }
    response
}

/// A job's revision: the position of its newest event, quoted. An erasure changes how the past is shown, so what was asked
/// for as of then names the newest one after it too.
fn etag(revision: Position, erased: Position) -> HeaderValue {
    let etag = match erased > revision {
        true => format!("\"{revision}-{erased}\""),
        false => format!("\"{revision}\""),
    };
    HeaderValue::from_str(&etag).expect("digits in quotes")
}

/// Weak comparison (RFC 9110, section 13.1.2).
fn matches(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    let etag = etag.to_str().unwrap_or("");
    let tags = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    tags.flat_map(|value| value.split(',')).map(str::trim).any(|tag| tag == "*" || tag.trim_start_matches("W/") == etag)
}
