//! `jobledger whoami`: which token a server knows.

use clap::Args;
use serde_json::Value;

use super::Outcome;
use super::client::Remote;
use super::output::{say, shown};
use super::server::Server;

/// Show the name, role and organisation of the token, as the server knows them
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  jobledger whoami
  jobledger whoami --json")]
pub(super) struct Whoami {
    #[command(flatten)]
    remote: Remote,

    /// Print the server's answer as JSON
    #[arg(long, env = "JOBLEDGER_JSON")]
    json: bool,
}

impl Whoami {
    pub(super) fn run(self) -> Outcome {
        let server = Server::new(self.remote)?;
        match self.json {
            true => say!("{}", server.json_text("/session", &[])?.trim_end()),
            false => say!("{} at {}", described(&server.json("/session", &[])?), server.remote.url),
        }
        Ok(())
    }
}

/// `ada, role admin, organisation 0000…, until 2026-…`.
pub(super) fn described(caller: &Value) -> String {
    let text = |name: &str| caller[name].as_str().unwrap_or("-");
    let until = caller["expires_at"].as_str().map(|until| format!(", until {until}")).unwrap_or_default();
    let sources = caller["sources"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let sources: Vec<&str> = sources.collect();
    let bound = if sources.is_empty() { String::new() } else { format!(", for the sources {}", sources.join(", ")) };
    shown(&format!("{}, role {}, organisation {}{until}{bound}", text("name"), text("role"), text("org_id")))
        .into_owned()
}
