//! Passwords in URLs: `scheme://user:password@host`.

use std::ops::Range;

use super::placeholder::is_placeholder;
use super::rule::Rule;
use super::scan::{Class, Scan};

/// Maximum length, in bytes, of a user's name and of a host's name.
const MAX_NAME: usize = 255;

/// Masks the password of a URL; the keyword is `://`.
///
/// RFC 3986, section 3.2.1, requires `/`, `?`, `#` and `@` to be escaped in a password, but people forget that. So the
/// password ends at the first `@` with a host after it. Digits after the colon are a port, and a path after them may
/// contain an `@`.
pub(super) fn examine(scan: &mut Scan<'_>, keyword: Range<usize>) {
    let Some(at) = password(scan, keyword.end) else { return };
    let url_end = scan.run(Class::Url, at);
    let digits = scan.run(Class::Digit, at);
    if matches!(scan.byte(digits), b'/' | b'?' | b'#') && digits > at || at == url_end {
        return;
    }
    let end = end(scan, at, url_end);
    let Some(end) = end.filter(|end| *end > at) else { return };
    if !is_placeholder(scan.examined(&(at..end))) {
        scan.mask(Rule::UrlPassword, at..end);
    }
}

/// Where the password begins: after the user's name and a colon.
fn password(scan: &mut Scan<'_>, at: usize) -> Option<usize> {
    let user = scan.bytes(at..scan.len().min(at + MAX_NAME));
    let stops = |b: &u8| {
        matches!(b, b':' | b'/' | b'?' | b'#' | b'@' | b'"' | b'\'' | b'<' | b'>' | b'`') || b.is_ascii_whitespace()
    };
    let len = user.iter().position(stops)?;
    scan.work += len;
    // A bracket begins an IPv6 address.
    (user[len] == b':' && user[0] != b'[').then_some(at + len + 1)
}

/// Where the password ends: before the `@` of the host.
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
        // `name@sha256:…` is a container image and its digest.
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

/// Whether a host begins at `at`, perhaps with a port, and the authority ends after it.
fn is_host(scan: &mut Scan<'_>, at: usize) -> bool {
    let host = scan.bytes(at..scan.len().min(at + MAX_NAME));
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
