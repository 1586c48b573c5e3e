//! Where a browser goes once it has signed in. A link could carry the address of another site, and its user would follow it in the
//! belief to be still here. So only a path of this server counts, and anything that browsers might read differently does not.

use fluent_uri::UriRef;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// The longest place, in bytes.
const MAX_NEXT: usize = 2048;

/// `next`, if it is a path of this server; else `/`.
pub(super) fn checked(next: &str) -> String {
    if is_own_path(next) { next.to_owned() } else { "/".to_owned() }
}

/// The parameter that hands `next` on, with the `&` before it; empty if it is `/`.
pub(super) fn parameter(next: &str) -> String {
    match checked(next) {
        next if next == "/" => String::new(),
        next => format!("&next={}", utf8_percent_encode(&next, NON_ALPHANUMERIC)),
    }
}

fn is_own_path(next: &str) -> bool {
    // RFC 3986 has no backslash, which browsers read as a slash, no white space and no control character.
    let Ok(uri) = UriRef::parse(next) else { return false };
    let path = uri.path().as_str();
    let plain = |segment: &str| {
        let decoded: Vec<u8> = percent_decode_str(segment).collect();
        let odd = |b: &u8| b.is_ascii_control() || b"/\\".contains(b);
        !matches!(&decoded[..], b"." | b"..") && !decoded.iter().any(odd)
    };
    next.len() <= MAX_NEXT
        && !uri.has_scheme()
        && !uri.has_authority()
        && path.starts_with('/')
        && !path.contains("//")
        && path.split('/').all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_this_server_stays() {
        for next in [
            "/",
            "/jobs/sync-9?as_of=37",
            "/?label=ticket:OPS-7&created_by=a%20b&q=//x",
            "/jobs/a%3Ab#L120",
            "/docs/",
            "/?next=https://evil.example/",
        ] {
            assert_eq!(checked(next), next);
        }
    }

    #[test]
    fn anything_else_means_the_root() {
        let long = format!("/{}", "a".repeat(MAX_NEXT));
        let odd = [
            "",
            "jobs",
            "?a",
            "#a",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/a\\b",
            "/%5Cevil.example",
            "/%2F/evil.example",
            "/%2fevil.example",
            "https://evil.example/",
            "HTTPS:evil.example",
            "javascript:alert(1)",
            "data:,x",
            "/\t/evil.example",
            "/\n/evil.example",
            "/a\r\nset-cookie: x=y",
            "/a%0d%0ab",
            "/%00",
            " /jobs",
            "/jobs ",
            "/a b",
            "/a//b",
            "/.//evil.example",
            "/./a",
            "/../a",
            "/%2e%2e/a",
            "/%",
            "/é",
            "/\u{202e}x",
            &long,
        ];
        for next in odd {
            assert_eq!(checked(next), "/", "{next:?}");
            assert_eq!(parameter(next), "", "{next:?}");
        }
    }
}
