//! Classifies a value by its text alone: a random key, a word, code or a phrase.

/// Whether `text` looks like a word of a sentence: letters in one case, or a number of up to three digits.
pub(super) fn is_word(text: &str) -> bool {
    let text = text.trim_matches(|c: char| c.is_ascii_punctuation());
    text.split(['-', '_', '\'', '/', '.', ',']).all(|part| {
        let mut letters = part.chars();
        let first = letters.next().is_none_or(char::is_alphabetic);
        (first && letters.all(|c| c.is_lowercase() || c.is_alphabetic() && !c.is_uppercase()))
            || part.chars().all(char::is_uppercase)
            || part.len() <= 3 && part.bytes().all(|b| b.is_ascii_digit())
    })
}

/// Whether `text` looks like a call or an indexed element in a program.
pub(super) fn is_code(text: &str) -> bool {
    let called = text.find(['(', '[']).map(|at| &text[..at]);
    called.is_some_and(|name| {
        !name.is_empty()
            && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '$' || c == '&')
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b':' | b'$' | b'&' | b'>' | b'-'))
    }) && text.len() > 2
}

/// Whether `text` is surely code: a call without arguments, or a call that was cut off at a quoted argument.
pub(super) fn is_call(text: &str) -> bool {
    is_code(text) && (text.ends_with("()") || text.ends_with(['(', '[']))
}

/// Whether `text` is words and small numbers with signs between them, as in names of files and states.
fn is_phrase(text: &str) -> bool {
    let parts = text.split(|c: char| !c.is_alphanumeric()).filter(|part| !part.is_empty());
    parts.into_iter().all(|part: &str| {
        let digits = part.bytes().filter(u8::is_ascii_digit).count();
        let cased =
            part.bytes().skip(1).any(|b| b.is_ascii_uppercase()) && part.bytes().any(|b| b.is_ascii_lowercase());
        let number = digits == part.len() && (digits <= 8 || part.starts_with("20") && digits <= 14);
        if digits == 0 { !cased && part.len() <= 20 } else { number || part.len() <= 4 && !cased }
    })
}

/// Whether `text` looks like a random key or token of at least `min` bytes.
pub(super) fn is_random(text: &str, min: usize) -> bool {
    let looks = text.len() >= min
        && text.bytes().any(|b| b.is_ascii_digit())
        && text.bytes().all(|b| b.is_ascii_graphic())
        && (text.len() >= 16 || text.bytes().any(|b| b.is_ascii_alphabetic()));
    let names = ["arn:", "http:", "https:", "file:", "vault:", "ssm:", "op:", "urn:", "/", "./", "../", "~/", "@"];
    looks
        && !names.iter().any(|name| text.starts_with(name))
        && !text.contains("://")
        && !text.contains("${")
        && !is_code(text)
        && !is_phrase(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_keys_are_told_from_words() {
        for text in
            ["aZ0kQ7xW3bN9", "67d7d053-3caf-430e-97ba-6d4933d3fd5b", "1234567890123456", "wJalrXUtnFEMI/K7MDENG/bPx"]
        {
            assert!(is_random(text, 12), "{text}");
        }
        for text in [
            "session-expired-after-30-minutes",
            "configuration",
            "build-2024-01-31",
            "/var/run/secrets/token1",
            "arn:aws:secretsmanager:eu-west-1:123456789012:secret:a",
            "https://example.com/a1b2c3d4e5",
            "os.environ[\"TOKEN1\"]",
            "deps-v1-linux-x64",
        ] {
            assert!(!is_random(text, 12), "{text}");
        }
    }
}
