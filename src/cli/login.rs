//! `jobledger login` and `jobledger logout`: keep a server's token for other commands, and forget it.

use std::io::{BufRead, IsTerminal, Read, stdin};
use std::path::PathBuf;

use clap::Args;
use console::Term;

use super::client::{Authorities, Remote, server};
use super::logins::{Login, Logins, LoginsError, name};
use super::output::say;
use super::server::Server;
use super::whoami::described;
use super::{Failure, Outcome};

/// Longest token that is read from stdin, in bytes.
const LONGEST_TOKEN: u64 = 4096;

/// Keep a token of a running server, so that other commands need neither --url nor --token
///
/// The token comes from --token, JOBLEDGER_TOKEN or stdin; on a terminal the command asks for it. The server must know the
/// token. The token is kept in `jobledger/servers.toml` below XDG_CONFIG_HOME or ~/.config, which only its owner may read.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  jobledger login --url https://ledger.example --server prod
  jobledger token create --data ledger --name me --role viewer | jobledger login --url http://127.0.0.1:8347")]
pub(super) struct SignIn {
    /// The server, such as http://127.0.0.1:8347
    #[arg(long, env = "JOBLEDGER_URL", value_name = "URL", value_parser = server)]
    url: String,

    /// The name by which --server will find the server. Commands without --url and --server ask the server of the newest login
    #[arg(long, env = "JOBLEDGER_SERVER", value_name = "NAME", default_value = "default", value_parser = name)]
    server: String,

    /// The token. Default: the first line of stdin
    #[arg(long, env = "JOBLEDGER_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    token: Option<String>,

    #[command(flatten)]
    authorities: Authorities,
}

impl SignIn {
    pub(super) fn run(self) -> Outcome {
        let token = match self.token {
            Some(token) => token,
            None => read_token(&self.url)?,
        };
        let mut logins = Logins::load()?;
        // Another folder may be the current one of a later command.
        let ca: Option<PathBuf> = self.authorities.ca.as_ref().map(std::path::absolute).transpose()?;
        let remote = Remote { url: self.url.clone(), token: token.clone(), authorities: self.authorities };
        let caller = Server::new(remote)?.json("/session", &[])?;
        logins.servers.insert(self.server.clone(), Login { url: self.url, token, ca });
        logins.default = Some(self.server.clone());
        let path = logins.save()?;
        say!("server `{}`: {}; the token is in `{}`", self.server, described(&caller), path.display());
        Ok(())
    }
}

/// Reads the token from the first line of stdin. On a terminal the command asks for the token, and the terminal hides the keys.
fn read_token(url: &str) -> Result<String, Failure> {
    let token = if stdin().is_terminal() {
        let terminal = Term::stderr();
        terminal.write_str(&format!("Token for {url}: "))?;
        terminal.read_secure_line()?
    } else {
        let mut line = String::new();
        stdin().lock().take(LONGEST_TOKEN).read_line(&mut line)?;
        line
    };
    match token.trim() {
        "" => Err(Failure::CouldNotRun("expected a token in --token, JOBLEDGER_TOKEN or stdin, found none".into())),
        token => Ok(token.to_owned()),
    }
}

/// Forget the token of a server; the token itself stays valid until `jobledger token revoke`
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  jobledger logout
  jobledger logout --server prod")]
pub(super) struct Logout {
    /// The server's name
    #[arg(long, env = "JOBLEDGER_SERVER", value_name = "NAME", default_value = "default", value_parser = name)]
    server: String,
}

impl Logout {
    pub(super) fn run(self) -> Outcome {
        let mut logins = Logins::load()?;
        if logins.servers.remove(&self.server).is_none() {
            return Err(Failure::Refused(format!("no login is known for the server `{}`", self.server)));
        }
        if logins.default.as_ref() == Some(&self.server) {
            logins.default = None;
        }
        let path: Result<PathBuf, LoginsError> = logins.save();
        say!("server `{}` is no longer in `{}`", self.server, path?.display());
        Ok(())
    }
}
