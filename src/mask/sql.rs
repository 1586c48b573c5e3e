//! SQL: `IDENTIFIED BY 'x'`, as MySQL, MariaDB and Oracle write it. `PASSWORD 'x'` is a name with a value.

use std::ops::Range;

use super::rule::Rule;
use super::scan::{Class, Scan};
use super::value::{is_placeholder, is_said};

/// How long a statement is between its first word and `IDENTIFIED`.
const HEAD: usize = 200;

/// `IDENTIFIED [WITH plugin] BY [PASSWORD | VALUES] 'x' [REPLACE 'y']`, and `AS 'hash'`.
pub(super) fn identified(scan: &mut Scan<'_>, keyword: Range<usize>) {
    let mut at = keyword.end;
    if let Some(with) = word(scan, at, "with") {
        let plugin = scan.skip_blanks(with);
        at = match scan.quote(plugin) {
            Some(_) => scan.value(plugin).end,
            None => scan.run(Class::Dotted, plugin),
        };
    }
    let Some(by) = word(scan, at, "by").or_else(|| word(scan, at, "as")) else { return };
    let by = word(scan, by, "password").or_else(|| word(scan, by, "values")).unwrap_or(by);
    let Some(end) = secret(scan, by, keyword.start) else { return };
    if let Some(replace) = word(scan, end, "replace") {
        secret(scan, replace, keyword.start);
    }
}

/// Behind `word` and the blanks before it.
fn word(scan: &mut Scan<'_>, at: usize, word: &str) -> Option<usize> {
    let start = blank(scan, at);
    let end = start + word.len();
    (start > at && scan.starts(start, word) && scan.ends_word(end)).then_some(end)
}

/// Statements go over lines.
fn blank(scan: &mut Scan<'_>, at: usize) -> usize {
    let mut end = at;
    while end < at + 80 && matches!(scan.byte(end), b' ' | b'\t' | b'\r' | b'\n') {
        end += 1;
    }
    scan.work += end - at;
    end
}

/// Masks the value at `at`, and says where it ends. Without quotes it is one in a statement about users alone: people are
/// identified by many things.
fn secret(scan: &mut Scan<'_>, at: usize, statement: usize) -> Option<usize> {
    let start = blank(scan, at);
    if start == at {
        return None;
    }
    let value = scan.value(start);
    let text = scan.looked_at(&value.range);
    if is_placeholder(text) || !value.quoted && is_said(text) {
        return None;
    }
    if !value.quoted {
        let from = scan.str(0..statement).floor_char_boundary(statement.saturating_sub(HEAD));
        let head = scan.str(from..statement).to_ascii_lowercase();
        scan.work += head.len();
        let is_statement = ["user", "role", "grant", "link"].iter().any(|word| head.contains(word));
        let is_clause = is_statement && ["create", "alter", "grant"].iter().any(|word| head.contains(word));
        if !is_clause {
            return None;
        }
    }
    scan.mask(Rule::Password, value.range.clone()).then_some(value.end)
}
