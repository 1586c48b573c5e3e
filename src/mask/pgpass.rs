//! Lines of `.pgpass`: `host:port:database:user:password`.

use std::ops::Range;

use super::rule::Rule;
use super::scan::{Class, LOOK, Scan};
use super::value::is_placeholder;

/// Ports by which such a line is told from others with colons in it.
pub(super) const PORTS: &[&str] =
    &[":*:", ":5432:", ":5433:", ":5434:", ":6432:", ":6543:", ":15432:", ":25060:", ":26257:"];

/// The password of the line that the port is in.
pub(super) fn look(scan: &mut Scan<'_>, keyword: Range<usize>) {
    let line = scan.line_start(keyword.start);
    let host = scan.bytes(line..keyword.start);
    let is_host = !host.is_empty()
        && host.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'*' | b'/'));
    if !is_host {
        return;
    }
    let end = scan.run(Class::Line, keyword.end);
    let text = scan.bytes(keyword.end..end.min(keyword.end + LOOK));
    scan.work += text.len();
    let mut colons = (0..text.len()).filter(|n| text[*n] == b':' && (*n == 0 || text[*n - 1] != b'\\'));
    let (Some(database), Some(user)) = (colons.next(), colons.next()) else { return };
    let names = &text[..user];
    let are_names = database > 0 && user > database + 1 && !names.iter().any(u8::is_ascii_whitespace);
    let password = keyword.end + user + 1..end;
    let looked = scan.looked_at(&password);
    if are_names && !looked.starts_with(' ') && !is_placeholder(looked) && !looked.contains(' ') {
        scan.mask(Rule::Password, password);
    }
}
