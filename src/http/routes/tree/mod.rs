//! The tree over HTTP, in the formats of C2SP (tlog-tiles, tlog-checkpoint, tlog-proof), with which auditors check the ledger.
//!
//! Tiles and proofs reach up to the newest published checkpoint. Hashes reveal nothing, so every role may read them. A leaf is for
//! the callers that may see its event.
//!
//! Not here: how proofs and tiles are made (`tree`, `ledger`).

mod checkpoints;
mod proofs;
mod tiles;

pub use checkpoints::{__path_list, __path_newest, list, newest};
pub use proofs::{__path_consistency, __path_leaf, __path_proof, consistency, leaf, proof};
pub use tiles::{__path_entries, __path_hashes, entries, hashes};

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, VARY};
use axum::http::{HeaderName, HeaderValue};

use crate::http::POSITION;
use crate::http::answer::{Code, Error};
use crate::job::Position;
use crate::log::{Published, Reader};

/// Headers of an answer whose bytes never change under its URL.
///
/// `private`, because a token decides who may have them: `public` would let a shared cache answer people who have none (RFC
/// 9111, section 3.5). `Vary` keeps one browser from showing to one person what it fetched for another.
fn immutable(content_type: &'static str) -> [(HeaderName, HeaderValue); 3] {
    [
        (CONTENT_TYPE, HeaderValue::from_static(content_type)),
        (CACHE_CONTROL, HeaderValue::from_static("private, max-age=31536000, immutable")),
        (VARY, HeaderValue::from_static("Authorization, Cookie")),
    ]
}

/// Headers of an answer that changes with every commit, and shows the log up to `position`.
fn changing(content_type: &'static str, position: Position) -> [(HeaderName, HeaderValue); 3] {
    [
        (CONTENT_TYPE, HeaderValue::from_static(content_type)),
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (POSITION, position.get().into()),
    ]
}

/// The newest checkpoint; 404 where none was ever signed.
fn published(log: &Reader<'_>) -> Result<Published, Error> {
    log.checkpoint()?.ok_or_else(|| {
        let detail = "no checkpoint was ever signed in this copy of the log; `jobledger recover` continues it under a name \
                      of its own, and signs";
        Error::new(Code::NO_CHECKPOINT, detail)
    })
}
