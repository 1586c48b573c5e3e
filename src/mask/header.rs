//! Headers that carry secrets: `Authorization`, `Cookie`, `Set-Cookie`. They also stand in prose, in JSON and on
//! command lines.

use std::ops::Range;

use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

use super::likeness::is_random;
use super::placeholder::is_placeholder;
use super::remarks::is_remark;
use super::rule::Rule;
use super::scan::{Class, MAX_EXAMINED, Scan};

/// Known authorization schemes, in lower case.
const SCHEMES: &[&str] = &[
    "bearer",
    "basic",
    "token",
    "apikey",
    "api-key",
    "key",
    "bot",
    "negotiate",
    "ntlm",
    "splunk",
    "genie",
    "snowflake",
];
/// Maximum length, in bytes, of the name of an authorization scheme.
const MAX_SCHEME: usize = 24;
/// Maximum length, in bytes, of the name of a cookie.
const MAX_COOKIE: usize = 64;

/// Masks the credentials in `Authorization: <scheme> <credentials>`.
pub(super) fn authorization(scan: &mut Scan<'_>, keyword: Range<usize>) {
    let Some(at) = after_colon(scan, keyword.end) else { return };
    let scheme = at..scan.run(Class::Url64, at).min(at + MAX_SCHEME);
    let value = scan.skip_blanks(scheme.end);
    let is_scheme = value > scheme.end && {
        let name = scan.str(scheme.clone());
        SCHEMES.iter().any(|known| known.eq_ignore_ascii_case(name))
    };
    if is_scheme {
        let mut end = scan.run(Class::Bare, value);
        while end > value && matches!(scan.byte(end - 1), b',' | b'\\') {
            end -= 1;
        }
        let text = scan.examined(&(value..end));
        if !is_placeholder(text) && !is_remark(text) {
            scan.mask(Rule::Authorization, value..end);
        }
        return;
    }
    let end = scan.run(Class::Token68, at);
    let end = scan.run(Class::Loose, end);
    if is_random(scan.examined(&(at..end)), 16) {
        scan.mask(Rule::Authorization, at..end);
    }
}

/// Where a value begins: after the name's closing quote, a colon or an equals sign, and the value's opening quote.
fn after_colon(scan: &mut Scan<'_>, at: usize) -> Option<usize> {
    let at = at + scan.quote(at).map_or(0, |(len, _)| len);
    let sign = scan.skip_blanks(at);
    if !matches!(scan.byte(sign), b':' | b'=') {
        return None;
    }
    let at = scan.skip_blanks(sign + 1);
    Some(at + scan.quote(at).map_or(0, |(len, _)| len))
}

/// Masks the token in `bearer <token>`.
pub(super) fn bearer(scan: &mut Scan<'_>, keyword: Range<usize>) {
    let at = scan.skip_blanks(keyword.end);
    if !scan.begins_word(keyword.start) || at == keyword.end {
        return;
    }
    let end = padded(scan, Class::Token68, at);
    let text = scan.examined(&(at..end));
    if end - at >= 16 && is_random(text, 16) {
        scan.mask(Rule::Authorization, at..end);
    }
}

/// Masks the credentials in `basic <credentials>`.
pub(super) fn basic(scan: &mut Scan<'_>, keyword: Range<usize>) {
    let at = scan.skip_blanks(keyword.end);
    if !scan.begins_word(keyword.start) || at == keyword.end {
        return;
    }
    let end = padded(scan, Class::Base64, at);
    let text = scan.examined(&(at..end));
    if end - at >= 4 && is_credentials(text) {
        scan.mask(Rule::Authorization, at..end);
    }
}

/// The end of the run of `class` at `at`, with at most two `=` of padding.
pub(super) fn padded(scan: &mut Scan<'_>, class: Class, at: usize) -> usize {
    let end = scan.run(class, at);
    end + (0..2).take_while(|n| scan.byte(end + n) == b'=').count()
}

/// Whether `text` is a name and a password with a colon between them, in Base64 (RFC 7617, section 2). Other text is
/// not masked: "basic configuration" is no secret.
pub(super) fn is_credentials(text: &str) -> bool {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    // If the text was cut off, its beginning is still whole groups of Base64.
    let whole = if text.len() >= MAX_EXAMINED { &text[..MAX_EXAMINED] } else { text };
    let read = GeneralPurpose::new(&base64::alphabet::STANDARD, config).decode(whole);
    read.is_ok_and(|bytes| bytes.contains(&b':') && !bytes.iter().any(u8::is_ascii_control))
}

/// Masks the values in `Cookie: a=b; c=d` and `Set-Cookie: a=b; Path=/`.
pub(super) fn cookie(scan: &mut Scan<'_>, keyword: Range<usize>) {
    let Some(at) = after_colon(scan, keyword.end) else { return };
    let name = scan.run_back(Class::Url64, keyword.start, 8);
    let is_set = scan.starts(name, "set-cookie");
    if !scan.begins_word(keyword.start) && !is_set {
        return;
    }
    cookies(scan, at, is_set);
}

/// Masks the values of the cookies that begin at `at`. If `first_alone`, the pairs after the first are attributes.
pub(super) fn cookies(scan: &mut Scan<'_>, mut at: usize, first_alone: bool) {
    loop {
        let name = scan.run(Class::Query, at).min(at + MAX_COOKIE);
        if name == at || scan.byte(name) != b'=' {
            return;
        }
        let start = name + 1 + usize::from(scan.byte(name + 1) == b'"');
        let mut end = scan.run(Class::Bare, start);
        while end > start && matches!(scan.byte(end - 1), b',' | b'\\') {
            end -= 1;
        }
        let text = scan.examined(&(start..end));
        // A short word is a setting, not a secret.
        let is_setting = text.len() < 8 && text.bytes().all(|b| b.is_ascii_lowercase()) || text.len() < 3;
        if !is_setting && !is_placeholder(text) && !is_remark(text) {
            scan.mask(Rule::Cookie, start..end);
        }
        let next = end + usize::from(scan.byte(end) == b'"');
        if first_alone || scan.byte(next) != b';' {
            return;
        }
        at = scan.skip_blanks(next + 1);
    }
}
