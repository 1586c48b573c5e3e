//! An event as it is shown: the stored leaf's attributes and the stored data, spliced.

/// What stands for data that was erased.
pub const REDACTED: &[u8] = b"\"[redacted]\"";

/// The CloudEvent of `leaf` and `data`, on one line. `datadigest` and `prev` are for who verifies leaves; they are last in
/// the leaf and left out here.
pub fn cloudevent(leaf: &[u8], data: Option<&[u8]>) -> Vec<u8> {
    const NEXT: &[u8] = b",\"datadigest\":\"";
    // From the end, where it is near; inside a string the quotes would be escaped, so it stands in the leaf once.
    let cut = leaf.windows(NEXT.len()).rposition(|window| window == NEXT).unwrap_or(leaf.len().saturating_sub(1));
    let data = data.unwrap_or(REDACTED);
    let mut event = Vec::with_capacity(cut + data.len() + 10);
    event.extend_from_slice(&leaf[..cut]);
    event.extend_from_slice(b",\"data\":");
    event.extend_from_slice(data);
    event.push(b'}');
    event
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_takes_the_place_of_what_only_verifiers_need() {
        let leaf = br#"{"id":"a\",\"datadigest\":\"x","actor":"b","datadigest":"00","prev":"3"}"#;
        assert_eq!(cloudevent(leaf, Some(b"{}")), br#"{"id":"a\",\"datadigest\":\"x","actor":"b","data":{}}"#);
        assert_eq!(cloudevent(br#"{"id":"a","datadigest":"00"}"#, None), br#"{"id":"a","data":"[redacted]"}"#);
    }
}
