//! CloudEvents in binary mode: attributes in `ce-` headers, data in the body.

use jobledger::mask::Mask;
use jobledger::wire::{self, Incoming, Reject};

use crate::wire::blame;

/// An event in binary mode whose `ce-id` is `id`.
fn binary(id: &[u8]) -> Result<Incoming, Reject> {
    let noted: [(&str, &[u8]); 5] =
        [("specversion", b"1.0"), ("id", id), ("type", b"job.noted"), ("subject", b"job-1"), ("source", b"w")];
    wire::binary(noted.into_iter(), Some("application/json"), br#"{"text":"x"}"#, &Mask::default())
}

#[test]
fn header_values_are_unquoted_and_decoded_once() {
    for (sent, id) in [
        ("w", "w"),
        ("caf%C3%A9", "café"),
        ("caf%c3%a9", "café"),
        ("50%2525", "50%25"),
        ("café", "café"),
        (r#""my worker""#, "my worker"),
        (r#""a \"b\" \\ %C3%A9""#, r#"a "b" \ é"#),
        (r#"a"b"#, r#"a"b"#),
    ] {
        assert_eq!(binary(sent.as_bytes()).unwrap().id, id, "{sent}");
    }
    for bad in ["%", "%4", "%zz", "%+1", "%ff", r#"""#, r#""open"#, r#""a"b"#, r#""a\"#] {
        assert_eq!(blame(binary(bad.as_bytes())).0, "malformed", "{bad}");
    }
}

#[test]
fn binary_mode_takes_each_attribute_once_and_the_body_as_data() {
    let send = |more: &[(&'static str, &'static [u8])], content_type: &'static str, body: &[u8]| {
        let least: [(&str, &[u8]); 4] =
            [("specversion", b"1.0"), ("id", b"1"), ("source", b"w"), ("subject", b"job-1")];
        wire::binary(least.into_iter().chain(more.iter().copied()), content_type.into(), body, &Mask::default())
    };
    let started: (&str, &[u8]) = ("type", b"job.started");
    let json = "application/json; charset=utf-8";
    assert_eq!(send(&[started], json, b"").unwrap().data, b"{}");
    assert_eq!(send(&[started], json, b" { \"message\" : \"m\" }\n").unwrap().data, br#"{"message":"m"}"#);
    let timed = send(&[started, ("time", b"2025-02-28T12:34:56Z")], json, b"").unwrap();
    assert_eq!(timed.time, Some("2025-02-28T12:34:56Z".parse().unwrap()));
    for (more, content_type, body, pointer) in [
        (&[][..], json, &b""[..], "/type"),
        (&[started, ("id", b"2")], json, b"", ""),
        (&[started, ("traceparent", b"00-1")], json, b"", "/traceparent"),
        (&[started], "text/plain", b"", "/datacontenttype"),
        (&[started], json, b"{", ""),
        (&[started], json, b"\xff", ""),
    ] {
        assert_eq!(blame(send(more, content_type, body)), ("malformed", pointer.to_owned()), "{more:?}");
    }
}
