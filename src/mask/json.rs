//! Secrets inside JSON: every string that is a value is masked like a text. [`super::Mask::secret_member`] examines the
//! names.

use std::sync::Arc;

use super::Mask;
use super::named::kind_of_option;

impl Mask {
    /// Masks the secrets in the strings of `json`, which must be valid, and adds the name of the rule of each to
    /// `hits`. Numbers, white space, names and the order of members stay as they are. The cost is linear.
    ///
    /// In a list of arguments, the string after `--password` is a secret too.
    pub(crate) fn json(&self, json: &str, hits: &mut Vec<Arc<str>>) -> String {
        let mut masked = String::with_capacity(json.len());
        let mut rest = json;
        // The kind of secret that the string before this one, an option in a list, takes as its value.
        let mut expected = None;
        while let Some(at) = rest.find('"') {
            let len = string_len(&rest[at..]);
            let (before, from) = rest.split_at(at);
            let (written, after) = from.split_at(len);
            masked.push_str(before);
            rest = after;
            if before.trim() != "," {
                expected = None;
            }
            if after.trim_start().starts_with(':') {
                masked.push_str(written);
                expected = None;
                continue;
            }
            let Ok(mut text) = serde_json::from_str::<String>(written) else {
                masked.push_str(written);
                continue;
            };
            let found = hits.len();
            match std::mem::replace(&mut expected, kind_of_option(&text)) {
                Some(kind) => self.option_value(&mut text, kind, hits),
                None => self.text(&mut text, hits),
            }
            if hits.len() == found {
                masked.push_str(written);
            } else {
                masked.push_str(&serde_json::to_string(&text).expect("a string is JSON"));
            }
        }
        masked.push_str(rest);
        masked
    }
}

/// The length of the string literal at the beginning of `json`, quotes included.
fn string_len(json: &str) -> usize {
    let mut escaped = false;
    let end = json.bytes().skip(1).position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    end.map_or(json.len(), |n| n + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(json: &str) -> String {
        let mut hits = Vec::new();
        let masked = Mask::default().json(json, &mut hits);
        assert_eq!(masked.matches("[masked:").count(), hits.len());
        assert_eq!(Mask::default().json(&masked, &mut Vec::new()), masked);
        masked
    }

    #[test]
    fn strings_are_masked_and_other_json_stays_byte_for_byte() {
        let url = r#"{"a":1.0,"b":[true,"postgres://app:hunter2@db/x"],"c\"d":{"e":"\u00e9 plain"},"n":1e5}"#;
        assert_eq!(masked(url), url.replace("hunter2", "[masked:url-password]"));
        let escaped = r#"{"text":"password=\"hun\\ter2\"\n"}"#;
        assert_eq!(masked(escaped), r#"{"text":"password=\"[masked:password]\"\n"}"#);
        assert_eq!(masked("{}"), "{}");
        assert_eq!(masked(r#""password=hunter2""#), r#""password=[masked:password]""#);
    }

    #[test]
    fn a_list_of_arguments_has_the_value_behind_its_option() {
        assert_eq!(
            masked(r#"{"args":["mysql","--password","hunter2","--host","db"]}"#),
            r#"{"args":["mysql","--password","[masked:password]","--host","db"]}"#
        );
        let other = r#"{"args":["--verbose","hunter2"],"--password":"hunter2","c":["--password",["x"]]}"#;
        assert_eq!(masked(other), other);
        assert_eq!(masked(r#"["--password","$PASSWORD"]"#), r#"["--password","$PASSWORD"]"#);
    }
}
