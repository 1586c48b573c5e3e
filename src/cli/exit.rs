//! The exit codes of every command: the one list.

/// How a command ended. The number is the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Exit {
    /// Done. Of `verify`: verified.
    Done = 0,
    /// Refused, or not found. Of `verify`: a mistake on the command line.
    Refused = 1,
    /// Could not run, or a mistake on the command line. Of `verify`: a file that cannot be read.
    CouldNotRun = 2,
    /// `verify`: content was tampered with.
    Tampered = 3,
    /// `verify`: a signature or key is not the log's.
    Signature = 4,
    /// `verify`: rolled back or forked.
    Forked = 5,
    /// `verify`: data is missing without a redaction.
    Missing = 6,
    /// `verify`: consistent, but not signed by a pinned key.
    NotPinned = 7,
    /// A second signal ended the server while it was stopping.
    Interrupted = 130,
}

impl Exit {
    /// The exit codes of most commands, for their help.
    pub(super) const HELP: &'static str =
        "Exit codes: 0 done, 1 refused or not found, 2 could not run. `jobledger verify --help` lists its own codes.";

    /// The number.
    pub(super) fn code(self) -> u8 {
        self as u8
    }
}
