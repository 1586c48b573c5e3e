//! Placeholders: texts that stand where a secret would, and hold none.

/// Whether `text` is a placeholder: a variable, a template, stars, a mark, or nothing.
pub(super) fn is_placeholder(text: &str) -> bool {
    let name = |text: &str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
    };
    let text = text.trim().trim_end_matches([',', ';']);
    // Most values begin with a letter or a digit. Of these, only a row of `x` is a placeholder.
    if text.starts_with(|c: char| c.is_ascii_alphanumeric() && !matches!(c, 'x' | 'X')) {
        return false;
    }
    let wrapped = [("${", "}"), ("$(", ")"), ("{{", "}}"), ("<", ">"), ("%(", ")s"), ("((", "))")];
    let stars = |byte: u8| match byte {
        b'*' | b'?' | b'#' => true,
        b'.' | b'x' | b'X' | b'-' | b'_' => text.len() >= 3,
        _ => false,
    };
    text.is_empty()
        || wrapped
            .iter()
            .any(|(open, close)| text.starts_with(open) && (text.ends_with(close) || !text.contains(close)))
        || text.strip_prefix('$').is_some_and(|rest| name(rest) || rest.bytes().all(|b| b.is_ascii_digit()))
        || text.strip_prefix("$env:").is_some()
        || text.strip_prefix('%').and_then(|rest| rest.strip_suffix('%')).is_some_and(name)
        || matches!(text, "%s" | "%v" | "%q" | "{}" | "[]" | "?" | ":" | "@")
        || text.bytes().all(stars)
        || text.starts_with("***")
        || text.starts_with("[masked:")
        || ["[redacted]", "[filtered]", "[hidden]", "<redacted>", "(redacted)"]
            .iter()
            .any(|word| text.eq_ignore_ascii_case(word))
}
