//! `POST /ledger/rebuild`: the views made again, beside those that answer.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::access::Capability;
use crate::http::answer::JsonLine;
use crate::http::answer::{Code, Error};
use crate::http::app::App;
use crate::http::observe::in_request;
use crate::http::request::Caller;
use crate::http::request::Params;

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
        Some(Err(error)) => {
            in_request(|| tracing::error!(error = &error as &dyn std::error::Error, "a rebuild failed"));
            return Err(Error::new(Code::REBUILD_FAILED, "the rebuild failed; the log says why"));
        }
    };
    Ok((status, JsonLine(RebuildState { state, position, head })).into_response())
}
