//! The command line: one file a command.
//!
//! Human text to a terminal, `--json` for machines, progress bars on long work. Exit codes: 0 done, 1 refused or not found,
//! 2 could not run.

mod config;
mod serve;
mod stop;
mod token;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

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
    Token(token::Token),
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

/// Why a command ended without doing what it was asked.
#[derive(Debug)]
enum Failure {
    /// Refused, or not found: exit code 1.
    Refused(String),
    /// Could not run: exit code 2.
    CouldNotRun(String),
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Failure {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        Failure::CouldNotRun(text)
    }
}

/// What every command answers.
type Outcome = Result<(), Failure>;

/// Runs the command line and answers its exit code.
pub fn main() -> ExitCode {
    let cli = match config::parse::<Cli>(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => {
            // clap knows whether this is help (stdout, 0) or a mistake (stderr, 2).
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let outcome = match cli.command {
        Command::Serve(serve) => serve.run(),
        Command::Token(token) => token.run(),
    };
    let (text, code) = match outcome {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Refused(text)) => (text, 1),
        Err(Failure::CouldNotRun(text)) => (text, 2),
    };
    eprintln!("jobledger: {text}");
    ExitCode::from(code)
}
