//! The stored leaf, the CloudEvent made from it, and its line in an export.

use std::borrow::Cow;

use jobledger::job::{Position, Time};
use jobledger::tree::leaf_hash;
use jobledger::wire::{DIGEST_LEN, Entry, Leaf, SALT_LEN, cloudevent, datadigest};
use proptest::prelude::*;
use serde_json::{Value, json};

const LEAF: &str = concat!(
    r#"{"specversion":"1.0","id":"1","source":"w","type":"job.noted","subject":"67d7d053-3caf-430e-97ba-6d4933d3fd5b","#,
    r#""time":"2025-01-01T00:00:00.100Z","datacontenttype":"application/json","#,
    r#""dataschema":"/schema/events/job.noted.v1.json","position":"7","recordedtime":"2025-01-01T00:00:00.000000Z","#,
    r#""actor":"ann","orgid":"00000000-0000-0000-0000-00000000000a","jobkind":"task","#,
    r#""datadigest":"7204813b88da3469d9b37525eab7411cea611dd13401dd13e609fb07d86ac348","prev":"3"}"#
);

#[test]
fn a_leaf_is_written_and_hashed_as_it_was_released() {
    let leaf = Leaf::parse_strict(LEAF.as_bytes()).unwrap();
    assert_eq!(leaf.to_bytes(), LEAF.as_bytes());
    assert_eq!((leaf.position().unwrap(), leaf.prev().unwrap()), (Position::new(7), Some(Position::new(3))));
    assert_eq!((leaf.version().unwrap(), leaf.datadigest.len()), (1, DIGEST_LEN));
    assert_eq!(leaf.datadigest, datadigest(&[7; SALT_LEN], b"{}"));
    // A zero byte and the leaf through sha256sum.
    assert_eq!(
        hex(leaf_hash(LEAF.as_bytes()).as_bytes()),
        "565be79ee5089e639eb03d1001b28e0cb0b578220ec02bc405287e61f85d1d97"
    );
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_leaf_from_outside_has_the_exact_form_of_the_ledger_or_is_refused() {
    for (old, new) in [
        (r#""id":"1""#, r#""id": "1""#),
        (r#""id":"1","source":"w""#, r#""source":"w","id":"1""#),
        (r#""ann""#, r#""\u0061nn""#),
        (r#""1.0""#, r#""1.1""#),
        ("application/json", "text/plain"),
        ("67d7d053-3caf", "67D7D053-3CAF"),
        ("67d7d053-3caf", "a b"),
        ("00000000000a", "00000000000A"),
        (".100Z", ".1Z"),
        (".100Z", ".100+00:00"),
        ("00.000000Z", "00Z"),
        (r#""position":"7""#, r#""position":"07""#),
        (r#""prev":"3""#, r#""prev":"+3""#),
        (r#""prev":"3""#, r#""prev":null"#),
        (".v1.json", ".v01.json"),
        (".v1.json", ".v+1.json"),
        ("events/job.noted", "events/job.failed"),
        (r#""jobkind":"task""#, r#""jobkind":"Task""#),
        ("7204813b", "7204813B"),
        ("7204813b", "7204"),
        (r#""prev":"3""#, r#""prev":"3","more":"x""#),
    ] {
        assert!(LEAF.contains(old), "{old}");
        assert!(Leaf::parse_strict(LEAF.replacen(old, new, 1).as_bytes()).is_err(), "{new}");
    }
    let own = LEAF.split_once(r#""subject""#).unwrap().0.to_owned() + LEAF.split_once(r#"5b","#).unwrap().1;
    let own = own.replace(r#""orgid":"00000000-0000-0000-0000-00000000000a","jobkind":"task","#, "");
    assert!(Leaf::parse_strict(own.replace(r#","prev":"3""#, "").as_bytes()).is_ok(), "an event of the ledger's own");
}

/// Texts that imitate JSON syntax, and any other texts.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        r#""?,"datadigest":"[a-z"]{0,3}"#,
        r#"\\{0,3}"?,?"data":\{\}\}?"#,
        "\\PC{0,12}",
        Just("\u{2028}\u{7f}\\u0022".to_owned()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_event_is_shown_with_its_data_and_without_what_only_verifiers_need(
        (id, source, actor) in (text(), text(), text()),
        data in text(),
        first: bool,
    ) {
        let mut leaf = Leaf::parse(LEAF.as_bytes()).unwrap();
        (leaf.id, leaf.source, leaf.actor) = (Cow::Owned(id), Cow::Owned(source), Cow::Owned(actor));
        if first {
            leaf.prev = None;
        }
        let bytes = leaf.to_bytes();
        prop_assert_eq!(&Leaf::parse_strict(&bytes).unwrap(), &leaf);
        let mut expected: Value = serde_json::from_slice(&bytes).unwrap();
        for hidden in ["datadigest", "prev"] {
            expected.as_object_mut().unwrap().remove(hidden);
        }
        for (stored, shown) in [(Some(json!({"text": data})), json!({"text": data})), (None, json!("[redacted]"))] {
            expected["data"] = shown;
            let stored = stored.map(|data| data.to_string());
            let event = cloudevent(&bytes, stored.as_ref().map(String::as_bytes));
            prop_assert!(!event.contains(&b'\n'));
            prop_assert_eq!(&serde_json::from_slice::<Value>(&event).unwrap(), &expected);
        }
    }

    #[test]
    fn an_exported_line_restores_the_event_exactly(id in text(), data in text(), salt: [u8; SALT_LEN], redacted: bool) {
        let mut leaf = Leaf::parse(LEAF.as_bytes()).unwrap();
        leaf.id = Cow::Owned(id);
        let data = json!({ "text": data }).to_string().into_bytes();
        let line = Entry { leaf: leaf.to_bytes(), content: (!redacted).then_some((salt, data)) };
        let text = String::from_utf8(line.to_bytes()).unwrap();
        prop_assert!(!text.contains('\n'));
        prop_assert_eq!(&Entry::parse(&text).unwrap(), &line);
        // The data comes last and verbatim, so that any tool can cut it out.
        if let Some((_, data)) = &line.content {
            let end = text.len() - 1;
            prop_assert_eq!(&text.as_bytes()[end - data.len()..end], data);
        }
    }

    #[test]
    fn a_time_reads_back_as_it_was_shown(nanos in any::<i64>()) {
        let time = Time::from_nanos(nanos);
        prop_assert_eq!(time.to_string().parse::<Time>(), Ok(time));
        let micros = Time::from_micros(nanos / 1000);
        prop_assert_eq!(micros.with_micros().parse::<Time>(), Ok(micros));
    }
}
