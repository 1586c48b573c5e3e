//! The command line, with one file for each command. Commands print text for people, JSON with `--json`, and progress bars
//! during long work.
//!
//! Not here: HTTP, except for `serve` and `demo`, which start a server. The other commands use the ledger, or a server through its API.

mod append;
mod backup;
mod cancel;
mod checkpoint;
mod client;
mod cluster;
mod config;
mod demo;
mod describe;
mod duration;
mod evidence;
mod exec;
mod exit;
mod export;
mod filters;
mod follow;
mod history;
mod jobs;
mod key;
mod limits;
mod listen;
mod logging;
mod login;
mod logins;
mod masking;
mod note;
mod open_files;
mod output;
mod progress;
mod rebuild;
mod recover;
mod remote;
mod replay;
mod serve;
mod server;
mod show;
mod size;
mod stop;
mod table;
mod tail;
mod target;
mod telling;
mod token;
mod verify;
mod wait;
mod webhook;
mod whoami;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};

use self::exit::Exit;
use crate::ledger::Folder;

/// An append-only, event-sourced ledger of access-governance jobs.
#[derive(Debug, Parser)]
#[command(
    name = "jobledger",
    version,
    max_term_width = 100,
    after_help = Exit::HELP,
    after_long_help = Exit::LONG_HELP
)]
struct Cli {
    /// Options from a TOML file, with the names of the command line; the command line and the environment override the file
    #[arg(long, global = true, env = "JOBLEDGER_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,

    #[command(subcommand)]
    command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
enum Command {
    Serve(Box<serve::Serve>),
    Demo(demo::Demo),
    Token(token::Token),
    Append(append::Append),
    Jobs(jobs::Jobs),
    Show(show::Show),
    Note(note::Note),
    Cancel(cancel::Cancel),
    Wait(wait::Wait),
    Exec(exec::Exec),
    Login(login::SignIn),
    Logout(login::Logout),
    Whoami(whoami::Whoami),
    Tail(tail::Tail),
    Webhook(webhook::Webhooks),
    Replay(replay::Replay),
    Evidence(evidence::Evidence),
    Export(export::Export),
    Import(export::Import),
    Rebuild(rebuild::Rebuild),
    Backup(backup::Backup),
    Cluster(cluster::Cluster),
    Recover(recover::Recover),
    Key(key::Key),
    Verify(verify::Verify),
    Completions(describe::Completions),
    Man(describe::ManPages),
}

impl Command {
    /// Runs the command. Only `serve` logs the `warnings`, and only `exec` needs the umask of its caller.
    fn run(self, warnings: &[String], callers_umask: rustix::fs::Mode) -> Outcome {
        match self {
            Command::Serve(serve) => serve.run(warnings),
            Command::Demo(demo) => demo.run(),
            Command::Token(token) => token.run(),
            Command::Append(append) => append.run(),
            Command::Jobs(jobs) => jobs.run(),
            Command::Show(show) => show.run(),
            Command::Note(note) => note.run(),
            Command::Cancel(cancel) => cancel.run(),
            Command::Wait(wait) => wait.run(),
            Command::Exec(exec) => exec.run(callers_umask),
            Command::Login(login) => login.run(),
            Command::Logout(logout) => logout.run(),
            Command::Whoami(whoami) => whoami.run(),
            Command::Tail(tail) => tail.run(),
            Command::Webhook(webhook) => webhook.run(),
            Command::Replay(replay) => replay.run(),
            Command::Evidence(evidence) => evidence.run(),
            Command::Export(export) => export.run(),
            Command::Import(import) => import.run(),
            Command::Rebuild(rebuild) => rebuild.run(),
            Command::Backup(backup) => backup.run(),
            Command::Cluster(cluster) => cluster.run(),
            Command::Recover(recover) => recover.run(),
            Command::Key(key) => key.run(),
            Command::Verify(verify) => verify.run(),
            Command::Completions(completions) => completions.run(),
            Command::Man(pages) => pages.run(),
        }
    }
}

/// The folder of the ledger.
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

/// The folder of the anchor.
#[derive(Debug, Clone, Args)]
struct AnchorDir {
    /// The folder of the anchor, which holds the newest signed checkpoint outside the database; best on another volume
    /// [default: DIR/anchor]
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

/// Why a command failed.
#[derive(Debug)]
enum Failure {
    /// Refused, or not found.
    Refused(String),
    /// Could not run.
    CouldNotRun(String),
    /// The verdict of `verify` or `wait`, with its exit code.
    Verdict(Exit, String),
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure::CouldNotRun(output::shown(&crate::chain(&error)).into_owned())
    }
}

impl Failure {
    fn exit(&self) -> Exit {
        match self {
            Failure::Refused(_) => Exit::Refused,
            Failure::CouldNotRun(_) => Exit::CouldNotRun,
            Failure::Verdict(exit, _) => *exit,
        }
    }

    /// The same failure, with its place before the text.
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

/// The result of a command.
type Outcome = Result<(), Failure>;

/// Whether a command line that clap refuses is one of `verify`. For `verify`, exit code 2 means a file that cannot be read.
fn is_verify() -> bool {
    let read = Cli::command().ignore_errors(true).try_get_matches_from(std::env::args_os());
    read.is_ok_and(|matches| matches.subcommand_name() == Some("verify"))
}

/// Reads the log filter of a running server again, because the file of options may have changed.
fn filter_now() -> Result<String, Failure> {
    match config::parse::<Cli>(std::env::args_os())?.command {
        Command::Serve(serve) => Ok(serve.filter()),
        _ => Err(Failure::CouldNotRun("only `serve` reads its options again".into())),
    }
}

/// Runs the command line and returns its exit code.
pub fn main() -> ExitCode {
    // Every folder that a command makes gets mode 0700, and every file 0600, also those that SQLite makes: logs, exports and
    // backups hold the events of every organisation.
    let callers_umask = rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    let cli = match config::parse::<Cli>(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => {
            // clap prints help on stdout, and a mistake on stderr.
            let exit = match error.print() {
                Err(print) if print.kind() != std::io::ErrorKind::BrokenPipe && !error.use_stderr() => {
                    output::remark!("jobledger: cannot print all of the answer: {print}");
                    Exit::CouldNotRun
                }
                _ if !error.use_stderr() => Exit::Done,
                _ if is_verify() => Exit::Refused,
                _ => Exit::CouldNotRun,
            };
            return ExitCode::from(exit.code());
        }
    };
    let warnings = config::unknown_variables::<Cli>();
    if !matches!(cli.command, Command::Serve(_)) {
        warnings.iter().for_each(|warning| output::remark!("jobledger: {warning}"));
    }
    let outcome = cli.command.run(&warnings, callers_umask);
    logging::flush();
    let failure = match (outcome, output::failed()) {
        (Err(failure), _) => failure,
        (Ok(()), Some(error)) => Failure::CouldNotRun(format!("cannot print all of the answer: {error}")),
        (Ok(()), None) => return ExitCode::from(Exit::Done.code()),
    };
    output::remark!("jobledger: {failure}");
    ExitCode::from(failure.exit().code())
}
