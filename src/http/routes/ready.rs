//! Liveness and readiness. Without a token a probe learns whether the server is ready, and the code of the reason. Positions, jobs
//! and causes need a token.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::access::Capability;
use crate::http::answer::JsonLine;
use crate::http::app::App;
use crate::http::node_model::NodeModel;
use crate::http::request::Caller;
use crate::job::JobKey;
use crate::ledger::{CLOCK_BEHIND_MS, Health, Role};
use crate::views::SetAside;

/// How long the anchor may be without the newest checkpoint while the server counts as ready.
const READY_ANCHOR: Duration = Duration::from_secs(5);
/// How far the views may be behind while the server counts as ready, in milliseconds.
const READY_LAG_MS: u64 = 1000;

/// Most jobs that `/readyz` names among those that are set aside.
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
    /// The first reason why the server is not ready, for programs: `thread-panicked`, `read-only`, `catching-up`,
    /// `stream-silent`, `anchor-behind`, `views-rebuilding`, `views-stopped`, `views-behind`, `erasure-pending` or `stopping`.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    /// With a token: the newest position.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0)]
    head: Option<u64>,
    /// With a token: the position that the views show.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0)]
    views: Option<u64>,
    /// With a token: what keeps the server from being ready.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reasons: Vec<String>,
    /// With a token: what an operator should look at while the server is ready all the same.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    /// With a token, on a node of a cluster: how the node and its cluster are.
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<NodeModel>,
}

/// Whether the process lives.
#[utoipa::path(get, path = "/healthz", tag = "operation", security(()),
    responses((status = 200, description = "It does", body = Alive)))]
pub async fn healthz() -> Response {
    JsonLine(Alive { status: "ok" }).into_response()
}

/// Whether the log is open and takes writes, the views are less than a second behind, and the anchor less than five.
#[utoipa::path(get, path = "/readyz", tag = "operation", security(()),
    responses((status = 200, description = "Ready", body = Ready), (status = 503, description = "Not ready; `code` says why, and with a token `reasons` do", body = Ready)))]
pub async fn readyz(State(app): State<App>, caller: Option<Caller>) -> Response {
    let ready = ready(&app, caller.as_ref());
    let status = if ready.code.is_none() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    // The body has the same form for 200 and 503, so it is no error body.
    let mut response = (status, JsonLine(ready)).into_response();
    response.extensions_mut().insert(crate::http::answer::KeepBody);
    response
}

fn ready(app: &App, caller: Option<&Caller>) -> Ready {
    let reasons = reasons(app);
    let status = if reasons.is_empty() { "ready" } else { "not ready" };
    let code = reasons.first().map(|(code, _)| *code);
    let Some(caller) = caller else {
        let (reasons, warnings) = (Vec::new(), Vec::new());
        return Ready { status, code, head: None, views: None, reasons, warnings, cluster: None };
    };
    Ready {
        status,
        code,
        head: Some(app.ledger.head().get()),
        views: Some(app.ledger.views().1.get()),
        reasons: reasons.into_iter().map(|(_, reason)| reason).collect(),
        warnings: warnings(app, caller),
        cluster: NodeModel::of(app),
    }
}

/// What keeps the server from being ready, the gravest first: a code for programs, and a sentence.
fn reasons(app: &App) -> Vec<(&'static str, String)> {
    let (health, views) = app.ledger.views();
    let head = app.ledger.head();
    let mut reasons = Vec::new();
    if let Some(why) = app.ledger.threads().why_ending() {
        reasons.push(("thread-panicked", why.to_owned()));
    }
    if let Some(why) = app.ledger.read_only() {
        reasons.push(("read-only", format!("read-only: {why}")));
    }
    reasons.extend(apart(app));
    reasons.extend(anchor_behind(app).map(|why| ("anchor-behind", why)));
    match health {
        Health::Following => {}
        Health::Rebuilding => {
            reasons.push(("views-rebuilding", format!("the views are being made from the log, {views} of {head}")));
        }
        Health::Stopped(why) => reasons.push(("views-stopped", format!("the views have stopped at {views}: {why}"))),
    }
    if let Some(lag) = lag_ms(app).filter(|lag| *lag >= READY_LAG_MS) {
        reasons.push(("views-behind", format!("the views are {lag} ms behind")));
    }
    if !app.ledger.earlier_redactions_are_applied() {
        reasons.push(("erasure-pending", "what was erased before the start is not out of the files yet".into()));
    }
    if *app.stopping.borrow() {
        reasons.push(("stopping", "the server is stopping".into()));
    }
    reasons
}

/// Why the node does not know what the cluster knows; `None` if it does.
fn apart(app: &App) -> Option<(&'static str, String)> {
    let state = app.ledger.node()?.state();
    if state.role == Role::CatchingUp {
        return Some(("catching-up", "the node reads the stream up to its end".into()));
    }
    // The same word ends tails, so a node that is ready also opens them.
    let apart = app.cluster.as_ref().is_some_and(|cluster| *cluster.apart().borrow());
    let silent = state.heard.elapsed().as_secs();
    apart.then(|| {
        (
            "stream-silent",
            format!("the node does not hear its cluster, or lacks messages; NATS answered {silent} s ago"),
        )
    })
}

/// What is wrong with single jobs that the caller may see, or with the clock: the server is ready for everything else.
fn warnings(app: &App, caller: &Caller) -> Vec<String> {
    let sees_all = caller.0.role.may(Capability::AllOrganisations);
    let org = (!sees_all).then_some(caller.0.org);
    let aside = app.ledger.set_aside(org, NAMED_JOBS + 1).unwrap_or_default();
    let mut warnings: Vec<String> = aside.iter().take(NAMED_JOBS).map(set_aside).collect();
    if aside.len() > NAMED_JOBS {
        warnings.push(
            "more jobs are set aside; an administrator finds their number in `/metrics`, as `jobledger_jobs_set_aside`"
                .into(),
        );
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

/// How far the anchor is behind, as a sentence; `None` if the server counts as ready. If the anchor cannot be written, appends go
/// on, because a refusal would lose the reports of workers; readiness tells the operator. A read-only ledger has another reason.
fn anchor_behind(app: &App) -> Option<String> {
    let anchored = app.ledger.anchored().filter(|_| app.ledger.read_only().is_none())?;
    match anchored.current.map(|current| current.elapsed()) {
        Some(behind) if behind < READY_ANCHOR => None,
        Some(behind) => Some(format!("the anchor is {} s behind; the log says why", behind.as_secs())),
        None => Some("the anchor was not written since the start; the log says why".into()),
    }
}

/// How many milliseconds ago the oldest event that the views lack was recorded; `None` if they show the head.
fn lag_ms(app: &App) -> Option<u64> {
    let (_, views) = app.ledger.views();
    if views >= app.ledger.head() {
        return None;
    }
    let recorded = app.ledger.log(|log| log.recorded(views.next())).ok()??;
    Some(app.ledger.now().millis_since(recorded))
}
