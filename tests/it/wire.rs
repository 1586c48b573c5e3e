//! CloudEvents on the way in: what is refused, where and as what, and what is kept.

use jobledger::job::Kind;
use jobledger::wire::{self, Incoming, Reject};

fn send(event_type: &str, data: &str) -> Result<Incoming, Reject> {
    wire::single(envelope(event_type, data).as_bytes())
}

fn envelope(event_type: &str, data: &str) -> String {
    format!(r#"{{"specversion":"1.0","id":"1","source":"w","type":"{event_type}","subject":"job-1","data":{data}}}"#)
}

/// The class and the pointer of a refusal.
fn blame<T: std::fmt::Debug>(answer: Result<T, Reject>) -> (&'static str, String) {
    match answer.unwrap_err() {
        Reject::Malformed { pointer, .. } => ("malformed", pointer.into_owned()),
        Reject::Invalid { pointer, .. } => ("invalid", pointer.into_owned()),
        Reject::TooLarge { .. } => ("too large", String::new()),
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
    assert_eq!(blame(wire::single(event)), ("malformed", String::new()));
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
fn no_member_is_given_twice() {
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
    assert_eq!(blame(wire::single(twice.as_bytes())).0, "malformed");
}

/// An event in binary mode whose `ce-source` is `source`.
fn binary(source: &[u8]) -> Result<Incoming, Reject> {
    let noted: [(&str, &[u8]); 5] =
        [("specversion", b"1.0"), ("id", b"1"), ("type", b"job.noted"), ("subject", b"job-1"), ("source", source)];
    wire::binary(noted.into_iter(), "application/json", br#"{"text":"x"}"#)
}

#[test]
fn header_values_are_unquoted_and_decoded_once() {
    for (sent, source) in [
        ("w", "w"),
        ("caf%C3%A9", "café"),
        ("caf%c3%a9", "café"),
        ("50%2525", "50%25"),
        ("café", "café"),
        (r#""my worker""#, "my worker"),
        (r#""a \"b\" \\ %C3%A9""#, r#"a "b" \ é"#),
        (r#"a"b"#, r#"a"b"#),
    ] {
        assert_eq!(binary(sent.as_bytes()).unwrap().source, source, "{sent}");
    }
    for bad in ["%", "%4", "%zz", "%+1", "%ff", r#"""#, r#""open"#, r#""a"b"#, r#""a\"#] {
        assert_eq!(blame(binary(bad.as_bytes())).0, "malformed", "{bad}");
    }
}
