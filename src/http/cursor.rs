//! Cursors of lists: opaque, bound to the filters that they were made for, steady while jobs come and change.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::error::Error;
use crate::job::Position;
use crate::views::JobQuery;

/// The cursor after the job created at `position`.
pub fn encode(position: Position, query: &JobQuery) -> String {
    let mut bytes = position.get().to_be_bytes().to_vec();
    bytes.extend(fingerprint(query));
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The position in a cursor that was made for `query`.
pub fn decode(cursor: &str, query: &JobQuery) -> Result<Position, Error> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok().filter(|bytes| bytes.len() == 16);
    let Some((position, mark)) = bytes.as_deref().and_then(|bytes| bytes.split_first_chunk::<8>()) else {
        return Err(Error::parameter("after", "expected a cursor that an earlier page answered"));
    };
    if mark != fingerprint(query) {
        return Err(Error::parameter("after", "expected the same filters as on the page that answered this cursor"));
    }
    Ok(Position::new(u64::from_be_bytes(*position)))
}

fn fingerprint(query: &JobQuery) -> [u8; 8] {
    let filters = format!("{:?}", JobQuery { before: None, ..query.clone() });
    let hash = Sha256::digest(filters.as_bytes());
    hash.first_chunk().copied().expect("a hash has 32 bytes")
}
