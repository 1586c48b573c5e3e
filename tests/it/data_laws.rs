//! Laws of the data of events. For all data that the ledger accepts, storing keeps the content, and redacting keeps only the residue.

use jobledger::job::{Event, ItemId, Kind};
use jobledger::mask::Mask;
use jobledger::wire::{self, EventData, Reject};
use proptest::option::of;
use proptest::prelude::*;

use crate::laws::cases;

proptest! {
    #![proptest_config(cases(192))]

    #[test]
    fn stored_data_reads_back_as_the_event_and_stores_as_itself(data in data()) {
        let (event_type, members, order, spaces) = data;
        let sent = written(&members, &order, &spaces);
        let parsed = accepted(event_type, &sent)?;
        prop_assert_eq!(&wire::decode(event_type, parsed.version, &parsed.data).unwrap(), &parsed.event);
        let stored = String::from_utf8(parsed.data).unwrap();
        let again = wire::parse(event_type, &stored, &|_| unreachable!("stored actions have ids"), &Mask::default()).unwrap();
        prop_assert_eq!(&again.event, &parsed.event);
        prop_assert_eq!(String::from_utf8(again.data).unwrap(), stored.clone());
        // Neither order nor white space is content.
        let mut plain: Vec<usize> = (0..members.len()).collect();
        plain.reverse();
        let other = wire::parse(event_type, &written(&members, &plain, ""), &mint, &Mask::default()).unwrap();
        prop_assert_eq!(String::from_utf8(other.data).unwrap(), stored);
    }

    #[test]
    fn a_residue_is_an_event_with_the_same_numbers_and_no_text(data in data()) {
        let (event_type, members, order, spaces) = data;
        let stored = accepted(event_type, &written(&members, &order, &spaces))?;
        let left = wire::residue(event_type, 1, &stored.data).unwrap();
        prop_assert_eq!(&wire::residue(event_type, 1, &left).unwrap(), &left);
        let event = wire::decode(event_type, 1, &left).unwrap();
        // A residue keeps item ids, so they are known texts.
        let ids: Vec<&str> = match (&event, &stored.event) {
            (Event::ItemResult(left), Event::ItemResult(was)) => {
                prop_assert_eq!((&left.item, left.status), (&was.item, was.status));
                vec![was.item.as_str()]
            }
            (Event::Created(left), Event::Created(was)) => {
                prop_assert_eq!((left.spec.kind(), left.labels.len()), (was.spec.kind(), was.labels.len()));
                Vec::new()
            }
            _ => Vec::new(),
        };
        prop_assert_eq!(event.counts(), stored.event.counts());
        let (was, left): (serde_json::Value, serde_json::Value) =
            (serde_json::from_slice(&stored.data).unwrap(), serde_json::from_slice(&left).unwrap());
        // The residue of a rule keeps only the documented members, and the residue of free parameters keeps nothing.
        if was["kind"] != "rule" && was["kind"] != "generic" {
            prop_assert_eq!(numbers(&left), numbers(&was));
        }
        let known = |text: &&str| text.starts_with("minted-") || RESIDUE_WORDS.contains(text) || ids.contains(text);
        let kept: Vec<&str> = texts(&left).into_iter().filter(|text| !known(text)).collect();
        prop_assert_eq!(kept, Vec::<&str>::new());
    }
}

/// The data as the ledger takes it. A random name such as `PW` names a secret, and the ledger refuses its member: such data is no
/// case of a law.
fn accepted(event_type: &str, data: &str) -> Result<EventData, TestCaseError> {
    match wire::parse(event_type, data, &mint, &Mask::default()) {
        Err(Reject::Secret { pointer }) => Err(TestCaseError::reject(format!("`{pointer}` is named like a secret"))),
        taken => Ok(taken.unwrap()),
    }
}

/// The texts that a residue may hold: names of members, words of fixed lists, and placeholders for redacted texts.
const RESIDUE_WORDS: [&str; 41] = [
    "[redacted]",
    "redacted-1",
    "redacted-2",
    "kind",
    "spec",
    "created_by",
    "labels",
    "dbrole",
    "task",
    "rule",
    "generic",
    "parameters",
    "redacted",
    "db_arn",
    "db_engine",
    "db_tags",
    "key",
    "value",
    "job_type",
    "enrichment",
    "total_records",
    "actions",
    "id",
    "type",
    "create",
    "priority",
    "message",
    "records_processed",
    "records_created",
    "records_updated",
    "records_deleted",
    "item",
    "status",
    "failed",
    "output",
    "exit_code",
    "execution_time_sec",
    "text",
    "reason",
    "current_step",
    "progress",
];

/// Every number in `value`, in order.
fn numbers(value: &serde_json::Value) -> Vec<String> {
    match value {
        serde_json::Value::Number(number) => vec![number.to_string()],
        serde_json::Value::Array(values) => values.iter().flat_map(numbers).collect(),
        serde_json::Value::Object(members) => members.values().flat_map(numbers).collect(),
        _ => Vec::new(),
    }
}

/// Every text in `value`, names of members included.
fn texts(value: &serde_json::Value) -> Vec<&str> {
    match value {
        serde_json::Value::String(text) => vec![text],
        serde_json::Value::Array(values) => values.iter().flat_map(texts).collect(),
        serde_json::Value::Object(members) => {
            members.iter().flat_map(|(name, value)| std::iter::once(name.as_str()).chain(texts(value))).collect()
        }
        _ => Vec::new(),
    }
}

fn mint(n: usize) -> ItemId {
    format!("minted-{n}").parse().unwrap()
}

/// Valid data of some type: its members, an order in which to write them, and white space to write between them.
type Data = (&'static str, Vec<(&'static str, String)>, Vec<usize>, String);

fn data() -> impl Strategy<Value = Data> {
    let members = prop_oneof![
        (optional("message", string()), optional("total_records", number()))
            .prop_map(|(a, b)| ("job.started", vec![a, b])),
        prop::collection::vec(number(), 5).prop_map(|n| {
            let names = ["records_deleted", "records_processed", "records_created", "total_records", "records_updated"];
            ("job.progress", names.into_iter().zip(n).map(Some).collect())
        }),
        (string(), optional("message", string())).prop_map(|(id, a)| (
            "job.item_result",
            vec![Some(("item", id)), Some(("status", "\"failed\"".into())), a]
        )),
        (optional("output", string()), of(number())).prop_map(|(output, exit)| {
            let code = exit.clone().map(|_| ("exit_code", "-7".to_owned()));
            ("job.hook_output", vec![output, code, exit.map(|seconds| ("execution_time_sec", seconds))])
        }),
        string().prop_map(|text| ("job.noted", vec![Some(("text", text))])),
        string().prop_map(|text| ("job.failed", vec![Some(("message", text))])),
        optional("reason", string()).prop_map(|a| ("job.cancelled", vec![a])),
        (spec(), optional("created_by", string()), of((string(), string()))).prop_map(|((kind, spec), by, labels)| {
            let labels = labels.map(|(a, b)| ("labels", format!(r#"{{"b" : {b},"a":{a} }}"#)));
            ("job.created", vec![Some(("kind", format!("\"{kind}\""))), Some(("spec", spec)), by, labels])
        }),
    ];
    let members = members.prop_map(|(event_type, members): (_, Vec<_>)| {
        (event_type, members.into_iter().flatten().collect::<Vec<(&'static str, String)>>())
    });
    members.prop_flat_map(|(event_type, members)| {
        let order = Just((0..members.len()).collect::<Vec<_>>()).prop_shuffle();
        (Just(event_type), Just(members), order, "[ \t\r\n]{0,3}")
    })
}

fn spec() -> impl Strategy<Value = (Kind, String)> {
    let rule = prop::collection::vec((string(), value()), 1..4).prop_map(|actions| {
        let rule = |(n, (name, value))| {
            format!(r#"{{"priority":{n},"rule":{{ "name" :{name},"x": {value} }},"type":"create"}}"#)
        };
        let actions: Vec<String> = actions.into_iter().enumerate().map(rule).collect();
        (Kind::Rule, format!(r#"{{"actions":[{}]}}"#, actions.join(" , ")))
    });
    let dbrole = (string(), string(), string()).prop_map(|(arn, key, value)| {
        let tags = format!(r#"[{{"value":{value},"key":{key}}}]"#);
        (Kind::DbRole, format!(r#"{{"db_tags":{tags},"db_engine":"postgres","db_arn":{arn}}}"#))
    });
    let task = number().prop_map(|n| (Kind::Task, format!(r#"{{"total_records":{n},"job_type":"enrichment"}}"#)));
    let generic = (string(), value(), number()).prop_map(|(name, value, n)| {
        let spec = format!(r#"{{"total_records":{n}, "parameters" :{{ {name}:{value}}},"job_type":"a.B_c-9"}}"#);
        (Kind::Generic, spec)
    });
    prop_oneof![rule, dbrole, task, generic]
}

/// Any JSON, numbers in any form.
fn value() -> impl Strategy<Value = String> {
    let leaf =
        prop_oneof![string(), "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,5})?([eE][+-]?[0-9]{1,2})?", Just("null".to_owned())];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop::collection::vec(inner, 0..3).prop_map(|values| format!("[{}]", values.join(", ")))
    })
}

/// A JSON string of characters that every text and id may hold.
fn string() -> impl Strategy<Value = String> {
    "[^\\p{Cc}]{1,12}".prop_map(|text| serde_json::to_string(&text).unwrap())
}

fn number() -> impl Strategy<Value = String> {
    (0..=1_u64 << 53).prop_map(|n| n.to_string())
}

/// A member with a value, with `null`, or absent. `null` means the same as absent.
fn optional(
    name: &'static str,
    value: impl Strategy<Value = String>,
) -> impl Strategy<Value = Option<(&'static str, String)>> {
    prop_oneof![
        2 => value.prop_map(move |value| Some((name, value))),
        1 => Just(None),
        1 => Just(Some((name, "null".to_owned()))),
    ]
}

fn written(members: &[(&'static str, String)], order: &[usize], spaces: &str) -> String {
    let member = |at: &usize| format!("{spaces}\"{}\"{spaces}:{spaces}{}{spaces}", members[*at].0, members[*at].1);
    format!("{{{}}}", order.iter().map(member).collect::<Vec<_>>().join(","))
}
