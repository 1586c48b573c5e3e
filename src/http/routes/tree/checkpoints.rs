//! `GET /ledger/checkpoint` and `/ledger/checkpoints`: what the ledger has signed.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::{changing, published};
use crate::access::Capability;
use crate::http::answer::Error;
use crate::http::answer::JsonLine;
use crate::http::app::App;
use crate::http::request::Caller;
use crate::http::request::Params;
use crate::job::Position;

/// Checkpoints in the order in which they were signed.
#[derive(Debug, Serialize, ToSchema)]
pub struct CheckpointList {
    /// One a commit.
    checkpoints: Vec<Signed>,
    /// `from` of the next page; null after the newest.
    #[schema(minimum = 1)]
    next: Option<u64>,
}

/// A signed checkpoint.
#[derive(Debug, Serialize, ToSchema)]
struct Signed {
    /// Its place among all that were signed, from 1.
    #[schema(minimum = 1)]
    number: u64,
    /// How many events it covers: the position after the newest of them.
    #[schema(minimum = 1)]
    size: u64,
    /// The signed note, exactly.
    note: String,
}

/// The newest checkpoint: origin, size and root, signed (C2SP tlog-checkpoint).
#[utoipa::path(
    get, path = "/ledger/checkpoint", tag = "tree", operation_id = "get_checkpoint",
    responses(
        (status = 200, description = "The signed note", body = String, content_type = "text/plain; charset=utf-8"),
        (status = 404, description = "None was ever signed in this copy of the log"),
    )
)]
pub async fn newest(State(app): State<App>, caller: Caller, params: Params) -> Result<Response, Error> {
    caller.require(Capability::ReadLedger)?;
    params.finish()?;
    let newest = app.ledger.log(published)?;
    Ok((changing("text/plain; charset=utf-8", Position::new(newest.size.last())), newest.note).into_response())
}

/// Every checkpoint that was ever published, in order.
#[utoipa::path(
    get, path = "/ledger/checkpoints", tag = "tree", operation_id = "list_checkpoints",
    params(
        ("from" = Option<u64>, Query, description = "Checkpoints from this number on; default 1", minimum = 1, maximum = 9_007_199_254_740_992_u64),
        ("limit" = Option<u64>, Query, description = "Checkpoints on a page, 1 to 1000; default 50", minimum = 1, maximum = 1000),
    ),
    responses(
        (status = 200, description = "A page", body = CheckpointList),
        (status = 400, description = "A parameter is not what was expected"),
    )
)]
pub async fn list(State(app): State<App>, caller: Caller, mut params: Params) -> Result<Response, Error> {
    caller.require(Capability::ReadLedger)?;
    let from = params.count("from", 1, 1 << 53)? as u64;
    let limit = params.count("limit", 50, 1000)?;
    params.finish()?;
    let head = app.ledger.head();
    // One more than is shown tells whether there is a next page.
    let mut found = app.ledger.log(|log| log.checkpoints(from, limit as u64 + 1))?;
    let next = found.get(limit).map(|next| next.number);
    found.truncate(limit);
    let checkpoints = found.into_iter().map(|signed| Signed {
        number: signed.number,
        size: signed.size.get(),
        note: String::from_utf8_lossy(&signed.note).into_owned(),
    });
    let list = CheckpointList { checkpoints: checkpoints.collect(), next };
    Ok((changing("application/json", head), JsonLine(list)).into_response())
}
