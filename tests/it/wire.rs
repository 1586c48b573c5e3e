//! CloudEvents on the way in: the refusals with their class and pointer, and the bytes that are stored.

use jobledger::job::{Event, Kind, Spec, Time};
use jobledger::mask::Mask;
use jobledger::wire::{
    self, BatchReject, Incoming, LedgerContinued, LedgerCreated, LedgerKeyAdded, MAX_BATCH, MAX_DATA, Reject,
};

use crate::samples::{JOB_EVENTS, LEDGER_EVENTS};

fn envelope(event_type: &str, data: &str) -> String {
    format!(r#"{{"specversion":"1.0","id":"1","source":"w","type":"{event_type}","subject":"job-1","data":{data}}}"#)
}

fn send(event_type: &str, data: &str) -> Result<Incoming, Reject> {
    wire::single(envelope(event_type, data).as_bytes(), &Mask::default())
}

/// A good event in which `old` was replaced by `new`.
fn edited(old: &str, new: &str) -> Result<Incoming, Reject> {
    let event = envelope("job.noted", r#"{"text":"x"}"#);
    assert!(event.contains(old), "{old}");
    wire::single(event.replacen(old, new, 1).as_bytes(), &Mask::default())
}

/// A rule job with one action on `rule`.
fn ruled(rule: &str) -> Result<Incoming, Reject> {
    send("job.created", &format!(r#"{{"kind":"rule","spec":{{"actions":[{{"type":"create","rule":{rule}}}]}}}}"#))
}

/// The class and the pointer of a refusal.
pub fn blame<T: std::fmt::Debug>(answer: Result<T, Reject>) -> (&'static str, String) {
    match answer.unwrap_err() {
        Reject::Malformed { pointer, .. } => ("malformed", pointer.into_owned()),
        Reject::Invalid { pointer, .. } => ("invalid", pointer.into_owned()),
        Reject::Secret { pointer } => ("secret", pointer),
        Reject::TooLarge { .. } => ("too large", String::new()),
    }
}

#[test]
fn stored_bytes_are_as_they_were_released() {
    for sample in JOB_EVENTS {
        let mint = |n| format!("minted-{n}").parse().unwrap();
        let parsed = wire::parse(sample.event_type, sample.sent, &mint, &Mask::default()).unwrap();
        assert_eq!(String::from_utf8(parsed.data).unwrap(), sample.stored);
        assert_eq!(parsed.version, sample.version);
        let stored = match sample.event_type {
            // The writer adds the residue, because the writer alone knows the redacted data.
            "job.redacted" => wire::with_residue(sample.stored.as_bytes(), b"{}"),
            _ => sample.stored.into(),
        };
        let read = wire::decode(sample.event_type, sample.version, &stored).unwrap();
        assert_eq!(read, parsed.event);
        assert_eq!(read.event_type().as_str(), sample.event_type);
    }
    for (event_type, stored) in LEDGER_EVENTS {
        let again = match *event_type {
            LedgerCreated::TYPE => serde_json::to_string(&serde_json::from_str::<LedgerCreated>(stored).unwrap()),
            LedgerKeyAdded::TYPE => serde_json::to_string(&serde_json::from_str::<LedgerKeyAdded>(stored).unwrap()),
            _ => serde_json::to_string(&serde_json::from_str::<LedgerContinued>(stored).unwrap()),
        };
        assert_eq!(again.unwrap(), *stored);
    }
}

#[test]
fn an_event_is_read_as_it_was_sent() {
    let event = br#" {"data" : { "text" : "x" }, "time":"2025-02-28T14:34:56.1+02:00", "subject":"67D7D053-3CAF-430E-97BA-6D4933D3FD5B",
        "type":"job.noted", "source":"urn:w\u0031", "id":"\"\u00e9\"", "specversion":"1.0", "datacontenttype":"Application/JSON; charset=utf-8"} "#;
    let read = wire::single(event, &Mask::default()).unwrap();
    assert_eq!((read.source.as_str(), read.id.as_str()), ("urn:w1", "\"\u{e9}\""));
    assert_eq!(read.subject.unwrap().as_str(), "67d7d053-3caf-430e-97ba-6d4933d3fd5b");
    assert_eq!(read.time, Some("2025-02-28T12:34:56.1Z".parse::<Time>().unwrap()));
    assert_eq!((read.version, read.data.as_slice()), (1, br#"{"text":"x"}"#.as_slice()));
}

#[test]
fn a_body_that_is_no_cloudevent_is_malformed_and_a_faulty_member_is_invalid() {
    let long = |n: usize| "x".repeat(n);
    for (old, new, class, pointer) in [
        (r#"{"specversion":"1.0","#, "{", "malformed", "/specversion"),
        (r#""1.0""#, r#""0.3""#, "malformed", "/specversion"),
        (r#""1.0""#, "1.0", "malformed", "/specversion"),
        (r#""id":"1","#, "", "malformed", "/id"),
        (r#""id":"1""#, r#""id":"""#, "malformed", "/id"),
        (r#""id":"1""#, r#""id":1"#, "malformed", "/id"),
        (r#""id":"1""#, r#""id":"a\tb""#, "malformed", "/id"),
        (r#""id":"1""#, &format!(r#""id":"{}""#, long(257)), "malformed", "/id"),
        (r#""source":"w","#, "", "malformed", "/source"),
        (r#""source":"w""#, r#""source":"my worker""#, "malformed", "/source"),
        (r#""source":"w""#, r#""source":"/workers/%""#, "malformed", "/source"),
        (r#""source":"w""#, r#""source":"/workers/\u00e9""#, "malformed", "/source"),
        (r#""source":"w""#, r#""source":"1:2""#, "malformed", "/source"),
        (r#""source":"w""#, r#""source":"<w>""#, "malformed", "/source"),
        (r#""source":"w""#, &format!(r#""source":"{}""#, long(1025)), "malformed", "/source"),
        (r#""type":"job.noted","#, "", "malformed", "/type"),
        ("job.noted", "job.exploded", "invalid", "/type"),
        ("job.noted", "ledger.created", "invalid", "/type"),
        (r#""subject":"job-1","#, "", "invalid", "/subject"),
        ("job-1", "job 1", "invalid", "/subject"),
        (r#""subject""#, r#""time":"yesterday","subject""#, "invalid", "/time"),
        (r#""subject""#, r#""time":"2025-02-28 12:34:56Z","subject""#, "invalid", "/time"),
        (r#""subject""#, r#""datacontenttype":"text/xml","subject""#, "malformed", "/datacontenttype"),
        (r#""subject""#, r#""traceparent":"00-1","subject""#, "malformed", "/traceparent"),
        (r#"{"text":"x"}"#, "[]", "invalid", "/data"),
        (r#"{"text":"x"}"#, "{}", "invalid", "/data"),
        (r#"{"text":"x"}"#, r#"{"text":7}"#, "invalid", "/data/text"),
        (r#"{"text":"x"}"#, r#"{"text":"x","te/xt":7}"#, "invalid", "/data/te~1xt"),
        (r#"{"text":"x"}"#, r#"{"text":"\ud800"}"#, "invalid", "/data/text"),
        (r#"{"text":"x"}"#, "{", "malformed", ""),
        (r#"{"text":"x"}}"#, r#"{"text":"x"}}{}"#, "malformed", ""),
    ] {
        assert_eq!(blame(edited(old, new)), (class, pointer.to_owned()), "{old} -> {new}");
    }
    for body in [&b""[..], b"x", b"[]", b"7", b"null", b"{\"id\":\"\xff\"}"] {
        assert_eq!(blame(wire::single(body, &Mask::default())), ("malformed", String::new()), "{body:?}");
    }
}

#[test]
fn a_producer_may_not_send_the_attributes_that_the_ledger_adds() {
    for name in ["position", "recordedtime", "actor", "orgid", "jobkind", "dataschema"] {
        let answer = edited(r#""subject""#, &format!(r#""{name}":"1","subject""#));
        assert!(
            answer.as_ref().is_err_and(|reject| reject.to_string().contains("only the ledger sets the attribute")),
            "{name}"
        );
        assert_eq!(blame(answer), ("malformed", format!("/{name}")));
        let header: [(&str, &[u8]); 1] = [(name, b"1")];
        let answer = wire::binary(header.into_iter(), Some("application/json"), b"{}", &Mask::default());
        assert_eq!(blame(answer), ("malformed", format!("/{name}")));
    }
    assert_eq!(blame(edited(r#""subject""#, r#""data_base64":"AA==","subject""#)).1, "/data_base64");
}

#[test]
fn an_attribute_that_is_null_is_absent() {
    let event = br#"{"specversion":"1.0","id":"1","source":"w","type":"job.created","subject":null,"time":null,
        "datacontenttype":null,"dataschema":null,"position":null,"recordedtime":null,"actor":null,"orgid":null,
        "jobkind":null,"data_base64":null,"unsetextension":null,"traceparent":null,"data":{"kind":"task","spec":{"job_type":"full_sync"}}}"#;
    let read = wire::single(event, &Mask::default()).unwrap();
    assert_eq!((read.subject, read.time), (None, None));
    for absent in ["null", r#"{ }"#] {
        assert_eq!(send("job.started", absent).unwrap().data, b"{}");
    }
    assert_eq!(
        edited(r#","data":{"text":"x"}"#, "").map_err(|reject| reject.to_string()).unwrap_err(),
        "missing field `text`"
    );
}

#[test]
fn the_refusal_of_an_unknown_member_names_the_nearest_and_all_known_ones() {
    let said = |answer: Result<Incoming, Reject>| answer.unwrap_err().to_string();
    assert_eq!(
        said(send("job.failed", r#"{"reason":"x"}"#)),
        "unknown member `reason`, expected `message`, the only one"
    );
    assert_eq!(
        said(send("job.started", r#"{"total":1}"#)),
        "unknown member `total`; the nearest is `total_records`; expected one of `message`, `total_records`, `worker`, `lease_sec`, `lease_until`"
    );
    let (found, like) = ("a`, expected b", "unknown member `a`, expected b`; the nearest is ");
    assert!(said(send("job.progress", &format!(r#"{{"{found}":1}}"#))).starts_with(like));
    for (data, nearest) in [
        (r#"{"step":"x"}"#, "current_step"),
        (r#"{"processed":1}"#, "records_processed"),
        (r#"{"recordsProcessed":1}"#, "records_processed"),
        (r#"{"msg":"x"}"#, "message"),
    ] {
        let said = said(send("job.progress", data));
        assert!(said.contains(&format!("the nearest is `{nearest}`")) && said.contains("`records_deleted`"), "{said}");
    }
    let extension = said(edited(r#""subject""#, r#""soruce":"w","subject""#));
    assert!(extension.contains("unknown attribute `soruce`; the nearest is `source`; expected one of `specversion`"));
    assert!(said(send("job.failed", &format!(r#"{{"{}":1}}"#, "x".repeat(5000)))).len() < 200);
}

#[test]
fn a_source_is_a_uri_reference() {
    for source in
        ["w", "/workers/1", "urn:worker:1", "https://ci.example/jobs?a=b#c", "//h:1/x", "../w", "a%20b", "[::1]"]
    {
        let read = edited(r#""source":"w""#, &format!(r#""source":"{source}""#));
        assert_eq!(read.is_ok(), source != "[::1]", "{source}");
    }
    let refused = edited(r#""source":"w""#, r#""source":"my worker""#).unwrap_err().to_string();
    assert!(refused.contains("found `my worker`, which is malformed at byte 2"), "{refused}");
}

#[test]
fn a_batch_names_the_event_at_fault() {
    let events = |n: usize| format!("[{}]", vec![envelope("job.noted", r#"{"text":"x"}"#); n].join(" , "));
    assert_eq!(wire::batch(events(MAX_BATCH).as_bytes(), &Mask::default()).unwrap().len(), 1000);
    for body in ["[]", "{}", "7", "[", &events(MAX_BATCH + 1)] {
        let BatchReject { index, reject } = wire::batch(body.as_bytes(), &Mask::default()).unwrap_err();
        assert_eq!((index, blame::<()>(Err(reject)).0), (None, "malformed"));
    }
    let third =
        events(3).replace(" , ", ",").replacen("job.noted", "job.started", 2).replacen("job.started", "job.noted", 1);
    let BatchReject { index, reject } = wire::batch(third.as_bytes(), &Mask::default()).unwrap_err();
    assert_eq!((index, blame::<()>(Err(reject))), (Some(1), ("invalid", "/data/text".to_owned())));
    assert_eq!(wire::batch(b"[7]", &Mask::default()).unwrap_err().index, Some(0));
}

#[test]
fn data_may_have_eight_mebibytes_and_not_a_byte_more() {
    // White space counts, because the limit is for the bytes that the producer sent.
    let noted = |n: usize| format!(r#"{{"text":"x"{}}}"#, " ".repeat(n - r#"{"text":"x"}"#.len()));
    assert_eq!(send("job.noted", &noted(MAX_DATA)).unwrap().data, br#"{"text":"x"}"#);
    assert_eq!(send("job.noted", &noted(MAX_DATA + 1)).unwrap_err(), Reject::TooLarge { found: MAX_DATA + 1 });
}

#[test]
fn a_rule_is_kept_as_it_was_given() {
    let rule = r#"{"z":9007199254740993,"a":1.0,"n":1e5,"s":"\u00e9\ud83d\ude00 \/ \"  \\","permissions":["read"],"deep":[{"b":null,"a":-0}]}"#;
    let spaced = rule.replace(':', " :\t").replace(",\"", "\n,\"");
    let read = ruled(&spaced).unwrap();
    let Event::Created(created) = read.event else { panic!("not a created job") };
    let Spec::Rule(spec) = created.spec else { panic!("not a rule job") };
    assert_eq!(&*spec.actions[0].rule.0, rule);
    assert!(String::from_utf8(read.data).unwrap().ends_with(&format!(r#""rule":{rule}}}]}}}}"#)));
}

#[test]
fn a_rule_that_readers_may_read_differently_is_refused() {
    let nested = |levels| format!("{}1{}", r#"{"a":"#.repeat(levels), "}".repeat(levels));
    assert!(ruled(&nested(64)).is_ok());
    for (rule, below) in [
        (r#"{"name":"\ud800"}"#, "/name"),
        (r#"{"\udc00":1}"#, ""),
        (r#"{"n":1e999}"#, "/n"),
        (r#"{"enabled":true,"enabled":true}"#, ""),
        (r#"{"x":[{"a":1,"b":2,"\u0061":3}]}"#, "/x/0"),
        (&nested(200), &"/a".repeat(64)),
        (&nested(65), &"/a".repeat(64)),
        (r#"{"enabled":"yes"}"#, "/enabled"),
        (r#"{"permissions":["read","fly"]}"#, "/permissions/1"),
    ] {
        assert_eq!(blame(ruled(rule)), ("invalid", format!("/data/spec/actions/0/rule{below}")), "{rule}");
    }
}

#[test]
fn a_retry_of_the_same_event_is_the_same_content() {
    let ids = |event: &str| -> Vec<String> {
        let Event::Created(created) = wire::single(event.as_bytes(), &Mask::default()).unwrap().event else {
            panic!("not a created job")
        };
        let Spec::Rule(spec) = created.spec else { panic!("not a rule job") };
        spec.actions.iter().map(|action| action.id.as_str().to_owned()).collect()
    };
    let data = r#"{"kind":"rule","spec":{"actions":[{"type":"create","rule":{}},{"id":"mine","type":"create","rule":{}},{"type":"create","rule":{}}]}}"#;
    let event = envelope("job.created", data);
    let minted = ids(&event);
    // The ids are pinned. A ledger that made other ids would answer a retry after an upgrade with `id-reused`.
    assert_eq!(minted, ["8d155fc8-ffac-58b6-9dda-bb494618f80b", "mine", "89ce8a29-9644-5b47-9d23-f1f8d329350a"]);
    assert_eq!(ids(&event.replace("},{", "} , {")), minted);
    for other in [event.replace(r#""id":"1""#, r#""id":"2""#), event.replace(r#""source":"w""#, r#""source":"v""#)] {
        assert_ne!(ids(&other), minted);
    }
}

#[test]
fn a_repeated_action_id_is_refused() {
    let data = r#"{"kind":"rule","spec":{"actions":[{"id":"a","type":"create","rule":{}},{"id":"a","type":"create","rule":{}}]}}"#;
    assert_eq!(blame(send("job.created", data)), ("invalid", "/data/spec/actions/1/id".to_owned()));
}

#[test]
fn an_error_about_two_members_names_the_missing_one() {
    for (event_type, data, pointer) in [
        ("job.progress", "{}", "/data"),
        ("job.hook_output", r#"{"exit_code":0}"#, "/data/execution_time_sec"),
        ("job.hook_output", r#"{"execution_time_sec":0}"#, "/data/exit_code"),
        ("job.created", r#"{"kind":"rule","spec":{"actions":[]}}"#, "/data/spec/actions"),
        (
            "job.created",
            r#"{"kind":"rule","spec":{"actions":[{"type":"update","rule":{}}]}}"#,
            "/data/spec/actions/0/rule/id",
        ),
        ("job.created", r#"{"kind":"task","spec":{"job_type":"full_sync"},"labels":{"a b":""}}"#, "/data/labels"),
    ] {
        assert_eq!(blame(send(event_type, data)), ("invalid", pointer.to_owned()), "{data}");
    }
}

#[test]
fn an_array_does_not_stand_for_an_object() {
    for (event_type, data, pointer) in [
        ("job.failed", r#"["why"]"#, "/data"),
        ("job.created", r#"["task",{"job_type":"full_sync"},null,null]"#, "/data"),
        ("job.created", r#"{"kind":"task","spec":["full_sync",5]}"#, "/data/spec"),
        (
            "job.created",
            r#"{"kind":"dbrole","spec":{"db_arn":"a","db_engine":"b","db_tags":[["k","v"]]}}"#,
            "/data/spec/db_tags/0",
        ),
        ("job.created", r#"{"kind":"rule","spec":{"actions":[["a","create",1,{}]]}}"#, "/data/spec/actions/0"),
        ("job.item_result", r#"{"item":"a","status":"running","detail":[{}]}"#, "/data/detail"),
        (
            "job.item_result",
            r#"{"item":"a","status":"running","detail":{"credentials_info":["vault","x",["K"]]}}"#,
            "/data/detail/credentials_info",
        ),
    ] {
        assert_eq!(blame(send(event_type, data)), ("invalid", pointer.to_owned()), "{data}");
    }
    let event = br#"["1.0","1","w","job.noted","job-1",null,null,{"text":"x"},null,null,null,null,null,null,null]"#;
    assert_eq!(blame(wire::single(event, &Mask::default())), ("malformed", String::new()));
}

#[test]
fn stored_data_ends_where_its_object_ends() {
    assert!(wire::decode("job.failed", 1, br#"{"message":"x"} "#).is_ok());
    assert!(wire::decode("job.failed", 1, br#"{"message":"x"}{"message":"y"}"#).is_err());
}

#[test]
fn a_stored_action_without_an_id_is_damage() {
    let spec = r#"{"actions":[{"id":"a","type":"create","rule":{}},{"id":null,"type":"create","rule":{}}]}"#;
    assert!(wire::read_spec(Kind::Rule, spec).is_err());
    let error = wire::decode("job.created", 1, format!(r#"{{"kind":"rule","spec":{spec}}}"#).as_bytes()).unwrap_err();
    assert!(error.to_string().contains("expected an id on every stored action"), "{error}");
}

#[test]
fn a_repeated_member_is_refused() {
    for (event_type, data, pointer) in [
        ("job.failed", r#"{"message":"a","message":"b"}"#, "/data"),
        ("job.created", r#"{"kind":"task","spec":{"job_type":"full_sync","job_type":"enrichment"}}"#, "/data/spec"),
        (
            "job.created",
            r#"{"kind":"task","spec":{"job_type":"full_sync"},"labels":{"ticket":"1","ticket":"2"}}"#,
            "/data/labels",
        ),
        (
            "job.created",
            r#"{"kind":"rule","spec":{"actions":[{"type":"create","rule":{"enabled":true,"enabled":false}}]}}"#,
            "/data/spec/actions/0/rule",
        ),
    ] {
        let (class, found) = blame(send(event_type, data));
        assert_eq!(class, "invalid", "{data}");
        assert!(found.starts_with(pointer), "{found} for {data}");
    }
    let twice = envelope("job.noted", r#"{"text":"x"}"#).replace(r#""id":"1""#, r#""id":"1","id":"2""#);
    assert_eq!(blame(wire::single(twice.as_bytes(), &Mask::default())).0, "malformed");
}
