//! Secrets inside JSON: every string that is a value is masked like a text.

use std::sync::Arc;

use super::Mask;

impl Mask {
    /// `json`, valid JSON, with the secrets in its strings masked, and the rule of each in `hits`.
    pub(in crate::wire) fn json(&self, json: &str, hits: &mut Vec<Arc<str>>) -> String {
        let mut masked = String::with_capacity(json.len());
        let mut rest = json;
        while let Some(at) = rest.find('"') {
            let len = literal(&rest[at..]);
            masked.push_str(&rest[..at]);
            let written = &rest[at..at + len];
            rest = &rest[at + len..];
            let mut text = serde_json::from_str::<String>(written).unwrap_or_default();
            let found = hits.len();
            if !rest.trim_start().starts_with(':') {
                self.text(&mut text, hits);
            }
            match hits.len() == found {
                true => masked.push_str(written),
                false => masked.push_str(&serde_json::to_string(&text).expect("a string is JSON")),
            }
        }
        masked.push_str(rest);
        masked
    }
}

/// The length of the string that `json` begins with, quotes included.
fn literal(json: &str) -> usize {
    let mut escaped = false;
    let end = json.bytes().skip(1).position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    end.map_or(json.len(), |n| n + 2)
}
