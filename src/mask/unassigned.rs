//! Values after a name without `=` or `:`: `--password x`, `PASSWORD 'x'`, `.netrc`, and pairs of `name` and `value`.

use super::named::{Form, Name, is_upper, mask, separator};
use super::names::SecretKind;
use super::next_line::line_ends;
use super::scan::{Class, MAX_EXAMINED, Scan};
use super::value::Value;

/// Masks the value of a name that has no sign after it.
pub(super) fn examine(scan: &mut Scan<'_>, name: &Name) {
    let end = name.range.end;
    let at = scan.skip_blanks(end);
    let next = scan.byte(at);
    let is_option = scan.before(name.range.start) == b'-';
    if is_option && at > end {
        // A value that begins with `-` is the next option.
        let value = if next == b'-' { return } else { scan.value(at) };
        mask(scan, name, Form::Option, &value);
        return;
    }
    if mask_value_member(scan, name) {
        return;
    }
    if name.kind == SecretKind::Password {
        let word = scan.str(name.range.clone());
        // SQL: `PASSWORD 'x'`, `PASSWORD('x')`.
        let call = usize::from(next == b'(');
        let is_clause = word.len() >= 6 && (at > end || call == 1);
        let (prefix, quote) = (usize::from(matches!(scan.byte(at + call), b'E' | b'e')), b"'\"");
        if is_clause
            && quote.contains(&scan.byte(at + call + prefix))
            && (scan.byte(at + call) != b'"' || call == 1 || is_upper(word))
        {
            let value = scan.value(at + call);
            mask(scan, name, Form::Tight, &value);
            return;
        }
        if at > end && (after_word(scan, name.range.start, "setenv") || is_netrc(scan, name.range.start)) {
            let end = scan.run(Class::Solid, at);
            mask(scan, name, Form::Tight, &Value { range: at..end, end, quoted: true });
            return;
        }
        mask_generated(scan, name, at);
    } else if at > end && scan.quote(at).is_none() {
        let value = scan.value(at);
        mask(scan, name, Form::Bare, &value);
    }
}

/// Whether `word` stands before `at`, with blanks between.
fn after_word(scan: &mut Scan<'_>, at: usize, word: &str) -> bool {
    let end = scan.run_back(Class::Blank, at, 8);
    let start = scan.run_back(Class::Alnum, end, word.len() + 1);
    end < at && scan.str(start..end) == word
}

/// Whether `password` at `at` belongs to an entry of `.netrc`: `machine h login l password p`, on one line or several.
fn is_netrc(scan: &mut Scan<'_>, at: usize) -> bool {
    let from = scan.str(0..at).floor_char_boundary(at.saturating_sub(256)).max(scan.floor());
    let before = scan.str(from..at);
    scan.work += before.len();
    let mut words = before.split_ascii_whitespace().rev();
    let value = words.next();
    value.is_some() && matches!(words.next(), Some("login" | "machine" | "account")) && {
        before.contains("machine ") || before.contains("default ")
    }
}

/// Masks the password in MySQL's `A temporary password is generated for root@localhost: x`.
fn mask_generated(scan: &mut Scan<'_>, name: &Name, at: usize) {
    if !scan.starts(at, "is generated for ") {
        return;
    }
    let line = scan.run(Class::Line, at).min(at + MAX_EXAMINED);
    if let Some(colon) = scan.bytes(at..line).windows(2).position(|pair| pair == b": ") {
        let start = scan.skip_blanks(at + colon + 2);
        let end = scan.run(Class::Solid, start);
        mask(scan, name, Form::Tight, &Value { range: start..end, end, quoted: true });
    }
}

/// Masks the value in `name: DB_PASSWORD` with `value: x` after it, in YAML, JSON or XML. Returns whether it masked
/// one.
fn mask_value_member(scan: &mut Scan<'_>, name: &Name) -> bool {
    let mut at = name.range.end;
    at += scan.quote(at).map_or(0, |(len, _)| len);
    let from = at;
    while at < from + 80 && matches!(scan.byte(at), b' ' | b'\t' | b'\r' | b'\n' | b',') {
        at += 1;
    }
    scan.work += at - from;
    let quoted = scan.quote(at).map_or(0, |(len, _)| len);
    if at == from || !scan.starts(at + quoted, "value") {
        return false;
    }
    let value = at + quoted..at + quoted + 5;
    match separator(scan, &value) {
        Some((form, at)) if !line_ends(scan, at) => {
            let value = scan.value(at);
            let form = if form == Form::Tight || value.quoted { Form::Tight } else { Form::Loose };
            mask(scan, name, form, &value)
        }
        _ => false,
    }
}
