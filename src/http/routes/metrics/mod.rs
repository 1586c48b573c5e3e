//! `GET /metrics`, for Prometheus: in OpenMetrics, or in the older text format where that is asked for.
//!
//! Not here: the counters of the ledger (`ledger`), of requests (`observe`), of limits (`limits`) and of webhooks (`webhooks`).

mod cluster;
mod memory;
mod plain;
mod process;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

use self::plain::plain;
use crate::access::Capability;
use crate::http::answer::Error;
use crate::http::app::App;
use crate::http::request::Caller;
use crate::http::request::accept;

/// OpenMetrics 1.0.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// The text format of Prometheus.
const PLAIN: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Counters of the ledger, its HTTP requests and its process, of all organisations together.
///
/// In OpenMetrics, or with `Accept: text/plain` in Prometheus' text format. `--metrics-listen` serves the same on a port of its own
/// without a token.
#[utoipa::path(get, path = "/metrics", tag = "operation",
    responses(
        (status = 200, description = "The counters", content(
            (String = "application/openmetrics-text; version=1.0.0; charset=utf-8"),
            (String = "text/plain; version=0.0.4; charset=utf-8"),
        )),
        (status = 403, description = "The role may not"),
        (status = 406, description = "Neither format is accepted"),
    ))]
pub async fn metrics(State(app): State<App>, caller: Caller, headers: HeaderMap) -> Result<Response, Error> {
    caller.require(Capability::Metrics)?;
    shown(&app, &headers)
}

/// The same without a token, on the port of `--metrics-listen`.
pub async fn without_token(State(app): State<App>, headers: HeaderMap) -> Result<Response, Error> {
    shown(&app, &headers)
}

fn shown(app: &App, headers: &HeaderMap) -> Result<Response, Error> {
    let chosen = accept::choose(headers, &[OPENMETRICS, PLAIN]);
    let content_type = chosen.ok_or_else(|| Error::not_acceptable("OpenMetrics or text/plain"))?;
    let mut text = String::new();
    encode(&mut text, &registry(app)?).map_err(|error| Error::internal(&error))?;
    let text = if content_type == PLAIN { plain(&text) } else { text };
    Ok(([(CONTENT_TYPE, content_type)], text).into_response())
}

/// Everything that is counted, as it is now.
fn registry(app: &App) -> Result<Registry, Error> {
    let wal = std::fs::metadata(app.ledger.folder().log().with_extension("db-wal")).map_or(0, |file| file.len());
    let counted = app.ledger.metrics();
    counted.wal_bytes.set(i64::try_from(wal).unwrap_or(i64::MAX));
    counted.body_bytes.set(app.limits.bodies.held() as i64);
    // Looked at here and nowhere else: threads that set a gauge by turns could leave an old figure standing.
    let (head, (_, views)) = (app.ledger.head().get(), app.ledger.views());
    counted.head.set(head as i64);
    counted.clock_behind.set((app.ledger.clock_behind_ms()? / 1000) as i64);
    counted.set_aside.set(app.ledger.count_set_aside().unwrap_or_default() as i64);
    let signed = app.ledger.log(|log| log.checkpoint())?;
    let (signed, anchored) = (signed.map_or(0, |newest| newest.size.get()), app.ledger.anchored().unwrap_or_default());
    counted.tree_size.set(signed as i64);
    counted.anchor_size.set(anchored.size as i64);
    counted.anchor_lag.set(signed.saturating_sub(anchored.size) as i64);
    counted.leases.set(app.ledger.count_leases() as i64);
    counted.view_lag.set(head.saturating_sub(views.get()) as i64);
    let mut registry = Registry::default();
    counted.register(&mut registry);
    app.limits.register(app.ledger.turns(), &mut registry);
    let help = "Lines of the log that were dropped, because stderr did not take them";
    registry.register("jobledger_log_lines_dropped", help, app.dropped_lines.clone());
    let help = "Streams of server-sent events that wait for their turn to be opened";
    registry.register("jobledger_tails_waiting", help, app.openings.waiting());
    app.webhooks.register(app.ledger.head(), &mut registry);
    memory::register(app, &mut registry);
    app.requests.register(&mut registry);
    if let (Some(cluster), Some(node)) = (&app.cluster, app.ledger.node()) {
        cluster::register(&cluster.condition(node), &mut registry);
    }
    process::register(&mut registry);
    Ok(registry)
}
