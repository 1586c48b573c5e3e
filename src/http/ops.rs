//! Operation: liveness, readiness, metrics, and making the views again.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use prometheus_client::registry::Registry;
use serde::Serialize;
use utoipa::ToSchema;

use super::app::App;
use super::auth::Caller;
use super::error::Error;
use super::params::Params;
use crate::access::Capability;
use crate::job::JobKey;
use crate::ledger::{CLOCK_BEHIND_MS, Health};
use crate::views::SetAside;

/// How long the anchor may be without the newest checkpoint while the server counts as ready.
const READY_ANCHOR: Duration = Duration::from_secs(5);
/// How far the views may be behind while the server counts as ready, in milliseconds.
const READY_LAG_MS: u64 = 1000;

/// Jobs that are set aside and named in `/readyz`.
const NAMED_JOBS: usize = 10;

/// Liveness.
#[derive(Debug, Serialize, ToSchema)]
pub struct Alive {
    /// Always `ok`.
    status: &'static str,
}

/// Readiness.
#[derive(Debug, Serialize, ToSchema)]
pub struct Ready {
    /// `ready`, or `not ready`.
    status: &'static str,
    /// Newest position.
    #[schema(minimum = 0)]
    head: u64,
    /// Position that the views show.
    #[schema(minimum = 0)]
    views: u64,
    /// What keeps the server from being ready.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reasons: Vec<String>,
    /// What an operator should look at while the server is ready all the same.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

/// Whether the process lives.
#[utoipa::path(get, path = "/healthz", tag = "operation", security(()),
    responses((status = 200, description = "It does", body = Alive)))]
pub async fn healthz() -> Response {
    axum::Json(Alive { status: "ok" }).into_response()
}

/// Whether the log is open and takes writes, the views are less than a second behind, and the anchor less than five.
#[utoipa::path(get, path = "/readyz", tag = "operation", security(()),
    responses((status = 200, description = "Ready", body = Ready), (status = 503, description = "Not ready; `reasons` say why", body = Ready)))]
pub async fn readyz(State(app): State<App>) -> Response {
    let ready = ready(&app);
    let status = if ready.reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    // Not an error body: what is said is the same whether ready or not.
    let mut response = (status, axum::Json(ready)).into_response();
    response.extensions_mut().insert(super::error::AsItIs);
    response
}

fn ready(app: &App) -> Ready {
    let (health, views) = app.ledger.views();
    let head = app.ledger.head();
    let mut reasons = Vec::new();
    if let Some(why) = app.ledger.threads().why_ending() {
        reasons.push(why.to_owned());
    }
    if let Some(why) = app.ledger.read_only() {
        reasons.push(format!("read-only: {why}"));
    }
    reasons.extend(anchor_behind(app));
    match health {
        Health::Following => {}
        Health::Rebuilding => reasons.push(format!("the views are being made from the log, {views} of {head}")),
        Health::Stopped(why) => reasons.push(format!("the views have stopped at {views}: {why}")),
    }
    if let Some(lag) = lag_ms(app).filter(|lag| *lag >= READY_LAG_MS) {
        reasons.push(format!("the views are {lag} ms behind"));
    }
    if !app.ledger.erasures_made_good() {
        reasons.push("what was erased before the start is not out of the files yet".into());
    }
    if *app.stopping.borrow() {
        reasons.push("the server is stopping".into());
    }
    let status = if reasons.is_empty() { "ready" } else { "not ready" };
    Ready { status, head: head.get(), views: views.get(), reasons, warnings: warnings(app) }
}

/// What is wrong with single jobs or with the clock: the server is ready for everything else.
fn warnings(app: &App) -> Vec<String> {
    let aside = app.ledger.set_aside(NAMED_JOBS + 1).unwrap_or_default();
    let mut warnings: Vec<String> = aside.iter().take(NAMED_JOBS).map(set_aside).collect();
    if aside.len() > NAMED_JOBS {
        warnings.push("more jobs are set aside; `jobledger_jobs_set_aside` in `/metrics` counts them".into());
    }
    let behind_ms = app.ledger.clock_behind_ms().unwrap_or_default();
    if behind_ms > CLOCK_BEHIND_MS {
        warnings.push(format!("the clock is {} s behind the newest event; check it", behind_ms / 1000));
    }
    warnings
}

fn set_aside(job: &SetAside) -> String {
    let JobKey { org, id } = &job.key;
    format!("job `{id}` of organisation {org} is set aside, because event {} does not fold", job.position)
}

/// An anchor that is not written is no reason to lose what workers report: appends go on, and whoever watches is told. Where
/// the ledger takes no writes that is reason enough.
fn anchor_behind(app: &App) -> Option<String> {
    let anchored = app.ledger.anchored().filter(|_| app.ledger.read_only().is_none())?;
    match anchored.current.map(|current| current.elapsed()) {
        Some(behind) if behind < READY_ANCHOR => None,
        Some(behind) => Some(format!("the anchor is {} s behind; the log says why", behind.as_secs())),
        None => Some("the anchor was not written since the start; the log says why".into()),
    }
}

/// How long ago the oldest event that the views do not show was recorded.
fn lag_ms(app: &App) -> Option<u64> {
    let (_, views) = app.ledger.views();
    if views >= app.ledger.head() {
        return None;
    }
    let recorded = app.ledger.log(|log| log.recorded(views.next())).ok()??;
    Some(app.ledger.now().millis_since(recorded))
}

/// Counters in Prometheus' text format (OpenMetrics).
#[utoipa::path(get, path = "/metrics", tag = "operation",
    responses(
        (status = 200, description = "The counters", body = String, content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8"),
    ))]
pub async fn metrics(State(app): State<App>, caller: Caller) -> Result<Response, Error> {
    caller.require(Capability::ReadLedger)?;
    let wal = std::fs::metadata(app.ledger.folder().log().with_extension("db-wal")).map_or(0, |file| file.len());
    let counted = app.ledger.metrics();
    counted.wal_bytes.set(i64::try_from(wal).unwrap_or(i64::MAX));
    counted.body_bytes.set(app.limits.bodies.held() as i64);
    // Looked at here and nowhere else: threads that set a gauge by turns could leave an old figure standing.
    let (head, (_, views)) = (app.ledger.head().get(), app.ledger.views());
    counted.head.set(head as i64);
    counted.clock_behind.set((app.ledger.clock_behind_ms()? / 1000) as i64);
    counted.set_aside.set(app.ledger.set_aside(usize::MAX).map_or(0, |jobs| jobs.len() as i64));
    let signed = app.ledger.log(|log| log.checkpoint())?;
    let (signed, anchored) = (signed.map_or(0, |newest| newest.size.get()), app.ledger.anchored().unwrap_or_default());
    counted.tree_size.set(signed as i64);
    counted.anchor_size.set(anchored.size as i64);
    counted.anchor_lag.set(signed.saturating_sub(anchored.size) as i64);
    counted.view_lag.set(head.saturating_sub(views.get()) as i64);
    let mut registry = Registry::default();
    counted.register(&mut registry);
    app.limits.register(&mut registry);
    let help = "Lines of the log that were dropped, because stderr did not take them";
    registry.register("jobledger_log_lines_dropped", help, app.dropped_lines.clone());
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).map_err(|error| Error::internal(&error))?;
    Ok(([(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text).into_response())
}

/// How a rebuild stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct RebuildState {
    /// `running` or `done`.
    state: &'static str,
    /// The position reached.
    #[schema(minimum = 0)]
    position: u64,
    /// The newest position.
    #[schema(minimum = 0)]
    head: u64,
}

/// Make the views again from the log, beside the old ones, which answer until the new ones take their place.
///
/// Starts a rebuild, or joins the one that runs; answers how it stands after at most a second, so ask again while it runs.
#[utoipa::path(post, path = "/ledger/rebuild", tag = "operation",
    responses(
        (status = 200, description = "Done", body = RebuildState),
        (status = 202, description = "Running", body = RebuildState),
        (status = 400, description = "A parameter that is unknown here"),
        (status = 403, description = "The role may not"),
    ))]
pub async fn rebuild(State(app): State<App>, caller: Caller, params: Params) -> Result<Response, Error> {
    caller.require(Capability::Rebuild)?;
    params.finish()?;
    let mut rebuild = app.ledger.rebuild();
    let _ = tokio::time::timeout(Duration::from_secs(1), rebuild.outcome.wait_for(Option::is_some)).await;
    let (position, head) = (rebuild.reached.borrow().get(), app.ledger.head().get());
    let outcome = rebuild.outcome.borrow().clone();
    let (status, state) = match outcome {
        None => (StatusCode::ACCEPTED, "running"),
        Some(Ok(())) => (StatusCode::OK, "done"),
        Some(Err(why)) => {
            tracing::error!(why, "a rebuild failed");
            return Err(Error::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "rebuild-failed",
                "the rebuild failed; the log says why",
            ));
        }
    };
    Ok((status, axum::Json(RebuildState { state, position, head })).into_response())
}
