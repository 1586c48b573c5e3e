//! Values on the line below their name, as YAML and shells write them.

use super::named::{Form, Name, mask};
use super::scan::{Class, Scan};
use super::value::Value;

/// Whether the line ends after `at`. YAML's and shells' signs for a value on the next line may come before its end.
pub(super) fn line_ends(scan: &mut Scan<'_>, at: usize) -> bool {
    let mut end = at;
    while end < at + 3 && matches!(scan.byte(end), b'|' | b'>' | b'-' | b'+' | b'\\') {
        end += 1;
    }
    let end = scan.skip_blanks(end);
    matches!(scan.byte(end), b'\r' | b'\n')
}

/// Masks a value on the line below its name, if it is indented deeper, quoted, or looks random.
pub(super) fn examine(scan: &mut Scan<'_>, name: &Name, at: usize) {
    let is_block = matches!(scan.byte(at), b'|' | b'>');
    let mut at = scan.run(Class::Line, at);
    at += usize::from(scan.byte(at) == b'\r');
    let line = at + 1;
    let start = scan.skip_blanks(line);
    if scan.byte(at) != b'\n' || scan.ends_line(start) {
        return;
    }
    let own_line = scan.line_start(name.range.start);
    let own_indent = scan.skip_blanks(own_line) - own_line;
    let is_deeper = start - line > own_indent;
    if scan.quote(start).is_some() {
        let value = scan.value(start);
        let then = scan.skip_blanks(value.end);
        // A quoted text before `:` or `=` is the name of the next member.
        if !matches!(scan.byte(then), b':' | b'=') {
            mask(scan, name, Form::Tight, &value);
        }
        return;
    }
    if is_block && is_deeper {
        let end = block_end(scan, start, start - line);
        mask(scan, name, Form::Tight, &Value { range: start..end, end, quoted: true });
        return;
    }
    let end = scan.run(Class::Solid, start);
    let rest = scan.skip_blanks(end);
    let value = Value { range: start..end, end, quoted: false };
    let text = scan.examined(&value.range);
    let is_other =
        text.ends_with([':', ',', '{', '[', '>', '|']) || text.starts_with(['-', '#', '<', '{', '[', '/', '$', '>']);
    let is_pair = text.contains('=') && !text.ends_with('=');
    let plain = !text.contains([':', '/'])
        && text.bytes().any(|b| b.is_ascii_digit())
        && text.bytes().any(|b| b.is_ascii_alphabetic());
    if scan.ends_line(rest) && !is_other && !is_pair && (is_deeper || plain && end - start >= 6) {
        mask(scan, name, Form::Loose, &value);
    }
}

/// The end of the block of lines that are indented by at least `indent`.
fn block_end(scan: &mut Scan<'_>, start: usize, indent: usize) -> usize {
    let mut end = scan.run(Class::Line, start);
    loop {
        let next = end + 1 + usize::from(scan.byte(end) == b'\r');
        let text = scan.skip_blanks(next);
        if next >= scan.len() || text - next < indent || scan.ends_line(text) {
            return end;
        }
        end = scan.run(Class::Line, text);
    }
}
