//! An event as it is shown: the stored leaf's attributes and the stored data, spliced.

use super::leaf::DIGEST_LEN;

/// What stands for data that was erased.
pub const REDACTED: &[u8] = b"\"[redacted]\"";

/// The CloudEvent of `leaf` and `data`, on one line. `datadigest` and `prev` are for who verifies leaves; they are last in
/// the leaf and left out here.
pub fn cloudevent(leaf: &[u8], data: Option<&[u8]>) -> Vec<u8> {
    let mut event = Vec::with_capacity(leaf.len() + data.unwrap_or(REDACTED).len());
    write_cloudevent(&mut event, leaf, data);
    event
}

/// Puts the CloudEvent behind what is in `out`.
pub fn write_cloudevent(out: &mut Vec<u8>, leaf: &[u8], data: Option<&[u8]>) {
    const NEXT: &[u8] = b",\"datadigest\":\"";
    // From the end, where it is near, less the digest behind it; inside a string the quotes would be escaped, so it stands
    // in the leaf once.
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
    fn data_takes_the_place_of_what_only_verifiers_need() {
        let digest = "0".repeat(DIGEST_LEN);
        let leaf = |id: &str, prev: &str| format!(r#"{{"id":"{id}","actor":"b","datadigest":"{digest}"{prev}}}"#);
        let tricky = r#"a\",\"datadigest\":\"x"#;
        let event = cloudevent(leaf(tricky, r#","prev":"3""#).as_bytes(), Some(b"{}"));
        assert_eq!(event, format!(r#"{{"id":"{tricky}","actor":"b","data":{{}}}}"#).as_bytes());
        assert_eq!(cloudevent(leaf("a", "").as_bytes(), None), br#"{"id":"a","actor":"b","data":"[redacted]"}"#);
    }
}
