//! `jobledger token create|list|revoke`: beside a running server, which honours every change at once.

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};

use super::output::say;
use super::{Data, Failure, Outcome};
use crate::access::{Access, AccessError, NewToken, Role, TokenInfo};
use crate::job::{OrgId, Time};
use crate::ledger::system_clock;

/// Make, list and revoke tokens
#[derive(Debug, Args)]
pub(super) struct Token {
    #[command(subcommand)]
    command: TokenCommand,
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    /// Make a token and print it: the only time that it is shown
    Create(Create),
    /// List every token, revoked ones too
    List(List),
    /// Revoke a token for good: its open tails end within a second
    Revoke(Revoke),
}

#[derive(Debug, Args)]
struct Create {
    #[command(flatten)]
    data: Data,

    /// The actor that the log will name: unique for ever in the organisation; no personal data, it can never be erased
    #[arg(long, value_name = "NAME")]
    name: String,

    /// What the token may do: admin, worker, viewer or auditor
    #[arg(long, value_name = "ROLE")]
    role: Role,

    /// Its organisation
    #[arg(long, env = "JOBLEDGER_ORG", default_value_t = OrgId::default(), value_name = "UUID")]
    org: OrgId,

    /// Until when it is good, RFC 3339
    #[arg(long, value_name = "TIME")]
    expires: Option<DateTime<Utc>>,
}

#[derive(Debug, Args)]
struct List {
    #[command(flatten)]
    data: Data,

    /// One JSON object a line
    #[arg(long, env = "JOBLEDGER_JSON")]
    json: bool,
}

#[derive(Debug, Args)]
struct Revoke {
    #[command(flatten)]
    data: Data,

    /// The name on it
    #[arg(long, value_name = "NAME")]
    name: String,

    /// Its organisation
    #[arg(long, env = "JOBLEDGER_ORG", default_value_t = OrgId::default(), value_name = "UUID")]
    org: OrgId,
}

impl Token {
    pub(super) fn run(self) -> Outcome {
        match self.command {
            TokenCommand::Create(create) => create.run(),
            TokenCommand::List(list) => list.run(),
            TokenCommand::Revoke(revoke) => revoke.run(),
        }
    }
}

impl Create {
    fn run(self) -> Outcome {
        let now = system_clock()();
        let expires = self.expires.map(Time::try_from).transpose()?;
        if expires.is_some_and(|expires| expires <= now) {
            return Err(Failure::Refused("--expires: expected a time to come".into()));
        }
        let token = NewToken { name: self.name, role: self.role, org: self.org, expires };
        // Tokens can be made before the first start.
        let folder = self.data.folder();
        folder.create()?;
        if !folder.log().exists() {
            let path = folder.path().display();
            eprintln!("jobledger: there is no ledger in `{path}` yet; one that is started there honours the token");
        }
        let secret = Access::open(&folder.access())?.create(&token, now).map_err(refused)?;
        say!("{}", secret.reveal());
        Ok(())
    }
}

impl List {
    fn run(self) -> Outcome {
        for token in open(&self.data)?.list()? {
            if self.json { say!("{}", as_json(&token)) } else { say!("{}", as_line(&token)) }
        }
        Ok(())
    }
}

impl Revoke {
    fn run(self) -> Outcome {
        open(&self.data)?.revoke(self.org, &self.name, system_clock()()).map_err(refused)
    }
}

fn open(data: &Data) -> Result<Access, Failure> {
    let folder = data.folder();
    if !folder.path().is_dir() {
        let what =
            format!("no tokens in `{}`; point --data at the folder that they were made in", folder.path().display());
        return Err(Failure::CouldNotRun(what));
    }
    Ok(Access::open(&folder.access())?)
}

fn refused(error: AccessError) -> Failure {
    match error {
        AccessError::Sqlite { .. } | AccessError::Newer { .. } => error.into(),
        refused => Failure::Refused(refused.to_string()),
    }
}

fn as_json(token: &TokenInfo) -> serde_json::Value {
    let time = |time: Option<Time>| time.map(|time| time.to_string());
    serde_json::json!({
        "name": token.name, "role": token.role.as_str(), "org": token.org.to_string(), "created": token.created.to_string(),
        "expires": time(token.expires), "revoked": time(token.revoked), "last_used": time(token.used),
    })
}

fn as_line(token: &TokenInfo) -> String {
    let state = match (token.revoked, token.expires) {
        (Some(revoked), _) => format!("revoked {revoked}"),
        (None, Some(expires)) => format!("expires {expires}"),
        (None, None) => "valid".to_owned(),
    };
    let used = token.used.map_or("never used".to_owned(), |used| format!("last used {used}"));
    format!("{:<24} {:<8} {}  {state}, {used}", token.name, token.role.as_str(), token.org)
}
