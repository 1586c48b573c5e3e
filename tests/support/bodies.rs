//! The exact form of JSON bodies.

use serde_json::Value;

use super::client::Answer;

/// JSON without the white space between its tokens; the order of keys and the spelling of values stay.
pub fn compact(json: &str) -> String {
    let (mut text, mut inside, mut escaped) = (String::new(), false, false);
    for c in json.chars() {
        if inside || !c.is_ascii_whitespace() {
            text.push(c);
        }
        inside = if c == '"' && !escaped { !inside } else { inside };
        escaped = inside && c == '\\' && !escaped;
    }
    text
}

/// Checks that the answer is an RFC 9457 problem of this status and code. Returns the body.
#[track_caller]
pub fn problem(answer: Answer, status: u16, code: &str) -> Value {
    let answer = answer.expect(status);
    assert_eq!(answer.header("content-type"), "application/problem+json");
    let body = answer.json();
    assert_eq!(body["type"], format!("urn:jobledger:problem:{code}"));
    assert_eq!((body["code"].as_str(), body["status"].as_u64()), (Some(code), Some(status.into())), "{body}");
    let reason = ureq::http::StatusCode::from_u16(status).unwrap().canonical_reason();
    assert_eq!(body["title"].as_str(), reason);
    assert!(body["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{body}");
    body
}
