//! Passwords in SQL: `IDENTIFIED BY 'x'`, as MySQL, MariaDB and Oracle write it. [`super::named`] finds `PASSWORD 'x'`.

use std::ops::Range;

use super::placeholder::is_placeholder;
use super::remarks::is_remark;
use super::rule::Rule;
use super::scan::{Class, Scan};

/// Maximum number of bytes between the beginning of a statement and `IDENTIFIED`.
const MAX_HEAD: usize = 200;

/// Masks the values in `IDENTIFIED [WITH plugin] BY [PASSWORD | VALUES] 'x' [REPLACE 'y']`, and in `AS 'hash'`.
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

/// The position after `word` and the blanks before it; `None` if another word stands there.
fn word(scan: &mut Scan<'_>, at: usize, word: &str) -> Option<usize> {
    let start = blank(scan, at);
    let end = start + word.len();
    (start > at && scan.starts(start, word) && scan.ends_word(end)).then_some(end)
}

/// The position after the white space at `at`. A statement may span lines.
fn blank(scan: &mut Scan<'_>, at: usize) -> usize {
    let mut end = at;
    while end < at + 80 && matches!(scan.byte(end), b' ' | b'\t' | b'\r' | b'\n') {
        end += 1;
    }
    scan.work += end - at;
    end
}

/// Masks the value at `at` and returns its end. A value without quotes counts only in a statement about users: prose
/// also says "identified by".
fn secret(scan: &mut Scan<'_>, at: usize, statement: usize) -> Option<usize> {
    let start = blank(scan, at);
    if start == at {
        return None;
    }
    let value = scan.value(start);
    let text = scan.examined(&value.range);
    if is_placeholder(text) || !value.quoted && is_remark(text) {
        return None;
    }
    if !value.quoted {
        let from = scan.str(0..statement).floor_char_boundary(statement.saturating_sub(MAX_HEAD));
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
