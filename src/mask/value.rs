//! Values that stand behind a name: where they end, and whether they may be secrets.

use std::ops::Range;

use super::scan::{Class, LOOK, Scan};

/// How many brackets may be closed behind a value.
const CLOSING: usize = 8;

/// A value that was read.
#[derive(Debug, Clone)]
pub(super) struct Value {
    /// What would be masked.
    pub range: Range<usize>,
    /// Where the text goes on.
    pub end: usize,
    /// Whether quotes say where it ends.
    pub quoted: bool,
}

impl<'t> Scan<'t> {
    /// The quote at `at`, a backslash before it included: the length of both, and the quote.
    pub(super) fn quote(&self, at: usize) -> Option<(usize, u8)> {
        let escapes = usize::from(self.byte(at) == b'\\');
        let quote = self.byte(at + escapes);
        matches!(quote, b'"' | b'\'' | b'`').then_some((escapes + 1, quote))
    }

    /// The value that begins at `at`: quoted, or up to white space.
    pub(super) fn value(&mut self, at: usize) -> Value {
        // `E'…'` and `$'…'` are strings of PostgreSQL and of shells.
        let prefix = usize::from(matches!(self.byte(at), b'E' | b'e' | b'N' | b'$') && self.byte(at + 1) == b'\'');
        match self.quote(at + prefix) {
            Some((len, quote)) => self.quoted(at + prefix + len, quote, len == 2),
            None => self.bare(at),
        }
    }

    /// The text from `at` up to `quote`, which is written `\"` where `escaped`; up to the end of the line where it is missing.
    pub(super) fn quoted(&mut self, at: usize, quote: u8, escaped: bool) -> Value {
        let class = match quote {
            b'"' => Class::InDouble,
            b'\'' => Class::InSingle,
            _ => Class::InBacktick,
        };
        let mut end = at;
        loop {
            end = self.run(class, end);
            let next = self.byte(end + 1);
            match self.byte(end) {
                b'\\' if escaped && next == quote => break,
                // What a backslash stands before is part of the text; a line's end is not.
                b'\\' if matches!(next, b'\r' | b'\n') || end + 1 >= self.len() => end += 1,
                b'\\' => end = self.ceil(end + 2),
                // SQL writes a quote twice inside of quotes.
                found if found == quote && quote == b'\'' && !escaped && next == b'\'' => end += 2,
                // A backslash before a quote is the text's last character in a shell, and part of it elsewhere.
                b'\'' if quote == b'\'' && !escaped && self.before(end) == b'\\' && next.is_ascii_alphanumeric() => {
                    end += 1
                }
                _ => break,
            }
            self.work += 1;
            if matches!(self.byte(end), b'\r' | b'\n' | 0) || end >= self.len() {
                break;
            }
        }
        let end = end.min(self.len());
        // A backslash before the closing quote of single quotes is part of the text, of escaped ones it is not.
        let inner = if escaped && self.before(end) == b'\\' && end > at { end - 1 } else { end };
        let after = match self.byte(end) {
            b'\\' => end + 2,
            found if found == quote => end + 1,
            _ => end,
        };
        Value { range: at..inner, end: after.min(self.len()), quoted: true }
    }

    fn ceil(&self, at: usize) -> usize {
        self.str(0..self.len()).ceil_char_boundary(at)
    }

    /// The text from `at` up to white space, a quote, `;`, or where the next member of a list begins.
    fn bare(&mut self, at: usize) -> Value {
        let run = self.run(Class::Bare, at);
        let looked = run.min(at + LOOK);
        let bytes = self.bytes(at..looked);
        self.work += bytes.len();
        let next_member = |n: usize| {
            let rest = &bytes[n + 1..];
            let name = rest.iter().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.')).count();
            let ends = match rest.get(name) {
                Some(b'=') => true,
                // `user: x` in a list between braces.
                Some(b':') => at + n + name + 2 == run,
                _ => false,
            };
            ends && (1..=40).contains(&name)
        };
        let cut = bytes.iter().enumerate().position(|(n, byte)| match byte {
            b'&' => next_member(n),
            b',' => at + n + 1 == run || next_member(n),
            _ => false,
        });
        let mut end = cut.map_or(run, |n| at + n);
        // What closes brackets around the value is none of it.
        let first = end.saturating_sub(CLOSING).max(at);
        while end > first {
            let open = match self.byte(end - 1) {
                b')' => b'(',
                b']' => b'[',
                b'}' => b'{',
                b'\\' => 0,
                _ => break,
            };
            if open != 0 && self.bytes(at..end.min(at + LOOK)).contains(&open) {
                break;
            }
            end -= 1;
            self.work += 1;
        }
        Value { range: at..end, end, quoted: false }
    }

    /// The beginning of a value, as much of it as is looked at.
    pub(super) fn looked_at(&mut self, range: &Range<usize>) -> &'t str {
        let end = self.str(0..self.len()).floor_char_boundary(range.end.min(range.start + LOOK));
        self.work += end - range.start;
        self.str(range.start..end)
    }

    /// Whether a line goes on behind `at` with another word of a sentence.
    pub(super) fn goes_on(&mut self, at: usize) -> bool {
        let next = self.skip_blanks(at);
        let byte = self.byte(next);
        next > at && (byte.is_ascii_alphanumeric() || byte >= 0x80 || matches!(byte, b'(' | b'`'))
    }
}

/// Whether a value stands for one: a variable, a template, stars, nothing.
pub(super) fn is_placeholder(text: &str) -> bool {
    let name = |text: &str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
    };
    let text = text.trim().trim_end_matches([',', ';']);
    // Nearly every value begins with a letter or a digit, and then only a row of `x` is none.
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

/// Words that are said of a password or a token where its value would stand.
const SAID: &[&str] = &[
    "absent",
    "accepted",
    "an",
    "and",
    "any",
    "are",
    "argument",
    "asked",
    "authentication",
    "be",
    "been",
    "but",
    "by",
    "can",
    "cannot",
    "changed",
    "checked",
    "could",
    "created",
    "default",
    "deleted",
    "denied",
    "did",
    "disabled",
    "does",
    "don't",
    "done",
    "empty",
    "enabled",
    "encrypted",
    "entered",
    "error",
    "expected",
    "expired",
    "expires",
    "fail",
    "failed",
    "failure",
    "false",
    "field",
    "flag",
    "for",
    "found",
    "from",
    "given",
    "has",
    "have",
    "hidden",
    "if",
    "in",
    "incorrect",
    "input",
    "instead",
    "int",
    "integer",
    "invalid",
    "is",
    "isn't",
    "it",
    "length",
    "masked",
    "match",
    "matches",
    "may",
    "mismatch",
    "missing",
    "must",
    "n/a",
    "needed",
    "nil",
    "no",
    "none",
    "not",
    "not-set",
    "null",
    "number",
    "object",
    "of",
    "off",
    "ok",
    "omitted",
    "on",
    "only",
    "option",
    "optional",
    "or",
    "parameter",
    "passed",
    "please",
    "present",
    "prompt",
    "protected",
    "provided",
    "redacted",
    "rejected",
    "required",
    "reset",
    "rotated",
    "said",
    "see",
    "sent",
    "set",
    "should",
    "skipped",
    "so",
    "str",
    "string",
    "success",
    "successful",
    "than",
    "that",
    "the",
    "then",
    "this",
    "to",
    "too",
    "true",
    "type",
    "undefined",
    "unknown",
    "unset",
    "updated",
    "used",
    "valid",
    "value",
    "varchar",
    "verified",
    "was",
    "when",
    "which",
    "will",
    "with",
    "without",
    "wrong",
    "yes",
    "yet",
    "you",
    "your",
];

/// Whether a value is one of the words that are said where a value would stand.
pub(super) fn is_said(text: &str) -> bool {
    let word = text.trim_matches(|c: char| c.is_ascii_punctuation());
    let mut small = [0; 16];
    let Some(small) = small.get_mut(..word.len()) else { return false };
    small.copy_from_slice(word.as_bytes());
    small.make_ascii_lowercase();
    SAID.binary_search_by(|said| said.as_bytes().cmp(small)).is_ok()
}

/// Whether a value is a word of a sentence rather than a secret: letters of one kind of case, or a small number.
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

/// Whether a value is a call or an element of something in a program.
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

/// Whether a value is surely code: a call without arguments, or one whose arguments are in quotes.
pub(super) fn is_call(text: &str) -> bool {
    is_code(text) && (text.ends_with("()") || text.ends_with(['(', '[']))
}

/// Whether a value is words and small numbers with signs between, as in names of files and of states.
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

/// Whether a value looks like a random key or token of at least `min` characters.
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
    fn the_words_are_in_order() {
        assert!(SAID.is_sorted(), "{:?}", SAID.windows(2).find(|pair| pair[0] > pair[1]));
    }

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
