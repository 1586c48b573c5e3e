//! The command line: one file a command.
//!
//! Human text to a terminal, `--json` for machines, progress bars on long work. Exit codes: 0 done, 1 refused or not found,
//! 2 could not run.

mod append;
mod backup;
mod checkpoint;
mod client;
mod config;
mod demo;
mod duration;
mod evidence;
mod export;
mod history;
mod key;
mod limits;
mod listen;
mod logging;
mod masking;
mod output;
mod progress;
mod rebuild;
mod recover;
mod replay;
mod serve;
mod size;
mod stop;
mod tail;
mod target;
mod token;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::ledger::Folder;

/// An append-only, event-sourced ledger of access-governance jobs.
#[derive(Debug, Parser)]
#[command(name = "jobledger", version, max_term_width = 100)]
struct Cli {
    /// Options from a TOML file, named as on the command line; the command line and the environment win
    #[arg(long, global = true, env = "JOBLEDGER_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,

    #[command(subcommand)]
    command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Serve),
    Demo(demo::Demo),
    Token(token::Token),
    Append(append::Append),
    Tail(tail::Tail),
    Replay(replay::Replay),
    Evidence(evidence::Evidence),
    Export(export::Export),
    Import(export::Import),
    Rebuild(rebuild::Rebuild),
    Backup(backup::Backup),
    Recover(recover::Recover),
    Key(key::Key),
    Verify(verify::Verify),
}

/// Where the ledger lies.
#[derive(Debug, Clone, Args)]
struct Data {
    /// The data folder
    #[arg(long, env = "JOBLEDGER_DATA", value_name = "DIR")]
    data: PathBuf,
}

impl Data {
    fn folder(&self) -> Folder {
        Folder::new(&self.data)
    }
}

/// Where the anchor of a ledger lies that a command writes.
#[derive(Debug, Clone, Args)]
struct AnchorDir {
    /// The folder of the anchor, the newest signed checkpoint outside the database; better on another volume [default: DIR/anchor]
    #[arg(long, env = "JOBLEDGER_ANCHOR", value_name = "DIR")]
    anchor: Option<PathBuf>,
}

impl AnchorDir {
    fn of(&self, folder: Folder) -> Folder {
        match &self.anchor {
            Some(anchor) => folder.anchored_in(anchor),
            None => folder,
        }
    }
}

/// Why a command ended without doing what it was asked.
#[derive(Debug)]
enum Failure {
    /// Refused, or not found: exit code 1.
    Refused(String),
    /// Could not run: exit code 2.
    CouldNotRun(String),
    /// What `verify` found: an exit code of its own.
    Verdict(u8, String),
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure::CouldNotRun(output::shown(&crate::chain(&error)).into_owned())
    }
}

impl Failure {
    /// The same failure, told where.
    fn within(self, place: &str) -> Failure {
        match self {
            Failure::Refused(text) => Failure::Refused(format!("{place}: {text}")),
            Failure::CouldNotRun(text) => Failure::CouldNotRun(format!("{place}: {text}")),
            Failure::Verdict(code, text) => Failure::Verdict(code, format!("{place}: {text}")),
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Failure::Refused(text) | Failure::CouldNotRun(text) | Failure::Verdict(_, text)) = self;
        f.write_str(text)
    }
}

/// What every command answers.
type Outcome = Result<(), Failure>;

/// Whether the command line, which cannot be read, is one of `verify`: there 2 says that the file cannot be read.
fn is_verify() -> bool {
    let read = Cli::command().ignore_errors(true).try_get_matches_from(std::env::args_os());
    read.is_ok_and(|matches| matches.subcommand_name() == Some("verify"))
}

/// What a running server is to log now: its file of options may have changed.
fn filter_now() -> Result<String, Failure> {
    match config::parse::<Cli>(std::env::args_os())?.command {
        Command::Serve(serve) => Ok(serve.filter()),
        _ => Err(Failure::CouldNotRun("only `serve` reads its options again".into())),
    }
}

/// Runs the command line and answers its exit code.
pub fn main() -> ExitCode {
    // Folders that a command makes are 0700 and files 0600, SQLite's too: logs, exports and backups hold what every organisation
    // has recorded.
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    let cli = match config::parse::<Cli>(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => {
            // clap knows whether this is help (stdout, 0) or a mistake (stderr, 2).
            let printed = error.print();
            let code = match printed {
                Err(print) if print.kind() != std::io::ErrorKind::BrokenPipe && !error.use_stderr() => {
                    output::remark!("jobledger: cannot print all of the answer: {print}");
                    2
                }
                _ if error.use_stderr() && is_verify() => 1,
                _ => error.exit_code(),
            };
            return ExitCode::from(u8::try_from(code).unwrap_or(2));
        }
    };
    let warnings = config::unknown_variables::<Cli>();
    if !matches!(cli.command, Command::Serve(_)) {
        warnings.iter().for_each(|warning| output::remark!("jobledger: {warning}"));
    }
    let outcome = match cli.command {
        Command::Serve(serve) => serve.run(&warnings),
        Command::Demo(demo) => demo.run(),
        Command::Token(token) => token.run(),
        Command::Append(append) => append.run(),
        Command::Tail(tail) => tail.run(),
        Command::Replay(replay) => replay.run(),
        Command::Evidence(evidence) => evidence.run(),
        Command::Export(export) => export.run(),
        Command::Import(import) => import.run(),
        Command::Rebuild(rebuild) => rebuild.run(),
        Command::Backup(backup) => backup.run(),
        Command::Recover(recover) => recover.run(),
        Command::Key(key) => key.run(),
        Command::Verify(verify) => verify.run(),
    };
    logging::flush();
    let (text, code) = match outcome {
        Ok(()) => match output::failed() {
            None => return ExitCode::SUCCESS,
            Some(error) => (format!("cannot print all of the answer: {error}"), 2),
        },
        Err(Failure::Refused(text)) => (text, 1),
        Err(Failure::CouldNotRun(text)) => (text, 2),
        Err(Failure::Verdict(code, text)) => (text, code),
    };
    output::remark!("jobledger: {text}");
    ExitCode::from(code)
}
