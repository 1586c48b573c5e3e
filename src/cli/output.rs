//! What commands print, line by line.

use std::fmt::Arguments;
use std::io::{Error, ErrorKind, Write, stdout};
use std::sync::OnceLock;

static FAILED: OnceLock<Error> = OnceLock::new();

/// Prints a line. Whoever has read enough (`| head`) changes no exit code; anything else that goes wrong is told at the end.
pub(super) fn line(text: Arguments<'_>) {
    let mut out = stdout().lock();
    if let Err(error) = out.write_fmt(text).and_then(|()| out.write_all(b"\n"))
        && error.kind() != ErrorKind::BrokenPipe
    {
        let _ = FAILED.set(error);
    }
}

/// Why not everything was printed.
pub(super) fn failed() -> Option<&'static Error> {
    FAILED.get()
}

/// Prints a line, as [`line`] says; the one of std would panic where nobody reads.
macro_rules! say {
    ($($text:tt)*) => {
        $crate::cli::output::line(format_args!($($text)*))
    };
}
pub(super) use say;
