//! JSON as text: taking white space out without touching anything else, and naming places in it.

use serde_path_to_error::Segment;

/// `text`, valid JSON, without insignificant white space. Numbers, escapes and the order of keys stay as they are, which
/// parsing and printing again would not promise.
pub(super) fn compact(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut in_string, mut escaped) = (false, false);
    for c in text.chars() {
        if in_string {
            out.push(c);
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => in_string = false,
                _ => {}
            }
        } else if !matches!(c, ' ' | '\t' | '\n' | '\r') {
            in_string = c == '"';
            out.push(c);
        }
    }
    out
}

/// The JSON pointer (RFC 6901) of `path` below `root`.
pub(super) fn pointer(root: &str, path: &serde_path_to_error::Path) -> String {
    path.iter().fold(root.to_owned(), |pointer, segment| match segment {
        Segment::Seq { index } => format!("{pointer}/{index}"),
        Segment::Map { key } => format!("{pointer}/{}", escape(key)),
        Segment::Enum { variant } => format!("{pointer}/{}", escape(variant)),
        Segment::Unknown => pointer,
    })
}

/// One reference token of a JSON pointer.
pub(super) fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// serde_json's message without its `at line 1 column 9`, which means nothing inside a larger body.
pub(super) fn message(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(at) => text[..at].to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_insignificant_white_space_goes() {
        let given = "{ \"a b\" : [ 9007199254740993 , 1.0 ,\t1e5 ] ,\r\n \"q\\\" \\\\\" : \"\\u00e9 \" }";
        assert_eq!(compact(given), r#"{"a b":[9007199254740993,1.0,1e5],"q\" \\":"\u00e9 "}"#);
    }
}
