//! Passwords in lines of `.pgpass`: `host:port:database:user:password`.

use std::ops::Range;

use super::placeholder::is_placeholder;
use super::rule::Rule;
use super::scan::{Class, MAX_EXAMINED, Scan};

/// The ports of PostgreSQL and its poolers. They tell such a line from other lines with colons.
pub(super) const PORTS: &[&str] =
    &[":*:", ":5432:", ":5433:", ":5434:", ":6432:", ":6543:", ":15432:", ":25060:", ":26257:"];

/// Masks the password of the line that the port stands in.
pub(super) fn examine(scan: &mut Scan<'_>, keyword: Range<usize>) {
    let line = scan.line_start(keyword.start);
    let host = scan.bytes(line..keyword.start);
    let is_host = !host.is_empty()
        && host.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'*' | b'/'));
    if !is_host {
        return;
    }
    let end = scan.run(Class::Line, keyword.end);
    let text = scan.bytes(keyword.end..end.min(keyword.end + MAX_EXAMINED));
    scan.work += text.len();
    let mut colons = (0..text.len()).filter(|n| text[*n] == b':' && (*n == 0 || text[*n - 1] != b'\\'));
    let (Some(database), Some(user)) = (colons.next(), colons.next()) else { return };
    let names = &text[..user];
    let are_names = database > 0 && user > database + 1 && !names.iter().any(u8::is_ascii_whitespace);
    let password = keyword.end + user + 1..end;
    let looked = scan.examined(&password);
    if are_names && !looked.starts_with(' ') && !is_placeholder(looked) && !looked.contains(' ') {
        scan.mask(Rule::Password, password);
    }
}
