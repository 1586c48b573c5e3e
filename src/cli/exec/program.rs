//! The command as a process: its start, its signals and its end.

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};

use super::super::output::shown;
use super::JOB_VARIABLES;
use crate::job::JobType;

/// The command, started in a process group of its own.
#[derive(Debug)]
pub(super) struct Program {
    child: Child,
    group: Group,
}

/// What a command learns of its job.
#[derive(Debug, Clone)]
pub(super) struct Task {
    /// The id, for the variable `JOBLEDGER_JOB_ID`.
    pub id: String,
    /// The kind, for `JOBLEDGER_JOB_KIND`.
    pub kind: String,
    /// The type, for `JOBLEDGER_JOB_TYPE`; `None` for kinds without types.
    pub job_type: Option<String>,
    /// The text for the command's stdin; `None` for the stdin of `exec`.
    pub stdin: Option<String>,
}

/// The process group of the command.
#[derive(Debug, Clone, Copy)]
pub(super) struct Group(Pid);

/// The command does not run.
#[derive(Debug, thiserror::Error)]
#[error("cannot run `{}`: {source}", shown(name))]
pub(super) struct NotStarted {
    name: String,
    source: std::io::Error,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Code(u8),
    Signal(u8),
}

impl Program {
    /// Starts `command` for `task`. Its stdin is that of `exec`, but for a terminal: in a process group of its own a command that
    /// reads from a terminal would stop.
    ///
    /// # Errors
    /// There is no such program, or it may not run.
    pub(super) fn start(command: &[OsString], task: &Task) -> Result<Program, NotStarted> {
        let (program, arguments) = command.split_first().expect("clap requires a command");
        let not_started = |source| NotStarted { name: program.to_string_lossy().into_owned(), source };
        let stdin = match task.stdin {
            Some(_) => Stdio::piped(),
            None if std::io::stdin().is_terminal() => Stdio::null(),
            None => Stdio::inherit(),
        };
        let mut child = Command::new(program)
            .args(arguments)
            .env(format!("{JOB_VARIABLES}ID"), &task.id)
            .env(format!("{JOB_VARIABLES}KIND"), &task.kind)
            .envs(task.job_type.as_ref().map(|job_type| (format!("{JOB_VARIABLES}TYPE"), job_type)))
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(not_started)?;
        if let (Some(text), Some(mut stdin)) = (task.stdin.clone(), child.stdin.take()) {
            // A command that does not read its stdin is no fault.
            std::thread::spawn(move || stdin.write_all(text.as_bytes()));
        }
        let group = Group(Pid::from_child(&child));
        Ok(Program { child, group })
    }

    /// The process group.
    pub(super) fn group(&self) -> Group {
        self.group
    }

    /// The two streams of the command.
    pub(super) fn streams(&mut self) -> (ChildStdout, ChildStderr) {
        let (stdout, stderr) = (self.child.stdout.take(), self.child.stderr.take());
        (stdout.expect("stdout is piped, and taken once"), stderr.expect("stderr is piped, and taken once"))
    }

    /// Waits for the end of the command.
    ///
    /// # Errors
    /// The operating system has lost the process.
    pub(super) fn wait(mut self) -> Result<End, std::io::Error> {
        self.child.wait().map(End::of)
    }
}

impl Group {
    /// Sends a signal. A group that has ended already is no error.
    pub(super) fn signal(self, signal: Signal) {
        let _ = kill_process_group(self.0, signal);
    }
}

impl NotStarted {
    /// The exit code that a shell has for it.
    pub(super) fn code(&self) -> u8 {
        if self.source.kind() == std::io::ErrorKind::NotFound { 127 } else { 126 }
    }
}

impl End {
    fn of(status: ExitStatus) -> End {
        let small = |number: i32| u8::try_from(number).unwrap_or(u8::MAX);
        match (status.code(), status.signal()) {
            (Some(code), _) => End::Code(small(code)),
            (None, signal) => End::Signal(small(signal.unwrap_or_default())),
        }
    }

    /// The exit code, as a shell has it.
    pub(super) fn code(self) -> u8 {
        match self {
            End::Code(code) => code,
            End::Signal(signal) => signal.saturating_add(128),
        }
    }
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            End::Code(code) => write!(f, "the command ended with exit code {code}"),
            End::Signal(signal) => write!(f, "signal {signal} ended the command"),
        }
    }
}

/// A type for the job of a command: the name of its program, with `-` for every character that a type does not have.
pub(super) fn type_of(command: &[OsString]) -> String {
    let name = command.first().and_then(|program| Path::new(program).file_name()).unwrap_or_default();
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let name: String =
        name.to_string_lossy().chars().map(|c| if fits(c) { c } else { '-' }).take(JobType::MAX_LEN).collect();
    if name.is_empty() { "command".into() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_comes_from_the_name_of_the_program() {
        let type_of = |program: &str| type_of(&[program.into()]);
        assert_eq!(type_of("./enrich.sh"), "enrich.sh");
        assert_eq!(type_of("/opt/über job"), "-ber-job");
        assert_eq!(type_of(&"x".repeat(100)), "x".repeat(64));
        assert_eq!(type_of(".."), "command");
        assert!([type_of("a b"), type_of("é")].iter().all(|name| name.parse::<JobType>().is_ok()));
    }
}
