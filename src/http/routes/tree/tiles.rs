//! `GET /ledger/tile/…`: the tree in tiles of 256 hashes, and the leaves under them (C2SP tlog-tiles).

use axum::extract::State;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};

use super::{immutable, published};
use crate::access::Capability;
use crate::http::answer::{Code, Error};
use crate::http::app::App;
use crate::http::limits::bytes_with_permit;
use crate::http::observe::off_thread;
use crate::http::request::Caller;
use crate::http::request::Params;
use crate::job::plural;
use crate::ledger::tile;
use crate::tree::{Tile, TileKind};

/// A tile of hashes.
///
/// 256 hashes of 32 bytes, or `W` of them in a partial tile. The level is 0 for the hashes of leaves; the index is written in
/// groups of three digits, of which all but the last begin with `x` and are path segments of their own: `x001/x234/067`.
#[utoipa::path(
    get, path = "/ledger/tile/{level}/{index}", tag = "tree", operation_id = "get_tile",
    params(
        ("level" = u8, Path, description = "0 to 7", maximum = 7),
        ("index" = String, Path, description = "`<N>`, or `<N>.p/<W>` for a partial tile", example = "000.p/5"),
    ),
    responses(
        (status = 200, description = "The hashes", body = String, content_type = "application/octet-stream"),
        (status = 404, description = "No such tile in the tree of the newest checkpoint"),
        (status = 503, description = "Too many large answers at once (`too-many-answers`)"),
    )
)]
pub async fn hashes(State(app): State<App>, caller: Caller, uri: Uri, params: Params) -> Result<Response, Error> {
    answer(app, caller, uri, params).await
}

/// The leaves under a tile of level 0, of all organisations, for auditors.
///
/// Each leaf behind its length in two bytes, big-endian. What its hash is made of is exactly these bytes.
#[utoipa::path(
    get, path = "/ledger/tile/entries/{index}", tag = "tree", operation_id = "get_entries",
    params(("index" = String, Path, description = "`<N>`, or `<N>.p/<W>` for a partial bundle", example = "000.p/5")),
    responses(
        (status = 200, description = "The leaves", body = String, content_type = "application/octet-stream"),
        (status = 403, description = "The role may not: entries are of all organisations"),
        (status = 404, description = "No such bundle in the tree of the newest checkpoint"),
        (status = 503, description = "Too many large answers at once (`too-many-answers`)"),
    )
)]
pub async fn entries(State(app): State<App>, caller: Caller, uri: Uri, params: Params) -> Result<Response, Error> {
    answer(app, caller, uri, params).await
}

async fn answer(app: App, caller: Caller, uri: Uri, params: Params) -> Result<Response, Error> {
    caller.require(Capability::ReadLedger)?;
    params.finish()?;
    let missing = |detail: String| Error::new(Code::NO_SUCH_TILE, detail);
    // A tile has one spelling. Any other spelling, such as a percent-encoded one, names no tile.
    let path = uri.path().strip_prefix("/ledger/").unwrap_or_default();
    let wanted: Tile = path.parse().map_err(|error| missing(format!("{error}")))?;
    if wanted.kind() == TileKind::Entries {
        caller.require(Capability::AllOrganisations)?;
    }
    let held = app.limits.answers.acquire(&caller, 1).await?;
    off_thread(move || {
        app.ledger.log(|log| {
            let size = published(log)?.size;
            if !wanted.is_within(size) {
                return Err(missing(format!(
                    "expected a tile of a tree of {}, found `{wanted}`",
                    plural(size, "event", "events")
                )));
            }
            Ok((immutable("application/octet-stream"), bytes_with_permit(held, tile(log, wanted)?)).into_response())
        })
    })
    .await
}
