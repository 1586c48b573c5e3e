//! `--data`, or `--url` or `--server`: a data folder, or a running server.

use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{ArgMatches, Args, Command, Error, FromArgMatches};

use super::client::Remote;
use super::remote::{Named, ServerOptions, as_mistake, strongest};

/// Which ledger a command works on.
#[derive(Debug, Clone)]
pub(super) enum Target {
    /// The ledger in a folder that no server has.
    Folder(PathBuf),
    /// The ledger of a running server.
    Server(Remote),
}

/// Where a command reads: a ledger, or an export.
#[derive(Debug, Clone)]
pub(super) enum Origin {
    /// A folder or a server.
    Ledger(Target),
    /// The file of an export.
    File(PathBuf),
}

#[derive(Debug, Args)]
struct FileOption {
    /// An export instead of a ledger
    #[arg(long, value_name = "EXPORT")]
    file: Option<PathBuf>,
}

impl FromArgMatches for Origin {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Origin, Error> {
        match FileOption::from_arg_matches(matches)?.file {
            Some(file) => Ok(Origin::File(file)),
            None if strongest(matches, &["data", "url", "server"])?.is_none() => {
                let what = "expected --data, --file, or --url and --token, or --server\n";
                Err(Error::raw(ErrorKind::MissingRequiredArgument, what))
            }
            None => Target::from_arg_matches(matches).map(Origin::Ledger),
        }
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Origin::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for Origin {
    fn augment_args(command: Command) -> Command {
        FileOption::augment_args(Target::augment_args(command))
    }

    fn augment_args_for_update(command: Command) -> Command {
        FileOption::augment_args_for_update(Target::augment_args_for_update(command))
    }
}

#[derive(Debug, Args)]
struct Options {
    /// The data folder
    #[arg(long, env = "JOBLEDGER_DATA", value_name = "DIR")]
    data: Option<PathBuf>,

    #[command(flatten)]
    server: ServerOptions,
}

/// Says in the help that a server takes the place of a folder. No login is chosen by default here.
fn instead_of_data(command: Command) -> Command {
    command
        .mut_arg("url", |arg| arg.help("A running server, instead of --data"))
        .mut_arg("server", |arg| arg.help("A running server by the name that `jobledger login` gave it"))
}

impl FromArgMatches for Target {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Target, Error> {
        let strongest = strongest(matches, &["data", "url", "server"])?;
        let Options { data, server: ServerOptions { url, server, token, authorities } } =
            Options::from_arg_matches(matches)?;
        let named = match (strongest, data, url, server) {
            (Some("data"), Some(data), _, _) => return Ok(Target::Folder(data)),
            (Some("url"), _, Some(url), _) => Named::Url(url),
            (Some(_), _, _, Some(server)) => Named::Server(server),
            // A login alone chooses no server here: without its options the command may have been meant for a folder.
            _ => {
                let what = "expected --data, or --url and --token, or --server\n";
                return Err(Error::raw(ErrorKind::MissingRequiredArgument, what));
            }
        };
        Remote::of(named, token, authorities).map(Target::Server).map_err(as_mistake)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Target::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for Target {
    fn augment_args(command: Command) -> Command {
        instead_of_data(Options::augment_args(command))
    }

    fn augment_args_for_update(command: Command) -> Command {
        instead_of_data(Options::augment_args_for_update(command))
    }
}
