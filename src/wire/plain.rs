//! The quick reader of leaves: it reads the bytes that [`Leaf::to_bytes`] writes while no text in them has an escape, as in nearly
//! every leaf. A verifier reads each leaf once or twice, and serde takes four times as long.

use std::borrow::Cow;

use super::leaf::Leaf;

/// The leaf in `bytes`; `None` for all bytes that this reader does not know, which may be a leaf too.
pub(super) fn read_plain(bytes: &[u8]) -> Option<Leaf<'_>> {
    // Looks at every byte, because a loop without an exit takes 16 bytes at a time.
    if bytes.iter().fold(false, |found, byte| found | (*byte < b' ') | (*byte == b'\\')) {
        return None;
    }
    let mut texts = Texts(std::str::from_utf8(bytes).ok()?);
    let leaf = Leaf {
        specversion: texts.after(r#"{"specversion":""#)?,
        id: texts.after(r#"","id":""#)?,
        source: texts.after(r#"","source":""#)?,
        event_type: texts.after(r#"","type":""#)?,
        subject: texts.after(r#"","subject":""#),
        time: texts.after(r#"","time":""#)?,
        datacontenttype: texts.after(r#"","datacontenttype":""#)?,
        dataschema: texts.after(r#"","dataschema":""#)?,
        position: texts.after(r#"","position":""#)?,
        recordedtime: texts.after(r#"","recordedtime":""#)?,
        actor: texts.after(r#"","actor":""#)?,
        orgid: texts.after(r#"","orgid":""#),
        jobkind: texts.after(r#"","jobkind":""#),
        datadigest: texts.after(r#"","datadigest":""#)?,
        prev: texts.after(r#"","prev":""#),
    };
    (texts.0 == r#""}"#).then_some(leaf)
}

/// The part of a leaf that is not read yet. It begins with the quote that ends the text before.
struct Texts<'a>(&'a str);

impl<'a> Texts<'a> {
    /// The text between `before` and the next quote; `None` if `before` does not come next.
    fn after(&mut self, before: &str) -> Option<Cow<'a, str>> {
        let rest = self.0.strip_prefix(before)?;
        let (text, rest) = rest.split_at(rest.bytes().position(|byte| byte == b'"')?);
        self.0 = rest;
        Some(Cow::Borrowed(text))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LEAF: &str = concat!(
        r#"{"specversion":"1.0","id":"1","source":"w","type":"job.noted","subject":"é","time":"2025-01-01T00:00:00Z","#,
        r#""datacontenttype":"application/json","dataschema":"/schema/events/job.noted.v1.json","position":"7","#,
        r#""recordedtime":"2025-01-01T00:00:00.000000Z","actor":"ann","orgid":"a","jobkind":"task","datadigest":"72","prev":"3"}"#
    );

    #[test]
    fn a_leaf_without_escapes_needs_no_other_reader() {
        assert!(read_plain(LEAF.as_bytes()).is_some_and(|leaf| leaf.to_bytes() == LEAF.as_bytes()));
        let own = LEAF.replace(r#","prev":"3""#, "").replace(r#""subject":"é","#, "");
        assert!(read_plain(own.as_bytes()).is_some_and(|leaf| leaf.prev.is_none() && leaf.subject.is_none()));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn both_readers_agree_on_every_text_that_the_quick_one_reads(
            at in 0..LEAF.len(),
            taken in 0..24_usize,
            put in prop_oneof![
                "[\",:{} a\\\\\n\t\u{7f}é]{0,3}".prop_map(String::into_bytes),
                prop::collection::vec(any::<u8>(), 0..3),
                (0..LEAF.len(), 0..40_usize).prop_map(|(at, len)| LEAF.as_bytes()[at..LEAF.len().min(at + len)].to_vec()),
            ],
        ) {
            let mut bytes = LEAF.as_bytes().to_vec();
            bytes.splice(at..LEAF.len().min(at + taken), put);
            if let Some(leaf) = read_plain(&bytes) {
                prop_assert_eq!(leaf.to_bytes(), &*bytes);
                prop_assert_eq!(serde_json::from_slice::<Leaf<'_>>(&bytes).ok(), Some(leaf));
            }
        }
    }
}
