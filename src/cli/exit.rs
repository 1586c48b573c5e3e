//! The exit codes of every command: the one list.

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Exit {
    /// Done. Of `verify`: verified. Of `wait`: every job reached the wanted state.
    Done,
    /// Refused, or not found. Of `verify`: a mistake on the command line.
    Refused,
    /// Could not run, or a mistake on the command line. Of `verify`: a file that cannot be read.
    CouldNotRun,
    /// `verify`: content was tampered with.
    Tampered,
    /// `verify`: a signature or key is not the log's.
    Signature,
    /// `verify`: rolled back or forked.
    Forked,
    /// `verify`: data is missing without a redaction.
    Missing,
    /// `verify`: consistent, but not signed by a pinned key.
    NotPinned,
    /// `wait`: a job failed.
    JobFailed,
    /// `wait`: a job was cancelled.
    JobCancelled,
    /// `wait`: the time was over before every job had ended.
    TimedOut,
    /// `exec`: the command failed, with this code.
    OfCommand(u8),
    /// A second signal ended the server while it was stopping.
    Interrupted,
}

impl Exit {
    /// The exit codes of most commands, for their help.
    pub(super) const HELP: &'static str = "Exit codes: 0 done, 1 refused or not found, 2 could not run. `jobledger verify \
                                           --help` and `jobledger wait --help` list their own codes.";

    /// [`Exit::HELP`], and what to try first.
    pub(super) const LONG_HELP: &'static str =
        "Exit codes: 0 done, 1 refused or not found, 2 could not run. `jobledger \
                                                verify --help` and `jobledger wait --help` list their own codes.

Examples:
  jobledger serve --create --data ledger
  jobledger tail --url http://127.0.0.1:8347";

    /// The exit code. `verify` and `wait` use 3, 4 and 5 for different ends.
    pub(super) fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Refused => 1,
            Exit::CouldNotRun => 2,
            Exit::Tampered | Exit::JobFailed => 3,
            Exit::Signature | Exit::JobCancelled => 4,
            Exit::Forked | Exit::TimedOut => 5,
            Exit::Missing => 6,
            Exit::NotPinned => 7,
            Exit::OfCommand(code) => code,
            Exit::Interrupted => 130,
        }
    }
}
