//! Prints lines on stdout and stderr. Text from other people may hold characters that control a terminal or change how a line
//! reads. Only this file escapes such characters.

use std::borrow::Cow;
use std::fmt::Arguments;
use std::io::{Error, ErrorKind, Write, stderr, stdout};
use std::sync::OnceLock;

static FAILED: OnceLock<Error> = OnceLock::new();

/// Prints a line, escaped by [`drawn`]. Returns whether the line was written. A closed pipe (`| head`) does not change the exit
/// code; the command reports any other error at its end. Exports do not go through here: for them a closed pipe is a failure.
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

/// Prints a line on stderr, escaped by [`drawn`]. Ignores errors: the exit code still shows the result.
pub(super) fn on_stderr(text: Arguments<'_>) {
    let text = format!("{text}\n");
    let _ = stderr().lock().write_all(drawn(&text).as_bytes());
}

/// The first error of [`line`], other than a closed pipe.
pub(super) fn failed() -> Option<&'static Error> {
    FAILED.get()
}

/// Escapes a text for a terminal and for a pipe. Writes these characters as `\u009b`: control characters except the newline
/// (U+0000 to U+001F, U+007F to U+009F), characters that set the direction of text or break a line, and the byte order mark.
/// JSON keeps its meaning, because it has these characters in strings only.
pub(super) fn drawn(text: &str) -> Cow<'_, str> {
    escaped(text, |c| c != '\n' && is_obeyed(c))
}

/// Escapes a text that becomes a part of a line: as [`drawn`], and a newline as `\n`.
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
            // All escaped characters are below U+10000, so four digits are enough.
            c if obeyed(c) => drawn.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => drawn.push(c),
        }
    }
    drawn.into()
}

/// Prints a line by [`line`]. `println!` would panic if the reader closed the pipe.
macro_rules! say {
    ($($text:tt)*) => {
        { $crate::cli::output::line(format_args!($($text)*)); }
    };
}
pub(super) use say;

/// Prints a line by [`on_stderr`]. `eprintln!` would panic if stderr is full or closed.
macro_rules! remark {
    ($($text:tt)*) => {
        $crate::cli::output::on_stderr(format_args!($($text)*))
    };
}
pub(super) use remark;

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    /// Examples of C0, DEL and C1, and every character that sets the direction of text, breaks a line, or marks an order of bytes.
    const OBEYED: &str = "\0\u{7}\u{8}\t\r\u{1b}\u{7f}\u{80}\u{9b}\u{9d}\u{9f}\u{61c}\u{200e}\u{200f}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}\u{2028}\u{2029}\u{feff}";

    #[test]
    fn control_characters_are_written_out() {
        for c in (0..=0x9f).chain(0x2000..=0x206f).filter_map(char::from_u32) {
            let text = format!("a{c}b");
            let plain = |drawn: &str| !drawn.chars().any(|c| c != '\n' && is_obeyed(c));
            assert!(plain(&drawn(&text)) && plain(&shown(&text)) && !shown(&text).contains('\n'), "{c:?}");
        }
        assert_eq!(drawn("\u{1b}[2K\u{9b}1m \u{202e}x\nGröße: 10 €"), "\\u001b[2K\\u009b1m \\u202ex\nGröße: 10 €");
        assert_eq!(shown("one\ntwo"), "one\\ntwo");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Any text, most of it of characters that a terminal obeys.
        #[test]
        fn what_is_drawn_controls_no_terminal_and_hides_nothing(
            text in vec(prop_oneof![any::<char>(), select(OBEYED.chars().collect::<Vec<_>>()), select(vec!['a', 'ü', '\n'])], 0..40),
        ) {
            let text: String = text.into_iter().collect();
            let (drawn, shown) = (drawn(&text), shown(&text));
            prop_assert!(!drawn.contains(|c: char| c != '\n' && (c.is_control() || OBEYED.contains(c))));
            prop_assert!(!shown.contains(|c: char| c.is_control() || OBEYED.contains(c)));
            // Every other character stands where it stood.
            let kept = |text: &str| text.replace(|c: char| c.is_control() || OBEYED.contains(c), "");
            let mut rest = &shown[..];
            for c in kept(&text).chars() {
                let at = rest.find(c);
                prop_assert!(at.is_some(), "{} is lost", c);
                rest = &rest[at.unwrap() + c.len_utf8()..];
            }
            // A text without such characters is drawn as it is.
            let plain = kept(&text);
            prop_assert_eq!(&super::shown(&plain), &plain);
        }
    }

    #[test]
    fn json_keeps_its_meaning() {
        let value = serde_json::json!({"a\u{202e}": "\u{9b}\u{7f}\u{2028}\n\"ü\""});
        let text = value.to_string();
        assert_eq!(serde_json::from_str::<serde_json::Value>(&drawn(&text)).unwrap(), value);
    }
}
