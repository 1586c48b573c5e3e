//! The published schemas and the code agree: both accept the same data, and both refuse the same data.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use jobledger::job::{Event, EventType, ItemId};
use jobledger::mask::Mask;
use jobledger::wire::{self, LedgerContinued, LedgerCreated, LedgerKeyAdded, Undecodable};
use jsonschema::Validator;
use serde_json::Value;

use crate::samples::{JOB_EVENTS, LEDGER_EVENTS};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/events")
}

fn schema(event_type: &str, version: u32) -> Value {
    let path = folder().join(format!("{event_type}.v{version}.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap()
}

/// The newest version of a type. Producers send data of this version.
fn newest(event_type: &str) -> u32 {
    EventType::named(event_type).unwrap().version()
}

fn validator(event_type: &str) -> Validator {
    let schema = schema(event_type, newest(event_type));
    jsonschema::meta::validate(&schema).unwrap_or_else(|error| panic!("{event_type}: {error}"));
    jsonschema::draft202012::new(&schema).unwrap()
}

fn errors(validator: &Validator, data: &str) -> Vec<String> {
    let data = serde_json::from_str(data).unwrap();
    validator.iter_errors(&data).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

fn mint(n: usize) -> ItemId {
    format!("minted-{n}").parse().unwrap()
}

/// Whether the code knows this version of this type.
fn known(event_type: &str, version: u32) -> bool {
    match event_type {
        LedgerCreated::TYPE | LedgerContinued::TYPE | LedgerKeyAdded::TYPE => version == 1,
        _ => !matches!(wire::decode(event_type, version, b"{}"), Err(Undecodable::Unknown { .. })),
    }
}

/// Every event type. The `match` names every event, so a new one does not compile before it is added here.
fn every_type() -> BTreeSet<&'static str> {
    let known = |event: &Event| match event {
        Event::Created(_) | Event::Started(_) | Event::Progress(_) | Event::ItemResult(_) | Event::HookOutput(_) => {}
        Event::Completed(_) | Event::Failed(_) | Event::Cancelled(_) | Event::Noted(_) | Event::Redacted(_) => {}
        Event::Retried(_) => {}
    };
    // The ledger itself appends these.
    let own = [LedgerCreated::TYPE, LedgerContinued::TYPE, LedgerKeyAdded::TYPE, EventType::Retried.as_str()];
    let mut types = BTreeSet::from(own);
    for sample in JOB_EVENTS {
        let event = wire::parse(sample.event_type, sample.stored, &mint, &Mask::default()).unwrap().event;
        known(&event);
        types.insert(event.event_type().as_str());
    }
    assert_eq!(types.len(), 4 + 10, "a sample of every type");
    types
}

#[test]
fn every_schema_is_known_to_the_code_and_every_shape_has_its_schema() {
    let mut expected = BTreeSet::new();
    for event_type in every_type() {
        for version in (1..).take_while(|version| known(event_type, *version)) {
            expected.insert(format!("{event_type}.v{version}.json"));
        }
    }
    let found: BTreeSet<String> =
        std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(found, expected);
}

#[test]
fn a_schema_says_where_it_is_served_and_refuses_what_it_does_not_name() {
    for event_type in every_type() {
        for version in 1..=newest(event_type) {
            let schema = schema(event_type, version);
            assert_eq!(schema["$id"], format!("/schema/events/{event_type}.v{version}.json"));
            assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
            assert_eq!(schema["additionalProperties"], false, "{event_type}");
            assert!(schema["title"].is_string() && schema["description"].is_string(), "{event_type}");
        }
    }
}

#[test]
fn sent_and_stored_events_match_the_schema() {
    for sample in JOB_EVENTS {
        let validator = validator(sample.event_type);
        for data in [sample.sent, sample.stored] {
            assert_eq!(errors(&validator, data), Vec::<String>::new(), "{} {data}", sample.event_type);
        }
    }
    for (event_type, stored) in LEDGER_EVENTS {
        assert_eq!(errors(&validator(event_type), stored), Vec::<String>::new(), "{event_type} {stored}");
    }
}

#[test]
fn a_redaction_is_stored_with_its_residue_which_no_producer_sends() {
    let (sent, left) = (r#"{"position":7,"reason":"asked for"}"#, r#"{"text":"[redacted]"}"#);
    let stored = String::from_utf8(wire::with_residue(sent.as_bytes(), left.as_bytes())).unwrap();
    assert_eq!(stored, r#"{"position":7,"reason":"asked for","residue":{"text":"[redacted]"}}"#);
    assert_eq!(errors(&validator("job.redacted"), &stored), Vec::<String>::new());
    assert!(wire::decode("job.redacted", 1, stored.as_bytes()).is_ok());
    assert!(wire::decode("job.redacted", 1, sent.as_bytes()).is_err(), "what is left is missing");
    assert!(wire::parse("job.redacted", &stored, &mint, &Mask::default()).is_err());
}

#[test]
fn the_schema_refuses_each_event_that_the_code_refuses() {
    for (event_type, data) in bad() {
        let shown = &data[..data.len().min(200)];
        assert!(
            wire::parse(event_type, &data, &mint, &Mask::default()).is_err(),
            "the code accepts {event_type} {shown}"
        );
        assert!(!errors(&validator(event_type), &data).is_empty(), "the schema accepts {event_type} {shown}");
    }
}

#[test]
fn data_at_each_limit_of_the_schema_is_accepted_and_over_it_refused() {
    for (event_type, (fits, over)) in at_the_limit() {
        let validator = validator(event_type);
        assert!(
            wire::parse(event_type, &fits, &mint, &Mask::default()).is_ok() && errors(&validator, &fits).is_empty(),
            "{event_type}"
        );
        assert!(
            wire::parse(event_type, &over, &mint, &Mask::default()).is_err() && !errors(&validator, &over).is_empty(),
            "{event_type}"
        );
    }
}

/// For each limit, data at the limit and data just over it. Either fills the `?` of the same data.
fn at_the_limit() -> Vec<(&'static str, (String, String))> {
    let text = |n: usize| (format!("\"{}\"", "x".repeat(n)), format!("\"{}\"", "x".repeat(n + 1)));
    let number = |fits: &str, over: &str| (fits.to_owned(), over.to_owned());
    let labels = |n: usize| (0..n).map(|i| format!("\"l{i}\":\"\"")).collect::<Vec<_>>().join(",");
    let actions = |n: usize| vec![r#"{"type":"create","rule":{}}"#; n].join(",");
    let task = |rest: &str| format!(r#"{{"kind":"task","spec":{{"job_type":"full_sync"}},{rest}}}"#);
    let generic = |rest: &str| format!(r#"{{"kind":"generic","spec":{{"job_type":{rest}}}}}"#);
    let rule = |rest: &str| format!(r#"{{"kind":"rule","spec":{{"actions":[{rest}]}}}}"#);
    let rows = [
        ("job.started", r#"{"message":?}"#.to_owned(), text(16384)),
        ("job.started", r#"{"total_records":?}"#.to_owned(), number("9007199254740992", "9007199254740993")),
        ("job.started", r#"{"total_records":?}"#.to_owned(), number("0", "-1")),
        ("job.progress", r#"{"progress":?}"#.to_owned(), number("100", "101")),
        ("job.progress", r#"{"current_step":?}"#.to_owned(), text(16384)),
        ("job.item_result", r#"{"item":?,"status":"running"}"#.to_owned(), text(256)),
        ("job.hook_output", r#"{"output":?}"#.to_owned(), text(1 << 20)),
        ("job.hook_output", r#"{"exit_code":?,"execution_time_sec":1}"#.to_owned(), number("2147483647", "2147483648")),
        (
            "job.hook_output",
            r#"{"exit_code":?,"execution_time_sec":1}"#.to_owned(),
            number("-2147483648", "-2147483649"),
        ),
        ("job.failed", r#"{"message":?}"#.to_owned(), text(16384)),
        ("job.cancelled", r#"{"reason":?}"#.to_owned(), text(16384)),
        ("job.noted", r#"{"text":?}"#.to_owned(), text(16384)),
        ("job.redacted", r#"{"position":1,"reason":?}"#.to_owned(), text(16384)),
        ("job.redacted", r#"{"position":?,"reason":"x"}"#.to_owned(), number("9007199254740992", "9007199254740993")),
        ("job.created", task(r#""created_by":?"#), text(256)),
        ("job.created", task(r#""labels":{"k":?}"#), text(256)),
        ("job.created", task(r#""labels":{?:""}"#), text(64)),
        ("job.created", task(r#""labels":{?}"#), (labels(16), labels(17))),
        ("job.created", generic("?"), text(64)),
        ("job.created", generic(r#""a","total_records":?"#), number("9007199254740992", "9007199254740993")),
        ("job.created", rule("?"), (actions(10_000), actions(10_001))),
        ("job.created", rule("?"), (actions(1), actions(0))),
        (
            "job.created",
            rule(r#"{"type":"create","rule":{},"priority":?}"#),
            number("9223372036854775807", "9223372036854775808"),
        ),
    ];
    let filled = |shape: &str, value: &str| shape.replacen('?', value, 1);
    rows.iter().map(|(t, shape, (fits, over))| (*t, (filled(shape, fits), filled(shape, over)))).collect()
}

fn bad() -> Vec<(&'static str, String)> {
    let shapes: &[(&str, &[&str])] = &[
        (
            "job.started",
            &[
                "[]",
                "null",
                r#"{"msg":"x"}"#,
                r#"{"message":1}"#,
                r#"{"total_records":"1"}"#,
                r#"{"total_records":1.5}"#,
            ],
        ),
        (
            "job.progress",
            &["{}", r#"{"progress":null,"message":null}"#, r#"{"progress":-1}"#, r#"{"records_created":true}"#],
        ),
        (
            "job.item_result",
            &[
                r#"{"item":"a"}"#,
                r#"{"status":"running"}"#,
                r#"{"item":"a","status":"pending"}"#,
                r#"{"item":"a","status":null}"#,
                r#"{"item":"","status":"running"}"#,
                r#"{"item":"a\nb","status":"running"}"#,
                r#"{"item":"a\u0085b","status":"running"}"#,
                r#"{"item":"a","status":"running","detail":[]}"#,
                r#"{"item":"a","status":"running","detail":"x"}"#,
                r#"{"item":"a","status":"running","detail":{"credentials_info":{"secrets_manager_provider":"vault"},"x":1}}"#,
                r#"{"item":"a","status":"running","detail":{"credentials_info":null}}"#,
                r#"{"item":"a","status":"running","detail":{"credentials_info":{}}}"#,
                r#"{"item":"a","status":"running","detail":{"credentials_info":{"secrets_manager_provider":"safe"}}}"#,
                r#"{"item":"a","status":"running","detail":{"credentials_info":{"secrets_manager_provider":"vault","password":"x"}}}"#,
                r#"{"item":"a","status":"running","detail":{"credentials_info":{"secrets_manager_provider":"vault","secret_keys":[1]}}}"#,
            ],
        ),
        (
            "job.hook_output",
            &[
                r#"{"stream":"stdin"}"#,
                r#"{"exit_code":0}"#,
                r#"{"execution_time_sec":5}"#,
                r#"{"exit_code":0,"execution_time_sec":null}"#,
                r#"{"exit_code":0,"execution_time_sec":-1}"#,
            ],
        ),
        ("job.completed", &[r#"{"progress":100}"#, r#"{"records_deleted":-1}"#]),
        ("job.failed", &["{}", r#"{"message":null}"#, r#"{"reason":"x"}"#]),
        ("job.cancelled", &[r#"{"reason":["x"]}"#, r#"{"by":"ann"}"#]),
        ("job.noted", &["{}", r#"{"text":null}"#]),
        (
            "job.redacted",
            &[
                "{}",
                r#"{"position":1}"#,
                r#"{"reason":"x"}"#,
                r#"{"position":"1","reason":"x"}"#,
                r#"{"position":-1,"reason":"x"}"#,
                r#"{"position":1.5,"reason":"x"}"#,
                r#"{"position":1,"reason":null}"#,
                r#"{"position":1,"reason":""}"#,
                r#"{"position":1,"reason":" "}"#,
                r#"{"position":1,"reason":"x","residue":null}"#,
                r#"{"position":1,"reason":"x","text":"y"}"#,
            ],
        ),
        (
            "job.created",
            &[
                "{}",
                r#"{"kind":"task"}"#,
                r#"{"spec":{"job_type":"full_sync"}}"#,
                r#"{"kind":"other","spec":{}}"#,
                r#"{"kind":"task","spec":null}"#,
                r#"{"kind":"task","spec":{}}"#,
                r#"{"kind":"task","spec":{"job_type":"other"}}"#,
                r#"{"kind":"task","spec":{"db_arn":"a","db_engine":"b"}}"#,
                r#"{"kind":"task","spec":{"job_type":"full_sync"},"labels":{"k":null}}"#,
                r#"{"kind":"task","spec":{"job_type":"full_sync"},"labels":{"":"v"}}"#,
                r#"{"kind":"task","spec":{"job_type":"full_sync"},"labels":{"a b":"v"}}"#,
                r#"{"kind":"dbrole","spec":{"db_arn":"a"}}"#,
                r#"{"kind":"dbrole","spec":{"db_arn":"a","db_engine":null}}"#,
                r#"{"kind":"dbrole","spec":{"db_arn":"a","db_engine":"b","db_tags":[{"key":"k"}]}}"#,
                r#"{"kind":"dbrole","spec":{"db_arn":"a","db_engine":"b","db_tags":[{"key":"k","value":"v","x":1}]}}"#,
                r#"{"kind":"generic","spec":{}}"#,
                r#"{"kind":"generic","spec":{"job_type":""}}"#,
                r#"{"kind":"generic","spec":{"job_type":"a b"}}"#,
                r#"{"kind":"generic","spec":{"job_type":"ä"}}"#,
                r#"{"kind":"generic","spec":{"job_type":null}}"#,
                r#"{"kind":"generic","spec":{"job_type":"a","parameters":[]}}"#,
                r#"{"kind":"generic","spec":{"job_type":"a","parameters":"x"}}"#,
                r#"{"kind":"generic","spec":{"job_type":"a","total_records":-1}}"#,
                r#"{"kind":"generic","spec":{"job_type":"a","actions":[]}}"#,
                r#"{"kind":"rule","spec":{}}"#,
                r#"{"kind":"rule","spec":{"actions":[{"type":"create"}]}}"#,
                r#"{"kind":"rule","spec":{"actions":[{"type":"create","rule":null}]}}"#,
                r#"{"kind":"rule","spec":{"actions":[{"type":"create","rule":[]}]}}"#,
                r#"{"kind":"rule","spec":{"actions":[{"type":"grant","rule":{}}]}}"#,
                r#"{"kind":"rule","spec":{"actions":[{"type":"update","rule":{}}]}}"#,
                r#"{"kind":"rule","spec":{"actions":[{"type":"delete","rule":{"id":""}}]}}"#,
                r#"{"kind":"rule","spec":{"actions":[{"type":"delete","rule":{"id":7}}]}}"#,
                r#"{"kind":"rule","spec":{"actions":[{"type":"create","rule":{"type":"deny"}}]}}"#,
                r#"{"kind":"rule","spec":{"actions":[{"type":"create","rule":{"permissions":["write"]}}]}}"#,
                r#"{"kind":"rule","spec":{"actions":[{"type":"create","rule":{"version":"2"}}]}}"#,
                r#"{"kind":"rule","spec":{"actions":[{"type":"create","rule":{"enabled":"yes"}}]}}"#,
                r#"{"kind":"rule","spec":{"actions":[{"type":"create","rule":{"matchParams":0}}]}}"#,
                r#"{"kind":"rule","spec":{"actions":[{"type":"create","rule":{},"state":"pending"}]}}"#,
            ],
        ),
    ];
    shapes.iter().flat_map(|(t, all)| all.iter().map(|data| (*t, (*data).to_owned()))).collect()
}

#[test]
fn the_table_of_events_in_the_guide_lists_the_members_of_each() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let guide = std::fs::read_to_string(root.join("docs/guide/worker.md")).unwrap();
    for event_type in EventType::sent_by_producers() {
        let row = format!("| `{event_type}` | ");
        let row = guide.lines().find_map(|line| line.strip_prefix(&row)).unwrap_or_else(|| panic!("no {event_type}"));
        let members = row.split(" | ").next().unwrap();
        let named: BTreeSet<&str> = members.split('`').skip(1).step_by(2).collect();
        let schema =
            std::fs::read_to_string(root.join(format!("schema/events/{event_type}.v{}.json", event_type.version())))
                .unwrap();
        let schema: Value = serde_json::from_str(&schema).unwrap();
        // The residue is the ledger's own.
        let there = schema["properties"].as_object().unwrap().keys().map(String::as_str);
        assert_eq!(named, there.filter(|name| *name != "residue").collect(), "{event_type}");
        for needed in schema["required"].as_array().into_iter().flatten().map(|name| name.as_str().unwrap()) {
            assert!(members.contains(&format!("`{needed}`\\*")), "{event_type}: {needed} must be there");
        }
    }
}
