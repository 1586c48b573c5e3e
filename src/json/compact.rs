//! Texts made shorter: JSON without white space, and the beginning of a text for a message.

/// `json` without insignificant white space. Numbers, escapes and the order of members stay as they are, which parsing
/// and printing again does not promise. `json` must be valid.
pub(crate) fn compact(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let (mut in_string, mut escaped) = (false, false);
    for c in json.chars() {
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

/// The first 64 characters of `text`: as much of a producer's text as a message repeats.
pub(crate) fn beginning(text: &str) -> String {
    text.chars().take(64).collect()
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
