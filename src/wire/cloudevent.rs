//! An event as answers show it: the stored leaf's attributes and the stored data, spliced.

use super::leaf::DIGEST_LEN;

/// The JSON text that stands for redacted data.
pub const REDACTED: &[u8] = b"\"[redacted]\"";

/// The CloudEvent of `leaf` and `data` (`None` if redacted), on one line. It leaves out `datadigest` and `prev`, the
/// last two members of the leaf, because only a verifier needs them, and a verifier reads the leaf.
pub fn cloudevent(leaf: &[u8], data: Option<&[u8]>) -> Vec<u8> {
    let mut event = Vec::with_capacity(leaf.len() + data.unwrap_or(REDACTED).len());
    write_cloudevent(&mut event, leaf, data);
    event
}

/// As [`cloudevent`], but appends to `out`.
pub fn write_cloudevent(out: &mut Vec<u8>, leaf: &[u8], data: Option<&[u8]>) {
    const NEXT: &[u8] = b",\"datadigest\":\"";
    // Search from the end, because the member is near it; skip the digest, which cannot hold it. A string in the leaf
    // cannot look like the member, because its quotes would be escaped.
    let before = &leaf[..leaf.len().saturating_sub(DIGEST_LEN)];
    let cut = before.windows(NEXT.len()).rposition(|window| window == NEXT).unwrap_or(leaf.len().saturating_sub(1));
    out.extend_from_slice(&leaf[..cut]);
    out.extend_from_slice(b",\"data\":");
    out.extend_from_slice(data.unwrap_or(REDACTED));
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_replaces_the_members_for_verifiers() {
        let digest = "0".repeat(DIGEST_LEN);
        let leaf = |id: &str, prev: &str| format!(r#"{{"id":"{id}","actor":"b","datadigest":"{digest}"{prev}}}"#);
        let tricky = r#"a\",\"datadigest\":\"x"#;
        let event = cloudevent(leaf(tricky, r#","prev":"3""#).as_bytes(), Some(b"{}"));
        assert_eq!(event, format!(r#"{{"id":"{tricky}","actor":"b","data":{{}}}}"#).as_bytes());
        assert_eq!(cloudevent(leaf("a", "").as_bytes(), None), br#"{"id":"a","actor":"b","data":"[redacted]"}"#);
    }
}
