//! The files that pages load: a style sheet and scripts, embedded in the program.
//!
//! Their paths have a version that follows from the bytes of all of them. So a browser keeps a file for good, and a new program
//! has new paths.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use crate::http::{Code, Error};

/// A file of the pages.
struct Asset {
    name: &'static str,
    content_type: &'static str,
    bytes: &'static [u8],
}

macro_rules! assets {
    ($($name:literal as $content_type:literal),* $(,)?) => {
        [$(Asset {
            name: $name,
            content_type: concat!($content_type, "; charset=utf-8"),
            bytes: include_bytes!(concat!("assets/", $name)),
        }),*]
    };
}

static ASSETS: [Asset; 16] = assets![
    "icon.svg" as "image/svg+xml",
    "page.css" as "text/css",
    "ansi.js" as "text/javascript",
    "append.js" as "text/javascript",
    "audit.js" as "text/javascript",
    "bulk.js" as "text/javascript",
    "dom.js" as "text/javascript",
    "job.js" as "text/javascript",
    "jobs.js" as "text/javascript",
    "live.js" as "text/javascript",
    "log.js" as "text/javascript",
    "output.js" as "text/javascript",
    "shell.js" as "text/javascript",
    "timeline.js" as "text/javascript",
    "times.js" as "text/javascript",
    "tree.js" as "text/javascript",
];

/// Hexadecimal digits of the version in a path.
const DIGITS: usize = 16;
/// A year: a version never changes.
const FOR_GOOD: &str = "public, max-age=31536000, immutable";

static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut hash = Sha256::new();
    ASSETS.iter().for_each(|asset| hash.update(asset.bytes));
    let hex: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    hex[..DIGITS].to_owned()
});

/// The version of the files that this program has.
pub(super) fn version() -> &'static str {
    &VERSION
}

/// `GET /assets/{version}/{name}`.
pub(super) async fn asset(Path((asked, name)): Path<(String, String)>) -> Result<Response, Error> {
    let found = ASSETS.iter().find(|asset| asset.name == name && asked == version());
    let Some(asset) = found else {
        return Err(Error::new(Code::NOT_FOUND, "this version of the program has no such file; load the page again"));
    };
    let headers = [(CONTENT_TYPE, asset.content_type), (CACHE_CONTROL, FOR_GOOD), (X_CONTENT_TYPE_OPTIONS, "nosniff")];
    Ok((headers, asset.bytes).into_response())
}
