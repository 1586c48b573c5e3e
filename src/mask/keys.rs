//! Private keys: PEM blocks (whole, cut off, or in Base64), and the keys of PuTTY.

use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::rule::Rule;
use super::scan::{Class, Scan};

/// Maximum length, in bytes, of the words in a marker: `-----BEGIN <words>-----`.
const MAX_WORDS: usize = 100;
/// Minimum length, in bytes, of a line that belongs to a key that is cut off.
const MIN_KEY_LINE: usize = 16;

/// Masks a key from `-----BEGIN … PRIVATE KEY-----` to its end marker; without an end marker, as far as the lines look
/// like a key.
pub(super) fn begin(scan: &mut Scan<'_>, keyword: Range<usize>) {
    let Some(at) = marker(scan, keyword.end) else { return };
    // The next `--` begins the end marker, or the block has no end marker.
    let mut dash = at;
    let end = loop {
        dash = scan.run(Class::NotDash, dash);
        if dash >= scan.len() {
            break None;
        }
        if scan.byte(dash + 1) == b'-' {
            let end = scan.bytes(dash..scan.len()).starts_with(b"-----END ");
            break end.then(|| marker(scan, dash + 9)).flatten();
        }
        dash += 1;
    };
    if let Some(end) = end {
        scan.mask(Rule::PrivateKey, keyword.start..end);
        return;
    }
    let end = lines(scan, at, true);
    if end > at {
        scan.mask(Rule::PrivateKey, keyword.start..end);
    }
}

/// Masks the lines before `-----END … PRIVATE KEY-----` that look like a key whose beginning is missing.
pub(super) fn end(scan: &mut Scan<'_>, keyword: Range<usize>) {
    let Some(end) = marker(scan, keyword.end) else { return };
    let mut start = keyword.start;
    let mut lines = 0;
    // Go up from the last line. Only the last line may be short.
    loop {
        let before = newline_before(scan, start);
        if before == start {
            break;
        }
        let line = key_line_before(scan, before);
        if line == before || lines > 0 && before - line < MIN_KEY_LINE {
            break;
        }
        start = line;
        lines += 1;
    }
    if lines > 0 {
        scan.mask_over(Rule::PrivateKey, start..end);
    }
}

/// The position after the words and dashes of a marker; `None` if they do not name a private key.
fn marker(scan: &mut Scan<'_>, at: usize) -> Option<usize> {
    let words = scan.bytes(at..scan.len().min(at + MAX_WORDS));
    let len =
        words.iter().take_while(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || matches!(b, b' ' | b'_')).count();
    scan.work += len;
    let name = &words[..len];
    let is_private = name.ends_with(b"PRIVATE KEY") || name.ends_with(b"PRIVATE KEY BLOCK");
    (is_private && scan.bytes(at + len..scan.len()).starts_with(b"-----")).then_some(at + len + 5)
}

/// The position after the line breaks and blanks at `at`. A line break may also be written as `\n`.
fn newline(scan: &mut Scan<'_>, at: usize) -> usize {
    let mut end = at;
    loop {
        match scan.byte(end) {
            b'\n' | b'\r' | b' ' | b'\t' => end += 1,
            b'\\' if matches!(scan.byte(end + 1), b'n' | b'r') => end += 2,
            _ => break,
        }
    }
    scan.work += end - at;
    end
}

/// The position before the line breaks and blanks that end at `at`.
fn newline_before(scan: &mut Scan<'_>, at: usize) -> usize {
    let mut start = at;
    while start > scan.last_key() {
        match scan.byte(start - 1) {
            b'\n' | b'\r' | b' ' | b'\t' => start -= 1,
            b'n' | b'r' if scan.before(start - 1) == b'\\' => start -= 2,
            _ => break,
        }
    }
    scan.work += at - start;
    start
}

/// The beginning of the Base64 that ends at `at`.
fn key_line_before(scan: &mut Scan<'_>, at: usize) -> usize {
    let mut start = at;
    while start > scan.last_key() && is_base64(scan.byte(start - 1)) {
        // The `n` of a written `\n` does not belong to the key.
        if matches!(scan.byte(start - 1), b'n' | b'r') && scan.before(start - 1) == b'\\' {
            break;
        }
        start -= 1;
    }
    scan.work += at - start;
    start
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

/// The end of the key's lines after `at`, or `at` if no line looks like a key. Headers of PEM may come first, then
/// Base64. The last line of the text may be short, because the text may be cut off there.
fn lines(scan: &mut Scan<'_>, at: usize, headers: bool) -> usize {
    let mut end = at;
    if headers {
        loop {
            let start = newline(scan, end);
            let name = scan.run(Class::Url64, start);
            if start == end || name == start || !scan.bytes(name..scan.len()).starts_with(b": ") {
                break;
            }
            let line = scan.run(Class::Line, name);
            let written = scan.bytes(name..line).windows(2).position(|pair| pair == b"\\n" || pair == b"\\r");
            scan.work += line - name;
            end = written.map_or(line, |len| name + len);
        }
    }
    let mut key = at;
    loop {
        let start = newline(scan, end);
        let line = super::header::padded(scan, Class::Base64, start);
        let is_last = line == scan.len() && key > at && line > start;
        if start == end || line - start < MIN_KEY_LINE && !is_last {
            return key;
        }
        (end, key) = (line, line);
    }
}

/// Masks a PEM block in Base64, as in the `client-key-data` of Kubernetes.
pub(super) fn base64_pem(scan: &mut Scan<'_>, keyword: Range<usize>) {
    let head = scan.bytes(keyword.start..scan.len().min(keyword.start + 72));
    let len = head.iter().take_while(|byte| is_base64(**byte) && **byte != b'=').count();
    let Ok(read) = STANDARD_NO_PAD.decode(&head[..len / 4 * 4]) else { return };
    scan.work += len;
    if !read.windows(11).any(|words| words == b"PRIVATE KEY") {
        return;
    }
    let first = super::header::padded(scan, Class::Base64, keyword.start);
    let end = lines(scan, first, false);
    scan.mask(Rule::PrivateKey, keyword.start..end);
}

/// Masks the lines of a private key in PuTTY's format, after `Private-Lines: n`.
pub(super) fn putty(scan: &mut Scan<'_>, keyword: Range<usize>) {
    let number = scan.skip_blanks(keyword.end);
    let at = scan.run(Class::Digit, number);
    let Ok(count) = scan.str(number..at.min(number + 4)).parse::<usize>() else { return };
    let start = newline(scan, at);
    let mut end = at;
    for _ in 0..count {
        let line = newline(scan, end);
        let line_end = super::header::padded(scan, Class::Base64, line);
        if line == end || line_end == line {
            break;
        }
        end = line_end;
    }
    if end > start {
        scan.mask(Rule::PrivateKey, start..end);
    }
}
