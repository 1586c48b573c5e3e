//! Which running server a command asks, and with which token: from the options, the environment, or `jobledger login`.

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, Error, FromArgMatches};

use super::client::{Authorities, Remote, server};
use super::logins::{Login, Logins, LoginsError, name};
use super::output::shown;

/// Which server was named.
#[derive(Debug, Clone)]
pub(super) enum Named {
    /// By its address.
    Url(String),
    /// By the name that a login gave it.
    Server(String),
    /// Not at all: that of the newest login.
    Newest,
}

/// No server, or no token for it.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoRemote {
    #[error("--url: {why}, found `{}`", shown(url))]
    Address { url: String, why: super::client::NotAServer },
    #[error("expected --url and --token, or a server that `jobledger login` knows")]
    Nothing,
    #[error("expected --token, because no login is known for {}; `jobledger login` keeps one", shown(.0))]
    NoToken(String),
    #[error("no login is known for the server `{0}`; `jobledger login --server {0} --url URL` makes one")]
    Unknown(String),
    #[error(transparent)]
    Logins(#[from] LoginsError),
}

impl Remote {
    /// The server that was named, with the token that was given or that its login keeps.
    ///
    /// # Errors
    /// The address is none, or no token is known.
    pub(super) fn of(named: Named, token: Option<String>, authorities: Authorities) -> Result<Remote, NoRemote> {
        if let Named::Url(url) = &named
            && let Err(why) = server(url)
        {
            return Err(NoRemote::Address { url: url.clone(), why });
        }
        match (named, token) {
            (Named::Url(url), Some(token)) => Ok(Remote { url, token, authorities }),
            (Named::Url(url), None) => {
                let login = Logins::load()?.at(&url).cloned().ok_or(NoRemote::NoToken(url))?;
                Ok(Remote::by(login, None, authorities))
            }
            (Named::Server(name), token) => {
                let login = Logins::load()?.servers.remove(&name).ok_or(NoRemote::Unknown(name))?;
                Ok(Remote::by(login, token, authorities))
            }
            (Named::Newest, token) => {
                let mut logins = Logins::load()?;
                let newest = logins.default.take().and_then(|name| logins.servers.remove(&name));
                Ok(Remote::by(newest.ok_or(NoRemote::Nothing)?, token, authorities))
            }
        }
    }

    fn by(login: Login, token: Option<String>, authorities: Authorities) -> Remote {
        Remote { url: login.url, token: token.unwrap_or(login.token), authorities: authorities.or(login.ca) }
    }
}

/// The options that choose a server.
#[derive(Debug, Args)]
pub(super) struct ServerOptions {
    /// The server, such as http://127.0.0.1:8347
    #[arg(long, env = "JOBLEDGER_URL", value_name = "URL")]
    pub url: Option<String>,

    /// A server by the name that `jobledger login` gave it. Default: that of the newest login
    #[arg(long, env = "JOBLEDGER_SERVER", value_name = "NAME", value_parser = name)]
    pub server: Option<String>,

    /// The token for the server. Default: that of its login
    #[arg(long, env = "JOBLEDGER_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    pub token: Option<String>,

    #[command(flatten)]
    pub authorities: Authorities,
}

impl FromArgMatches for Remote {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Remote, Error> {
        let strongest = strongest(matches, &["url", "server"])?;
        let ServerOptions { url, server, token, authorities } = ServerOptions::from_arg_matches(matches)?;
        let named = match (strongest, url, server) {
            (Some("url"), Some(url), _) => Named::Url(url),
            (Some(_), _, Some(server)) => Named::Server(server),
            _ => Named::Newest,
        };
        Remote::of(named, token, authorities).map_err(as_mistake)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Remote::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for Remote {
    fn augment_args(command: Command) -> Command {
        ServerOptions::augment_args(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        ServerOptions::augment_args_for_update(command)
    }
}

/// A mistake on the command line.
pub(super) fn as_mistake(error: NoRemote) -> Error {
    let kind = match error {
        NoRemote::Nothing | NoRemote::NoToken(_) => ErrorKind::MissingRequiredArgument,
        _ => ErrorKind::ValueValidation,
    };
    Error::raw(kind, format!("{error}\n"))
}

/// Which of several options that exclude each other counts: the command line wins over the environment, and the environment over
/// the file. So `--url` works although `JOBLEDGER_DATA` is set. clap's own conflicts do not compare sources, so this code does.
///
/// # Errors
/// Two come from the same source.
pub(super) fn strongest<'n>(matches: &ArgMatches, names: &[&'n str]) -> Result<Option<&'n str>, Error> {
    let near = |name: &str| match matches.value_source(name) {
        Some(ValueSource::CommandLine) => Some(2),
        Some(ValueSource::EnvVariable) => Some(1),
        Some(_) => Some(0),
        None => None,
    };
    let most = names.iter().filter_map(|name| near(name)).max();
    let strongest: Vec<&str> = names.iter().copied().filter(|name| most.is_some() && near(name) == most).collect();
    match (&strongest[..], most) {
        ([one, other, ..], Some(1)) => {
            let [first, second] = [one, other].map(|name| name.to_uppercase());
            let what = format!(
                "expected JOBLEDGER_{first} or JOBLEDGER_{second} in the environment, found both; give --{one} or --{other}\n"
            );
            Err(Error::raw(ErrorKind::ArgumentConflict, what))
        }
        ([one, other, ..], _) => {
            let what = format!("expected --{one} or --{other}, found both\n");
            Err(Error::raw(ErrorKind::ArgumentConflict, what))
        }
        (rest, _) => Ok(rest.first().copied()),
    }
}
