//! JSON as text: taking white space out without touching anything else, and naming places in it.

use serde_path_to_error::Segment;

/// `text`, valid JSON, without insignificant white space. Numbers, escapes and the order of keys stay as they are, which
/// parsing and printing again would not promise.
pub(crate) fn compact(text: &str) -> String {
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

/// The longest pointer that an answer repeats, 4 KiB: names are a producer's text, and may be as long as a body.
const POINTER: usize = 4 * 1024;

/// The JSON pointer (RFC 6901) of `path` below `root`. Where that would be too long, the pointer of a place that holds it.
pub(crate) fn pointer(root: &str, path: &serde_path_to_error::Path) -> String {
    let mut pointer = root.to_owned();
    for segment in path.iter() {
        let part = match segment {
            Segment::Seq { index } => index.to_string(),
            Segment::Map { key: name } | Segment::Enum { variant: name } => escape(name),
            Segment::Unknown => continue,
        };
        if !push_part(&mut pointer, &part) {
            break;
        }
    }
    pointer
}

/// Adds a reference token to a pointer, and says whether the pointer is still short enough for it.
pub(crate) fn push_part(pointer: &mut String, part: &str) -> bool {
    let fits = pointer.len() + 1 + part.len() <= POINTER;
    if fits {
        pointer.push('/');
        pointer.push_str(part);
    }
    fits
}

/// One reference token of a JSON pointer.
pub(crate) fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// serde_json's message without its `at line 1 column 9`, which means nothing inside a larger body. For a member that does
/// not exist it names the nearest one too.
pub(crate) fn message(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text.rfind(" at line ").map_or(text.as_str(), |at| &text[..at]);
    match unknown_field(text) {
        Some((found, known)) => unknown("member", found, &known),
        None => text.to_owned(),
    }
}

/// The field that serde does not know, and those that it does, out of its message: its error type keeps only that.
fn unknown_field(message: &str) -> Option<(&str, Vec<&str>)> {
    // What was found may itself look like the rest of the message; the names that are known cannot.
    let (found, known) = message.strip_prefix("unknown field `")?.rsplit_once("`, expected ")?;
    Some((found, known.split('`').skip(1).step_by(2).collect()))
}

/// Says that there is no `what` of the name `found`, which of the `known` ones is the nearest, and which there are.
pub(crate) fn unknown(what: &str, found: &str, known: &[&str]) -> String {
    let found = short(found);
    // A name that is a part of the other says more than letters in common: `processed` means `records_processed`.
    let part = |name: &str| f64::from(u8::from(name.contains(&found) || found.contains(name)));
    let likeness = |name: &str| part(name) + strsim::jaro_winkler(&found, name) + strsim::sorensen_dice(&found, name);
    let nearest = known.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    match (nearest, known) {
        (Some(only), [_]) => format!("unknown {what} `{found}`, expected `{only}`, the only one"),
        (Some(nearest), _) => {
            format!("unknown {what} `{found}`; the nearest is `{nearest}`; expected one of `{}`", known.join("`, `"))
        }
        (None, _) => format!("unknown {what} `{found}`, expected none"),
    }
}

/// The beginning of a text that may be long, for a message.
pub(crate) fn short(text: &str) -> String {
    text.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_is_as_long_as_an_answer_may_repeat() {
        let (short, long) = ("a/b".to_owned(), "n".repeat(POINTER));
        let mut pointer = "/data".to_owned();
        assert!(push_part(&mut pointer, &escape(&short)) && !push_part(&mut pointer, &long));
        assert_eq!(pointer, "/data/a~1b");
    }

    #[test]
    fn only_insignificant_white_space_goes() {
        let given = "{ \"a b\" : [ 9007199254740993 , 1.0 ,\t1e5 ] ,\r\n \"q\\\" \\\\\" : \"\\u00e9 \" }";
        assert_eq!(compact(given), r#"{"a b":[9007199254740993,1.0,1e5],"q\" \\":"\u00e9 "}"#);
    }
}
