//! Cursors of lists of jobs: opaque, bound to the filters of their list, and valid while jobs are created and change.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::http::answer::Error;
use crate::job::Position;
use crate::views::{JobQuery, Order};

/// The cursor of the page that follows the job created at `position`.
pub fn encode(position: Position, query: &JobQuery) -> String {
    let mut bytes = position.get().to_be_bytes().to_vec();
    bytes.extend(fingerprint(query));
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The position in a cursor that was made for `query`.
///
/// # Errors
///
/// 400 for a text that is no cursor, and for a cursor of other filters.
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

/// A hash of the filters that are set. A filter that is not set leaves no trace in it, so a release that adds filters breaks no
/// cursor.
fn fingerprint(query: &JobQuery) -> [u8; 8] {
    let JobQuery {
        org,
        kind,
        status,
        job_type,
        label,
        created_by,
        created_after,
        created_before,
        started_after,
        started_before,
        ended_after,
        ended_before,
        cancelled_by,
        quiet_for,
        id_prefix,
        order,
        beyond: _,
    } = query;
    let mut hash = Sha256::new();
    let mut mark = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            // The length separates one filter from the next.
            hash.update(format!("{name} {} {value}", value.len()));
        }
    };
    mark("org", org.map(|org| org.to_string()));
    mark("kind", kind.map(|kind| kind.to_string()));
    mark("status", status.map(|status| status.to_string()));
    mark("job_type", job_type.as_ref().map(ToString::to_string));
    mark("label", label.as_ref().map(|(key, _)| key.clone()));
    mark("label_value", label.as_ref().map(|(_, value)| value.clone()));
    mark("created_by", created_by.clone());
    mark("created_after", created_after.map(|time| time.to_string()));
    mark("created_before", created_before.map(|time| time.to_string()));
    mark("started_after", started_after.map(|time| time.to_string()));
    mark("started_before", started_before.map(|time| time.to_string()));
    mark("ended_after", ended_after.map(|time| time.to_string()));
    mark("ended_before", ended_before.map(|time| time.to_string()));
    mark("cancelled_by", cancelled_by.clone());
    mark("quiet_for", quiet_for.map(|quiet| quiet.to_string()));
    mark("id_prefix", id_prefix.clone());
    mark("order", (*order == Order::Oldest).then(|| "oldest".to_owned()));
    hash.finalize().first_chunk().copied().expect("a hash has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Kind;

    #[test]
    fn a_cursor_is_good_for_its_own_filters_alone() {
        let query = |key: &str, value: &str| JobQuery {
            kind: Some(Kind::Task),
            label: Some((key.into(), value.into())),
            ..JobQuery::default()
        };
        let cursor = encode(Position::new(7), &query("a", "bc"));
        assert_eq!(decode(&cursor, &query("a", "bc")).unwrap(), Position::new(7));
        for other in [
            query("ab", "c"),
            query("a", "b"),
            JobQuery { kind: None, ..query("a", "bc") },
            JobQuery { order: Order::Oldest, ..query("a", "bc") },
        ] {
            assert!(decode(&cursor, &other).is_err(), "{other:?}");
        }
        let first = JobQuery { beyond: Some(Position::new(9)), ..query("a", "bc") };
        assert!(decode(&cursor, &first).is_ok(), "the place itself is no filter");
    }
}
