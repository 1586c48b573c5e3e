//! What commands print, line by line. Text that others wrote may hold what a terminal obeys, or what makes a line read
//! otherwise than it is; it is drawn here and nowhere else.

use std::borrow::Cow;
use std::fmt::Arguments;
use std::io::{Error, ErrorKind, Write, stderr, stdout};
use std::sync::OnceLock;

static FAILED: OnceLock<Error> = OnceLock::new();

/// Prints a line, drawn; answers whether that went well. A reader that has read enough (`| head`) changes no exit code; any
/// other error is told at the end. (An export is no text: half of one is a failure whoever reads it.)
pub(super) fn line(text: Arguments<'_>) -> bool {
    let text = text.to_string();
    let mut out = stdout().lock();
    let printed = out.write_all(drawn(&text).as_bytes()).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush());
    let went_well = printed.is_ok();
    if let Err(error) = printed
        && error.kind() != ErrorKind::BrokenPipe
    {
        let _ = FAILED.set(error);
    }
    went_well
}

/// Prints a line on stderr, drawn. One that cannot be written is lost: the exit code tells what matters.
pub(super) fn on_stderr(text: Arguments<'_>) {
    let text = format!("{text}\n");
    let _ = stderr().lock().write_all(drawn(&text).as_bytes());
}

/// Why not everything was printed.
pub(super) fn failed() -> Option<&'static Error> {
    FAILED.get()
}

/// The text as it is printed, to a terminal and into a pipe alike: control characters but the newline (U+0000 to U+001F,
/// U+007F to U+009F), those that set the direction of text or break a line, and the byte order mark are written as `\u009b`.
/// That changes no JSON, which has them in strings alone.
pub(super) fn drawn(text: &str) -> Cow<'_, str> {
    escaped(text, |c| c != '\n' && is_obeyed(c))
}

/// A text that others wrote, as a part of a line: drawn, and with `\n` for a newline.
pub(super) fn shown(text: &str) -> Cow<'_, str> {
    escaped(text, is_obeyed)
}

fn is_obeyed(c: char) -> bool {
    let directions = ['\u{61c}', '\u{200e}', '\u{200f}', '\u{feff}'];
    let marks = ['\u{202a}'..='\u{202e}', '\u{2066}'..='\u{2069}', '\u{2028}'..='\u{2029}'];
    c.is_control() || directions.contains(&c) || marks.iter().any(|marks| marks.contains(&c))
}

fn escaped(text: &str, obeyed: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&obeyed) {
        return text.into();
    }
    let mut drawn = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\n' if obeyed(c) => drawn.push_str("\\n"),
            // Each of them is in the first plane, so four digits are enough.
            c if obeyed(c) => drawn.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => drawn.push(c),
        }
    }
    drawn.into()
}

/// Prints a line, as [`line`] says; the one of std would panic where nobody reads.
macro_rules! say {
    ($($text:tt)*) => {
        { $crate::cli::output::line(format_args!($($text)*)); }
    };
}
pub(super) use say;

/// Prints a line on stderr, as [`on_stderr`] says; the one of std would panic where that is full or gone.
macro_rules! remark {
    ($($text:tt)*) => {
        $crate::cli::output::on_stderr(format_args!($($text)*))
    };
}
pub(super) use remark;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_written_out() {
        for c in (0..=0x9f).chain(0x2000..=0x206f).filter_map(char::from_u32) {
            let text = format!("a{c}b");
            let plain = |drawn: &str| !drawn.chars().any(|c| c != '\n' && is_obeyed(c));
            assert!(plain(&drawn(&text)) && plain(&shown(&text)) && !shown(&text).contains('\n'), "{c:?}");
        }
        assert_eq!(drawn("\u{1b}[2K\u{9b}1m \u{202e}x\nGröße: 10 €"), "\\u001b[2K\\u009b1m \\u202ex\nGröße: 10 €");
        assert_eq!(shown("one\ntwo"), "one\\ntwo");
    }

    #[test]
    fn json_stays_the_same_json() {
        let value = serde_json::json!({"a\u{202e}": "\u{9b}\u{7f}\u{2028}\n\"ü\""});
        let text = value.to_string();
        assert_eq!(serde_json::from_str::<serde_json::Value>(&drawn(&text)).unwrap(), value);
    }
}
