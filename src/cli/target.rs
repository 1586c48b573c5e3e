//! `--data`, or `--url` and `--token`: a data folder, or a running server.

use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, Error, FromArgMatches};

use super::client::{Authorities, Remote, server};

/// Which ledger a command works on.
#[derive(Debug, Clone)]
pub(super) enum Target {
    /// The ledger in a folder that no server has.
    Folder(PathBuf),
    /// The ledger of a running server.
    Server(Remote),
}

#[derive(Debug, Args)]
struct Options {
    /// The data folder; stop its server before a command that writes
    #[arg(long, env = "JOBLEDGER_DATA", value_name = "DIR")]
    data: Option<PathBuf>,

    /// A running server, instead of --data
    #[arg(long, env = "JOBLEDGER_URL", value_name = "URL")]
    url: Option<String>,

    /// The token for the server of --url
    #[arg(long, env = "JOBLEDGER_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    token: Option<String>,

    #[command(flatten)]
    authorities: Authorities,
}

impl FromArgMatches for Target {
    /// If both a folder and a server are given, the stronger source wins: the command line over the environment, and the
    /// environment over the file. So `--url` works although `JOBLEDGER_DATA` is set. clap's own conflicts do not compare
    /// sources, so this code does.
    fn from_arg_matches(matches: &ArgMatches) -> Result<Target, Error> {
        let near = |name| match matches.value_source(name) {
            Some(ValueSource::CommandLine) => 2,
            Some(ValueSource::EnvVariable) => 1,
            _ => 0,
        };
        let Options { data, url, token, authorities } = Options::from_arg_matches(matches)?;
        let told = match (data, url) {
            (Some(_), Some(_)) if near("data") == near("url") => {
                let what = match near("data") {
                    1 => {
                        "expected JOBLEDGER_DATA or JOBLEDGER_URL in the environment, found both; give --data or --url\n"
                    }
                    _ => "expected --data or --url, found both\n",
                };
                return Err(Error::raw(ErrorKind::ArgumentConflict, what));
            }
            (Some(_), Some(url)) if near("url") > near("data") => (None, Some(url)),
            (Some(data), _) => (Some(data), None),
            (None, url) => (None, url),
        };
        match (told, token) {
            ((Some(data), _), _) => Ok(Target::Folder(data)),
            ((None, Some(url)), Some(token)) => match server(&url) {
                Ok(url) => Ok(Target::Server(Remote { url, token, authorities })),
                Err(why) => Err(Error::raw(ErrorKind::ValueValidation, format!("--url: {why}, found `{url}`\n"))),
            },
            _ => Err(Error::raw(ErrorKind::MissingRequiredArgument, "expected --data, or --url and --token\n")),
        }
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Target::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for Target {
    fn augment_args(command: Command) -> Command {
        Options::augment_args(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Options::augment_args_for_update(command)
    }
}
