//! Values after a name: where they begin and end.

use std::ops::Range;

use super::scan::{Class, MAX_EXAMINED, Scan};

/// Maximum number of closing brackets that are taken off a value's end.
const CLOSING: usize = 8;

/// A value in the text.
#[derive(Debug, Clone)]
pub(super) struct Value {
    /// The value without its quotes: what a rule masks.
    pub range: Range<usize>,
    /// The position after the value and its closing quote.
    pub end: usize,
    /// Whether quotes fix where the value ends.
    pub quoted: bool,
}

impl<'t> Scan<'t> {
    /// The quote at `at`, perhaps escaped by a backslash: the length with the backslash, and the quote's byte.
    pub(super) fn quote(&self, at: usize) -> Option<(usize, u8)> {
        let escapes = usize::from(self.byte(at) == b'\\');
        let quote = self.byte(at + escapes);
        matches!(quote, b'"' | b'\'' | b'`').then_some((escapes + 1, quote))
    }

    /// The value that begins at `at`: up to its closing quote, or up to white space.
    pub(super) fn value(&mut self, at: usize) -> Value {
        // PostgreSQL writes `E'…'` and `N'…'`, shells write `$'…'`.
        let prefix = usize::from(matches!(self.byte(at), b'E' | b'e' | b'N' | b'$') && self.byte(at + 1) == b'\'');
        match self.quote(at + prefix) {
            Some((len, quote)) => self.quoted(at + prefix + len, quote, len == 2),
            None => self.bare(at),
        }
    }

    /// The text from `at` up to `quote`, which stands after a backslash if `escaped`. Without a closing quote, up to
    /// the end of the line.
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
                // A backslash makes the next character part of the text, but not the end of the line.
                b'\\' if matches!(next, b'\r' | b'\n') || end + 1 >= self.len() => end += 1,
                b'\\' => end = self.char_boundary_from(end + 2),
                // SQL doubles a quote inside quotes.
                found if found == quote && quote == b'\'' && !escaped && next == b'\'' => end += 2,
                // In a shell a backslash before the quote is the last character of the text; elsewhere it escapes the
                // quote. A letter after the quote means that the text goes on.
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
        // The backslash of an escaped closing quote is not part of the text.
        let inner = if escaped && self.before(end) == b'\\' && end > at { end - 1 } else { end };
        let after = match self.byte(end) {
            b'\\' => end + 2,
            found if found == quote => end + 1,
            _ => end,
        };
        Value { range: at..inner, end: after.min(self.len()), quoted: true }
    }

    fn char_boundary_from(&self, at: usize) -> usize {
        self.str(0..self.len()).ceil_char_boundary(at)
    }

    /// The text from `at` up to white space, a quote, `;`, or the next member of a list such as `a=1&b=2`.
    fn bare(&mut self, at: usize) -> Value {
        let run = self.run(Class::Bare, at);
        let looked = run.min(at + MAX_EXAMINED);
        let bytes = self.bytes(at..looked);
        self.work += bytes.len();
        let next_member = |n: usize| {
            let rest = &bytes[n + 1..];
            let name = rest.iter().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.')).count();
            let ends = match rest.get(name) {
                Some(b'=') => true,
                // `user: x` in a list in braces.
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
        // Take off brackets that close around the value.
        let first = end.saturating_sub(CLOSING).max(at);
        while end > first {
            let open = match self.byte(end - 1) {
                b')' => b'(',
                b']' => b'[',
                b'}' => b'{',
                b'\\' => 0,
                _ => break,
            };
            if open != 0 && self.bytes(at..end.min(at + MAX_EXAMINED)).contains(&open) {
                break;
            }
            end -= 1;
            self.work += 1;
        }
        Value { range: at..end, end, quoted: false }
    }

    /// The beginning of a value: the part that rules examine, at most [`MAX_EXAMINED`] bytes.
    pub(super) fn examined(&mut self, range: &Range<usize>) -> &'t str {
        let end = self.str(0..self.len()).floor_char_boundary(range.end.min(range.start + MAX_EXAMINED));
        self.work += end - range.start;
        self.str(range.start..end)
    }

    /// Whether another word of a sentence follows `at` on the line.
    pub(super) fn sentence_goes_on(&mut self, at: usize) -> bool {
        let next = self.skip_blanks(at);
        let byte = self.byte(next);
        next > at && (byte.is_ascii_alphanumeric() || byte >= 0x80 || matches!(byte, b'(' | b'`'))
    }
}
