//! `scheme://user:password@host`.

use std::ops::Range;

use super::rule::Rule;
use super::scan::{Class, Scan};
use super::value::is_placeholder;

/// The longest user's name and the longest name of a host.
const NAME: usize = 255;

/// The password of a URL, behind `://`.
///
/// RFC 3986 wants `/`, `?`, `#` and `@` escaped in one, and people forget that. So the password ends at the first `@` with a
/// host behind it. Digits behind a host are a port, and a path behind them may have an `@`.
pub(super) fn look(scan: &mut Scan<'_>, keyword: Range<usize>) {
    let Some(at) = password(scan, keyword.end) else { return };
    let url_end = scan.run(Class::Url, at);
    let digits = scan.run(Class::Digit, at);
    if matches!(scan.byte(digits), b'/' | b'?' | b'#') && digits > at || at == url_end {
        return;
    }
    let end = end(scan, at, url_end);
    let Some(end) = end.filter(|end| *end > at) else { return };
    if !is_placeholder(scan.looked_at(&(at..end))) {
        scan.mask(Rule::UrlPassword, at..end);
    }
}

/// Where the password begins: behind the user and a colon.
fn password(scan: &mut Scan<'_>, at: usize) -> Option<usize> {
    let user = scan.bytes(at..scan.len().min(at + NAME));
    let stops = |b: &u8| {
        matches!(b, b':' | b'/' | b'?' | b'#' | b'@' | b'"' | b'\'' | b'<' | b'>' | b'`') || b.is_ascii_whitespace()
    };
    let len = user.iter().position(stops)?;
    scan.work += len;
    // What begins with a bracket is an address.
    (user[len] == b':' && user[0] != b'[').then_some(at + len + 1)
}

fn end(scan: &mut Scan<'_>, at: usize, url_end: usize) -> Option<usize> {
    let mut last_before_path = None;
    let mut sign = at.max(scan.hostless);
    let mut in_path = false;
    let mut seen = at;
    while sign < url_end {
        sign = scan.run(Class::NotAt, sign);
        if sign >= url_end {
            break;
        }
        in_path = in_path || scan.bytes(seen..sign).iter().any(|b| matches!(b, b'/' | b'?' | b'#'));
        scan.work += sign - seen;
        seen = sign;
        // An image and its digest.
        if scan.starts(sign + 1, "sha256:") {
            return None;
        }
        if is_host(scan, sign + 1) {
            return Some(sign);
        }
        if !in_path {
            last_before_path = Some(sign);
        }
        scan.hostless = sign + 1;
        sign += 1;
    }
    last_before_path
}

/// Whether a host begins at `at`, perhaps with a port, and the authority ends behind it.
fn is_host(scan: &mut Scan<'_>, at: usize) -> bool {
    let host = scan.bytes(at..scan.len().min(at + NAME));
    let in_brackets = host.first() == Some(&b'[');
    let of_host = |b: &&u8| {
        b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'$' | b'{' | b'}' | b'%') || **b >= 0x80
    };
    let of_address = |b: &&u8| b.is_ascii_hexdigit() || matches!(b, b':' | b'.' | b'[');
    let len = match in_brackets {
        true => host.iter().take_while(of_address).count(),
        false => host.iter().take_while(of_host).count(),
    };
    scan.work += len;
    if len == 0 || in_brackets && host.get(len) != Some(&b']') {
        return false;
    }
    let mut end = at + len + usize::from(in_brackets);
    if scan.byte(end) == b':' && scan.byte(end + 1).is_ascii_digit() {
        end = scan.run(Class::Digit, end + 1);
    }
    match scan.byte(end) {
        b':' => scan.byte(end + 1).is_ascii_whitespace() || end + 1 >= scan.len(),
        next => next.is_ascii_whitespace() || b"/?#,;)]}\\|\"'`<>&\0".contains(&next),
    }
}
