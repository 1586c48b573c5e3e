//! What commands print, line by line.

use std::fmt::Arguments;
use std::io::{Error, ErrorKind, Write, stderr, stdout};
use std::sync::OnceLock;

static FAILED: OnceLock<Error> = OnceLock::new();

/// Prints a line; answers whether that went well. Whoever has read enough (`| head`) changes no exit code; anything else that
/// goes wrong is told at the end. (An export is no text: half of one is a failure whoever reads it.)
pub(super) fn line(text: Arguments<'_>) -> bool {
    let mut out = stdout().lock();
    let printed = out.write_fmt(text).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush());
    let went_well = printed.is_ok();
    if let Err(error) = printed
        && error.kind() != ErrorKind::BrokenPipe
    {
        let _ = FAILED.set(error);
    }
    went_well
}

/// Prints a line on stderr. One that cannot be written is lost: the exit code tells what matters.
pub(super) fn on_stderr(text: Arguments<'_>) {
    let mut err = stderr().lock();
    let _ = err.write_fmt(text).and_then(|()| err.write_all(b"\n"));
}

/// Why not everything was printed.
pub(super) fn failed() -> Option<&'static Error> {
    FAILED.get()
}

/// Prints a line, as [`line`] says; the one of std would panic where nobody reads.
macro_rules! say {
    ($($text:tt)*) => {
        { $crate::cli::output::line(format_args!($($text)*)); }
    };
}

/// Prints a line on stderr, as [`on_stderr`] says; the one of std would panic where that is full or gone.
macro_rules! remark {
    ($($text:tt)*) => {
        $crate::cli::output::on_stderr(format_args!($($text)*))
    };
}
pub(super) use {remark, say};
