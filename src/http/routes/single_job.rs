//! The single-job read that all four APIs share: of now or of a moment, conditional, or live.

use std::sync::Arc;

use axum::http::header::{CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;

use crate::http::POSITION;
use crate::http::answer::{Error, RenderedJob, RenderingKey};
use crate::http::app::App;
use crate::http::observe::off_thread;
use crate::http::request::{Caller, JobRead, accept, refuse_heartbeat};
use crate::http::tail::{live, live_changes, or_busy};
use crate::job::{Job, JobKey, Kind, Position, Summary, Time};
use crate::ledger::{AsOf, Found, Ledger, Shown, Turn};
use crate::views::is_large;

/// How a route represents a job.
#[derive(Clone, Copy)]
pub struct Representation {
    /// The path of the route, which names the representation among others.
    pub path: &'static str,
    /// The kind of the jobs that the route has; `None` for all kinds.
    pub kind: Option<Kind>,
    /// The content type of the answer.
    pub content_type: &'static str,
    /// Other content types that `Accept` may ask for. The same answer goes out under that name.
    pub also: &'static [&'static str],
    /// Whether the answer follows from the job's revision alone, and so has an `ETag`. An answer that depends on the clock has
    /// none.
    pub has_etag: bool,
    /// Whether a live read sends the members that change. Otherwise it sends the whole job after each change, as the documented
    /// APIs do.
    pub tells_changes: bool,
    /// Renders the job.
    pub render: Render,
}

/// Renders a job as text without newlines, but for one at the end, which the ledger's own model has.
#[derive(Clone, Copy)]
pub enum Render {
    /// From the job without its parts, and the time.
    Row(fn(&Summary, Time) -> Vec<u8>),
    /// From the whole job. For a large job it may take long, and read the log.
    Whole(fn(&Ledger, &Job) -> Result<Vec<u8>, Error>),
}

/// Answers a single-job read.
pub async fn single_job(
    app: App,
    caller: Caller,
    headers: HeaderMap,
    read: JobRead,
    representation: Representation,
) -> Result<Response, Error> {
    let mut offered = vec![representation.content_type];
    offered.extend(representation.also);
    offered.push("text/event-stream");
    let chosen = accept::choose(&headers, &offered).ok_or_else(|| Error::not_acceptable(&offered.join(", ")))?;
    if chosen == "text/event-stream" {
        if read.as_of.is_some() {
            return Err(Error::live_as_of());
        }
        let opened = match representation.tells_changes {
            true => live_changes(&app, &caller, &headers, &read, representation).await,
            false => live(&app, &caller, &headers, &read, representation).await,
        };
        return or_busy(&app, &caller, opened);
    }
    refuse_heartbeat(read.heartbeat)?;
    let conditional = Conditional { headers: &headers, representation: &representation, content_type: chosen };
    match read.as_of {
        None => current(&app, &read, conditional).await,
        Some(moment) => past(&app, &read, moment, conditional).await,
    }
}

/// A read whose answer may be 304.
#[derive(Clone, Copy)]
struct Conditional<'a> {
    headers: &'a HeaderMap,
    representation: &'a Representation,
    content_type: &'a str,
}

impl Conditional<'_> {
    /// Whether `If-None-Match` names this version.
    fn is_known(&self, version: Version) -> bool {
        self.representation.has_etag && matches(self.headers, &version.etag())
    }

    /// 200 with the job.
    fn answer(&self, rendered: RenderedJob, redacted: Position) -> Response {
        let version = Version { revision: rendered.revision, redacted };
        let body = ([(CONTENT_TYPE, self.content_type)], rendered.body);
        self.with_headers(body.into_response(), rendered.position, version)
    }

    /// 304.
    fn not_modified(&self, position: Position, version: Version) -> Response {
        self.with_headers(StatusCode::NOT_MODIFIED.into_response(), position, version)
    }

    fn with_headers(&self, mut response: Response, position: Position, version: Version) -> Response {
        response.headers_mut().insert(POSITION, HeaderValue::from(position.get()));
        if self.representation.has_etag {
            response.headers_mut().insert(ETAG, version.etag());
        }
        response
    }
}

/// What an `ETag` names.
#[derive(Clone, Copy)]
struct Version {
    /// The job's revision: the position of its newest event.
    revision: Position,
    /// For a read as of a moment the newest redaction, because a redaction changes how the past is shown; else 0.
    redacted: Position,
}

impl Version {
    /// The revision in quotes. A redaction after the revision is named too.
    fn etag(self) -> HeaderValue {
        let Version { revision, redacted } = self;
        let etag = match redacted > revision {
            true => format!("\"{revision}-{redacted}\""),
            false => format!("\"{revision}\""),
        };
        HeaderValue::from_str(&etag).expect("digits in quotes")
    }
}

/// Answers with the job as it is now.
async fn current(app: &App, read: &JobRead, conditional: Conditional<'_>) -> Result<Response, Error> {
    let shown = found(app, conditional.representation, &read.key, read.min).await?;
    let version = Version { revision: shown.value.position, redacted: Position::GENESIS };
    if conditional.is_known(version) {
        return Ok(conditional.not_modified(shown.position, version));
    }
    let rendered = rendered(app, conditional.representation, shown).await?;
    Ok(conditional.answer(rendered, Position::GENESIS))
}

/// Answers with the job as of `moment`.
async fn past(app: &App, read: &JobRead, moment: AsOf, conditional: Conditional<'_>) -> Result<Response, Error> {
    // Held until the answer is rendered.
    let turn = app.ledger.turn(read.min).await?;
    // Asked for before the job is read: the answer shows no text that was redacted up to here.
    let redacted = app.ledger.newest_redaction();
    let shown = app.ledger.job_as_of(&turn, &read.key, moment).await?;
    let shown = of_kind(shown, conditional.representation, |job| job.kind)?;
    let version = Version { revision: shown.value.position, redacted };
    if conditional.is_known(version) {
        return Ok(conditional.not_modified(shown.position, version));
    }
    let rendered = rendered_past(app, conditional.representation, &turn, shown, redacted).await?;
    Ok(conditional.answer(rendered, redacted))
}

/// The job as it is now, if it is of the representation's kind; without its parts if it is large.
///
/// # Errors
///
/// 404 if there is no such job of the kind; 503 while the views are behind.
pub async fn found(
    app: &App,
    representation: &Representation,
    key: &JobKey,
    min: Option<Position>,
) -> Result<Shown<Found>, Error> {
    of_kind(app.ledger.job(key, min).await?, representation, |job| job.kind)
}

/// The job that was read, if its kind, which `kind_of` tells, is the representation's.
fn of_kind<J>(
    shown: Shown<Option<J>>,
    representation: &Representation,
    kind_of: fn(&J) -> Kind,
) -> Result<Shown<J>, Error> {
    let job = shown.value.filter(|job| representation.kind.is_none_or(|kind| kind_of(job) == kind));
    Ok(Shown { value: job.ok_or_else(Error::no_such_job)?, position: shown.position, now: shown.now })
}

/// Renders the job that was found. A large job is loaded and rendered once for all readers of the same revision.
pub async fn rendered(app: &App, representation: &Representation, shown: Shown<Found>) -> Result<RenderedJob, Error> {
    let body = match (&shown.value, representation.render) {
        (job, Render::Row(render)) => render(job, shown.now),
        (Found::Whole(job), Render::Whole(render)) => render(&app.ledger, job)?,
        (Found::Large { row, .. }, Render::Whole(_)) => {
            let job = row.key.clone();
            let key = RenderingKey { path: representation.path, key: job.clone(), revision: row.position, past: None };
            let render = async {
                let turn = app.ledger.turn(None).await?;
                let shown = of_kind(app.ledger.whole_job(&turn, &job).await?, representation, |job| job.kind)?;
                rendered_whole(app, representation, &turn, shown).await
            };
            let shared = app.rendered_jobs.get(app.ledger.newest_redaction(), key, render).await?;
            // The job has not changed since the rendering, or it changed after it was found here.
            return Ok(RenderedJob { position: shared.position.max(shown.position), ..shared });
        }
    };
    Ok(with_body(&shown.value, shown.position, body))
}

/// Renders the job as of a moment. Readers share the rendering of a large job.
async fn rendered_past(
    app: &App,
    representation: &Representation,
    turn: &Turn,
    shown: Shown<Arc<Job>>,
    redacted: Position,
) -> Result<RenderedJob, Error> {
    if !is_large(&shown.value) || matches!(representation.render, Render::Row(_)) {
        let found = Shown { value: Found::Whole(shown.value), position: shown.position, now: shown.now };
        return rendered(app, representation, found).await;
    }
    let (job, revision, position) = (shown.value.key.clone(), shown.value.position, shown.position);
    let key = RenderingKey { path: representation.path, key: job, revision, past: Some(redacted) };
    let render = rendered_whole(app, representation, turn, shown);
    let rendered = app.rendered_jobs.get(redacted, key, render).await?;
    Ok(RenderedJob { position, ..rendered })
}

/// Renders a large job on a thread that may block. The rendering holds the turn while it runs.
async fn rendered_whole(
    app: &App,
    representation: &Representation,
    turn: &Turn,
    shown: Shown<Arc<Job>>,
) -> Result<RenderedJob, Error> {
    app.ledger.metrics().large_renderings.inc();
    let (ledger, turn, render, now) = (app.ledger.clone(), turn.clone(), representation.render, shown.now);
    off_thread(move || {
        let _turn = turn;
        let body = match render {
            Render::Row(render) => render(&shown.value, now),
            Render::Whole(render) => render(&ledger, &shown.value)?,
        };
        Ok(with_body(&shown.value, shown.position, body))
    })
    .await
}

fn with_body(job: &Summary, position: Position, body: Vec<u8>) -> RenderedJob {
    RenderedJob { revision: job.position, position, ended: job.state.ended_at().is_some(), body: Bytes::from(body) }
}

/// Weak comparison (RFC 9110, section 13.1.2).
fn matches(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    let etag = etag.to_str().unwrap_or("");
    let tags = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    tags.flat_map(|value| value.split(',')).map(str::trim).any(|tag| tag == "*" || tag.trim_start_matches("W/") == etag)
}
