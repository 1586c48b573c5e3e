//! `GET /ledger/events/{position}/leaf`, `/ledger/events/{position}/proof` and `/ledger/consistency`.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::{changing, immutable, published};
use crate::access::Capability;
use crate::http::answer::JsonLine;
use crate::http::answer::{Code, Error};
use crate::http::app::App;
use crate::http::request::Caller;
use crate::http::request::Params;
use crate::http::request::Segment;
use crate::http::routes::events::visible_leaf;
use crate::job::{Position, plural};
use crate::ledger::{consistency as prove, receipt};
use crate::tree::Size;

/// The exact bytes of an event's leaf: what its hash in the tree is made of.
#[utoipa::path(
    get, path = "/ledger/events/{position}/leaf", tag = "tree", operation_id = "get_leaf",
    params(("position" = u64, Path, description = "The event's place in the log")),
    responses(
        (status = 200, description = "The leaf", body = Object, content_type = "application/json"),
        (status = 400, description = "Not a position"),
        (status = 404, description = "No such event"),
    )
)]
pub async fn leaf(
    State(app): State<App>,
    caller: Caller,
    Segment(position): Segment,
    params: Params,
) -> Result<Response, Error> {
    let (_, leaf) = asked(&app, &caller, &position, params)?;
    Ok((immutable("application/json"), leaf).into_response())
}

/// The proof that an event is in the log, under the newest checkpoint (C2SP tlog-proof, its leaf in `extra`).
#[utoipa::path(
    get, path = "/ledger/events/{position}/proof", tag = "tree", operation_id = "get_proof",
    params(("position" = u64, Path, description = "The event's place in the log")),
    responses(
        (status = 200, description = "The proof", body = String, content_type = "text/plain; charset=utf-8"),
        (status = 400, description = "Not a position"),
        (status = 404, description = "No such event, or no checkpoint covers it"),
    )
)]
pub async fn proof(
    State(app): State<App>,
    caller: Caller,
    Segment(position): Segment,
    params: Params,
) -> Result<Response, Error> {
    let (position, _) = asked(&app, &caller, &position, params)?;
    let (text, upto) = app.ledger.log(|log| {
        let newest = published(log)?;
        if position.get() >= newest.size.get() {
            let detail = format!(
                "the newest checkpoint covers {}, not the one at {position}",
                plural(newest.size, "event", "events")
            );
            return Err(Error::new(Code::NOT_COVERED, detail));
        }
        Ok((receipt(log, &newest, position)?.to_string(), Position::new(newest.size.last())))
    })?;
    Ok((changing("text/plain; charset=utf-8", upto), text).into_response())
}

/// Position and leaf of an event that the caller may see.
fn asked(app: &App, caller: &Caller, position: &str, params: Params) -> Result<(Position, Vec<u8>), Error> {
    caller.require(Capability::ReadLedger)?;
    params.finish()?;
    let position: Position = position.parse().map_err(|error| Error::bad_request(format!("{error}")))?;
    let leaf = app.ledger.log(|log| visible_leaf(log, caller, position))?;
    Ok((position, leaf))
}

/// The proof that a later tree begins with an earlier one (RFC 6962, section 2.1.2).
#[derive(Debug, Serialize, ToSchema)]
pub struct Consistency {
    /// Size of the earlier tree.
    #[schema(minimum = 1)]
    from: u64,
    /// Size of the later tree.
    #[schema(minimum = 1)]
    to: u64,
    /// SHA-256 hashes in base64; none where both sizes are the same.
    hashes: Vec<String>,
}

/// Prove that the log of `to` events begins with the log of `from` events.
#[utoipa::path(
    get, path = "/ledger/consistency", tag = "tree", operation_id = "get_consistency",
    params(
        ("from" = u64, Query, description = "Size of the earlier tree", minimum = 1),
        ("to" = u64, Query, description = "Size of the later tree, at most that of the newest checkpoint", minimum = 1),
    ),
    responses(
        (status = 200, description = "The proof", body = Consistency),
        (status = 400, description = "Not two sizes, the earlier first, up to that of the newest checkpoint"),
        (status = 404, description = "No checkpoint was ever signed in this copy of the log"),
    )
)]
pub async fn consistency(State(app): State<App>, caller: Caller, mut params: Params) -> Result<Response, Error> {
    caller.require(Capability::ReadLedger)?;
    let (from, to) = (params.one("from")?, params.one("to")?);
    params.finish()?;
    let missing = |name| Error::parameter(name, "expected the size of a tree, found none");
    let from: Size = from.ok_or_else(|| missing("from"))?;
    let to: Size = to.ok_or_else(|| missing("to"))?;
    let hashes = app.ledger.log(|log| {
        let newest = published(log)?.size;
        // The sizes are checked before the proof is computed, because the proof reads nodes that the tree must have.
        if to > newest {
            let detail = format!("expected at most {newest}, the size of the newest checkpoint, found {to}");
            return Err(Error::parameter("to", detail));
        }
        if from > to {
            return Err(Error::parameter("from", format!("expected at most `to`, {to}, found {from}")));
        }
        Ok(prove(log, from, to)?)
    })?;
    let hashes = hashes.iter().map(ToString::to_string).collect();
    let proof = Consistency { from: from.get(), to: to.get(), hashes };
    Ok((immutable("application/json"), JsonLine(proof)).into_response())
}
