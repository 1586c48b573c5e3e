//! `jobledger token create|list|revoke`: beside a running server, which honours every change at once.

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};

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
        let secret = open(&self.data)?.create(&token, now).map_err(refused)?;
        println!("{}", secret.reveal());
        Ok(())
    }
}

impl List {
    fn run(self) -> Outcome {
        for token in open(&self.data)?.list()? {
            if self.json { println!("{}", as_json(&token)) } else { println!("{}", as_line(&token)) }
        }
        Ok(())
    }
}

impl Revoke {
    fn run(self) -> Outcome {
        open(&self.data)?.revoke(self.org, &self.name, system_clock()()).map_err(refused)
    }
}

/// Tokens can be made before the first start, so the folder is made where there is none.
fn open(data: &Data) -> Result<Access, Failure> {
    let folder = data.folder();
    folder.create()?;
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
