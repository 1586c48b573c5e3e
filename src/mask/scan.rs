//! One pass over a text for secrets.
//!
//! The cost is linear in the length of the text, for any text. Rules read the text around a keyword through
//! [`Scan::run`], which remembers where the last run of each class ended, so bytes near many keywords are read once.
//! Everything else that a rule reads has a fixed bound, or is masked and never read again. `work` counts the bytes that
//! are read, for the test of linearity.

use std::ops::Range;

use super::rule::Rule;

/// Maximum length, in bytes, of a value that a rule examines to decide whether the value is a secret.
pub(super) const MAX_EXAMINED: usize = 128;
/// The longest run that is not remembered, in bytes.
const SHORT_RUN: usize = 16;
/// Maximum length, in bytes, of a name on each side of a keyword.
const MAX_NAME: usize = 64;

/// A class of bytes; a run is a row of bytes of one class. Every class that is defined by its end contains the bytes
/// beyond ASCII.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// Letters and digits.
    Alnum,
    /// Hexadecimal digits.
    Hex,
    /// Decimal digits.
    Digit,
    /// Base64 without padding.
    Base64,
    /// Base64 for URLs without padding.
    Url64,
    /// As [`Class::Url64`], with `.`.
    Dotted,
    /// As [`Class::Dotted`], with `~` and `=`.
    Loose,
    /// The characters of a hash that `crypt` makes.
    Crypt,
    /// As [`Class::Crypt`], with `:`.
    Scram,
    /// `token68` of RFC 7235, without padding.
    Token68,
    /// As [`Class::Token68`], with `%`.
    Query,
    /// Up to white space, a quote, `;` or an angle bracket.
    Bare,
    /// Up to white space.
    Solid,
    /// Up to the end of the line.
    Line,
    /// Spaces and tabs.
    Blank,
    /// Up to the next `"`, `\` or the end of the line.
    InDouble,
    /// Up to the next `'` or the end of the line.
    InSingle,
    /// Up to the next backtick or the end of the line.
    InBacktick,
    /// Up to the next `<` or the end of the line.
    InElement,
    /// Up to the next `@`.
    NotAt,
    /// The characters of a URL: up to white space, a quote or an angle bracket.
    Url,
    /// Up to the next `-`.
    NotDash,
}

const CLASSES: usize = Class::NotDash as usize + 1;

/// For each byte, a bit for each class that contains it.
const TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        let alnum = b.is_ascii_alphanumeric();
        let url64 = alnum || matches!(b, b'-' | b'_');
        let white = matches!(b, b' ' | b'\t' | b'\r' | b'\n' | 0x0b | 0x0c);
        let line = !matches!(b, b'\r' | b'\n');
        let url = !white && !matches!(b, b'"' | b'\'' | b'`' | b'<' | b'>');
        let member = [
            alnum,
            b.is_ascii_hexdigit(),
            b.is_ascii_digit(),
            alnum || matches!(b, b'+' | b'/'),
            url64,
            url64 || b == b'.',
            url64 || matches!(b, b'.' | b'~' | b'='),
            alnum || matches!(b, b'.' | b'/' | b'+' | b'$' | b'=' | b',' | b'-'),
            alnum || matches!(b, b'.' | b'/' | b'+' | b'$' | b'=' | b',' | b'-' | b':'),
            url64 || matches!(b, b'.' | b'~' | b'+' | b'/'),
            url64 || matches!(b, b'.' | b'~' | b'+' | b'/' | b'%'),
            url && b != b';',
            !white,
            line,
            matches!(b, b' ' | b'\t'),
            line && !matches!(b, b'"' | b'\\'),
            line && b != b'\'',
            line && b != b'`',
            line && b != b'<',
            b != b'@',
            url,
            b != b'-',
        ];
        let mut class = 0;
        while class < CLASSES {
            if member[class] {
                table[byte] |= 1 << class;
            }
            class += 1;
        }
        byte += 1;
    }
    table
}

impl Class {
    fn has(self, byte: u8) -> bool {
        TABLE[byte as usize] & (1 << self as u32) != 0
    }
}

/// A secret that a rule found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// The secret's place in the text.
    pub range: Range<usize>,
    /// The rule that found the secret.
    pub rule: Rule,
}

/// A text that is read piece by piece, and the secrets found so far.
#[derive(Debug)]
pub(super) struct Scan<'t> {
    text: &'t str,
    /// Where the current piece begins.
    start: usize,
    /// Which rules are enabled.
    on: &'t [bool; Rule::COUNT],
    found: Vec<Found>,
    /// Where the newest secret ends. A rule cannot mask text before this place.
    floor: usize,
    /// Where the newest private key ends.
    last_key: usize,
    /// For each class, the last long run.
    runs: [Range<usize>; CLASSES],
    /// Where the last examined name ends. One name may hold several keywords.
    pub last_name: usize,
    /// For each command, where the last examined command line ends.
    pub commands: [usize; super::command::COUNT],
    /// Every `@` before this position was found to have no host after it.
    pub hostless: usize,
    /// Number of bytes read so far.
    pub work: usize,
}

impl<'t> Scan<'t> {
    pub(super) fn new(on: &'t [bool; Rule::COUNT]) -> Scan<'t> {
        Scan {
            text: "",
            start: 0,
            on,
            found: Vec::new(),
            floor: 0,
            last_key: 0,
            runs: std::array::from_fn(|_| 0..0),
            last_name: 0,
            commands: [0; super::command::COUNT],
            hostless: 0,
            work: 0,
        }
    }

    /// Enters the next piece of `text` between two marks: rules see nothing after `piece` and mask nothing before it.
    /// The remembered runs of earlier pieces stay valid, because places count from the beginning of the whole text.
    pub(super) fn enter(&mut self, text: &'t str, piece: &Range<usize>) {
        self.text = &text[..piece.end];
        self.work += piece.len() + 1;
        (self.start, self.floor, self.last_key) = (piece.start, piece.start, piece.start);
    }

    /// The secrets found, in the order of the text.
    pub(super) fn found(self) -> Vec<Found> {
        self.found
    }

    /// Where the newest secret ends.
    pub(super) fn floor(&self) -> usize {
        self.floor
    }

    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    pub(super) fn str(&self, range: Range<usize>) -> &'t str {
        &self.text[range]
    }

    /// The byte at `at`; 0 after the end, which no secret contains.
    pub(super) fn byte(&self, at: usize) -> u8 {
        self.text.as_bytes().get(at).copied().unwrap_or(0)
    }

    /// The byte before `at`; 0 at the beginning.
    pub(super) fn before(&self, at: usize) -> u8 {
        at.checked_sub(1).map_or(0, |at| self.byte(at))
    }

    pub(super) fn bytes(&self, range: Range<usize>) -> &'t [u8] {
        &self.text.as_bytes()[range]
    }

    /// Whether `word` stands at `at`, in any case.
    pub(super) fn starts(&self, at: usize, word: &str) -> bool {
        let found = self.text.as_bytes().get(at..at + word.len());
        found.is_some_and(|found| found.eq_ignore_ascii_case(word.as_bytes()))
    }

    /// Whether a word begins at `at`: the byte before is not a letter, a digit or `_`.
    pub(super) fn begins_word(&self, at: usize) -> bool {
        let before = self.before(at);
        !(before.is_ascii_alphanumeric() || before == b'_')
    }

    /// Whether a word ends at `at`: the byte there is not a letter, a digit or `_`.
    pub(super) fn ends_word(&self, at: usize) -> bool {
        let next = self.byte(at);
        !(next.is_ascii_alphanumeric() || next == b'_')
    }

    /// Whether a line or the text ends at `at`.
    pub(super) fn ends_line(&self, at: usize) -> bool {
        matches!(self.byte(at), b'\r' | b'\n') || at >= self.len()
    }

    /// The end of the run of `class` at `at`; `at` if its byte is not of that class.
    pub(super) fn run(&mut self, class: Class, at: usize) -> usize {
        let known = &self.runs[class as usize];
        if known.contains(&at) {
            return known.end;
        }
        let rest = self.text.as_bytes().get(at..).unwrap_or_default();
        let len = rest.iter().position(|byte| !class.has(*byte)).unwrap_or(rest.len());
        self.work += len + 1;
        // Reading a short run again is cheaper than losing a long one that is remembered.
        if len > SHORT_RUN {
            self.runs[class as usize] = at..at + len;
        }
        at + len
    }

    /// The position after the blanks at `at`.
    pub(super) fn skip_blanks(&mut self, at: usize) -> usize {
        self.run(Class::Blank, at)
    }

    /// The beginning of the run of `class` that ends at `end`, at most `max` bytes back and not inside the newest
    /// secret.
    pub(super) fn run_back(&mut self, class: Class, end: usize, max: usize) -> usize {
        let from = end.saturating_sub(max).max(self.floor);
        let len = self.text.as_bytes()[from..end].iter().rev().take_while(|byte| class.has(**byte)).count();
        self.work += len + 1;
        end - len
    }

    /// The whole name around a keyword: letters, digits, `_`, `-` and `.`. `None` if it is longer than names are.
    pub(super) fn name(&mut self, keyword: &Range<usize>) -> Option<Range<usize>> {
        let mut end = self.run(Class::Dotted, keyword.end);
        if end - keyword.end > MAX_NAME {
            return None;
        }
        while matches!(self.byte(end - 1), b'.' | b'-') {
            end -= 1;
        }
        let mut start = self.run_back(Class::Dotted, keyword.start, MAX_NAME);
        while matches!(self.byte(start), b'.' | b'-') {
            start += 1;
        }
        Some(start..end)
    }

    /// The beginning of the line that contains `at`, at most [`MAX_EXAMINED`] bytes back and not inside the newest secret.
    pub(super) fn line_start(&mut self, at: usize) -> usize {
        let mut from = at.saturating_sub(MAX_EXAMINED).max(self.floor);
        while !self.text.is_char_boundary(from) {
            from += 1;
        }
        self.work += at - from;
        self.text.as_bytes()[from..at].iter().rposition(|byte| *byte == b'\n').map_or(from, |nl| from + nl + 1)
    }

    /// Masks `range` as a secret of `rule`. Returns `false` if the rule is not enabled, or the range is empty or
    /// already masked.
    pub(super) fn mask(&mut self, rule: Rule, range: Range<usize>) -> bool {
        if !self.on[rule as usize] || range.is_empty() || range.start < self.floor {
            return false;
        }
        debug_assert!(self.text.is_char_boundary(range.start) && self.text.is_char_boundary(range.end));
        self.floor = range.end;
        if rule == Rule::PrivateKey {
            self.last_key = range.end;
        }
        self.found.push(Found { range, rule });
        true
    }

    /// How far back a key whose beginning is missing may reach. The key may contain text that looks like other secrets.
    pub(super) fn last_key(&self) -> usize {
        self.last_key
    }

    /// As [`Scan::mask`], but replaces the secrets that were found inside `range`. It does not replace a private key.
    pub(super) fn mask_over(&mut self, rule: Rule, range: Range<usize>) -> bool {
        self.last_key = range.end;
        if !self.on[rule as usize] {
            return false;
        }
        while self.found.last().is_some_and(|last| last.range.start >= range.start) {
            self.found.pop();
        }
        self.floor = self.found.last().map_or(0, |last| last.range.end).max(self.start);
        self.mask(rule, range.start.max(self.floor)..range.end)
    }
}
