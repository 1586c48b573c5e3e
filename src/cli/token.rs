//! `jobledger token create|rotate|list|revoke`. They may run while a server runs; the server honours each change within a
//! second.

use std::time::Duration;

use chrono::{Days, NaiveDate};
use clap::{Args, Subcommand};

use super::duration::{BadDuration, up_to};
use super::output::{remark, say};
use super::{Data, Failure, Outcome};
use crate::access::{Access, AccessError, MAX_OVERLAP, NewToken, Role, TokenInfo};
use crate::job::{OrgId, Time};
use crate::ledger::system_clock;

/// Make, list and revoke tokens
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  jobledger token create --data ledger --name gateway --role worker
  jobledger token list --data ledger")]
pub(super) struct Token {
    #[command(subcommand)]
    command: TokenCommand,
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    /// Make a token and print its secret, which no later command shows
    Create(Create),
    /// Give a token a new secret and print it; the old secret stays valid for --overlap
    Rotate(Rotate),
    /// List every token, revoked ones too
    List(List),
    /// Revoke a token for good; its open tails end within a second
    Revoke(Revoke),
}

#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  jobledger token create --data ledger --name gateway --role worker
  jobledger token create --data ledger --name watch --role viewer --expires 2026-12-31")]
struct Create {
    #[command(flatten)]
    data: Data,

    /// The actor in the log, unique for ever in the organisation. Use no personal data: an actor cannot be redacted
    #[arg(long, value_name = "NAME")]
    name: String,

    /// What the token may do: admin, worker, viewer or auditor
    #[arg(long, value_name = "ROLE")]
    role: Role,

    /// The token's organisation
    #[arg(long, env = "JOBLEDGER_ORG", default_value_t = OrgId::default(), value_name = "UUID")]
    org: OrgId,

    /// When the token expires: an RFC 3339 time, or a date (the token is valid until the end of that day in UTC)
    #[arg(long, value_name = "TIME", value_parser = expiry)]
    expires: Option<Time>,

    /// Bind the token to this `source` of events: no other token of the organisation may use it; may repeat
    #[arg(long, value_name = "SOURCE")]
    source: Vec<String>,

    /// Take the name of a revoked token again, for the same role
    #[arg(long)]
    reuse_name: bool,
}

/// The name and organisation of an existing token.
#[derive(Debug, Args)]
struct Named {
    #[command(flatten)]
    data: Data,

    /// The token's name
    #[arg(long, value_name = "NAME")]
    name: String,

    /// The token's organisation
    #[arg(long, env = "JOBLEDGER_ORG", default_value_t = OrgId::default(), value_name = "UUID")]
    org: OrgId,
}

#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  jobledger token rotate --data ledger --name gateway --overlap 1h
  jobledger token rotate --data ledger --name gateway --overlap 0s")]
struct Rotate {
    #[command(flatten)]
    token: Named,

    /// How long the old secret stays valid: `0s` to `30days`
    #[arg(long, default_value = "1h", value_name = "DURATION", value_parser = overlap)]
    overlap: Duration,
}

#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  jobledger token list --data ledger
  jobledger token list --data ledger --json")]
struct List {
    #[command(flatten)]
    data: Data,

    /// Print one JSON object a line
    #[arg(long, env = "JOBLEDGER_JSON")]
    json: bool,
}

#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  jobledger token revoke --data ledger --name gateway
  jobledger token revoke --data ledger --name gateway --org 00000000-0000-0000-0000-000000000001")]
struct Revoke {
    #[command(flatten)]
    token: Named,
}

impl Token {
    pub(super) fn run(self) -> Outcome {
        match self.command {
            TokenCommand::Create(create) => create.run(),
            TokenCommand::Rotate(rotate) => rotate.run(),
            TokenCommand::List(list) => list.run(),
            TokenCommand::Revoke(revoke) => revoke.run(),
        }
    }
}

impl Create {
    fn run(self) -> Outcome {
        let now = system_clock()();
        if self.expires.is_some_and(|expires| expires <= now) {
            return Err(Failure::Refused("--expires: expected a time in the future".into()));
        }
        let token = NewToken {
            expires: self.expires,
            sources: self.source,
            reuse_name: self.reuse_name,
            ..NewToken::new(self.name, self.role, self.org)
        };
        // Tokens can be made before the first start of the server.
        let folder = self.data.folder();
        folder.create()?;
        if !folder.log().exists() {
            let path = folder.path().display();
            remark!("jobledger: there is no ledger in `{path}` yet; the token is valid once a server starts there");
        }
        let secret = Access::open(&folder.access())?.create(&token, now).map_err(refused)?;
        say!("{}", secret.reveal());
        Ok(())
    }
}

impl Rotate {
    fn run(self) -> Outcome {
        let (Named { data, name, org }, now) = (self.token, system_clock()());
        let secret = open(&data)?.rotate(org, &name, self.overlap, now).map_err(refused)?;
        if !self.overlap.is_zero() {
            let overlap = humantime::format_duration(self.overlap);
            remark!("jobledger: the old secret of `{name}` stays valid for {overlap}");
        }
        say!("{}", secret.reveal());
        Ok(())
    }
}

impl List {
    fn run(self) -> Outcome {
        let path = self.data.folder().access();
        let access = match path.exists() {
            false => open(&self.data)?,
            // A list writes nothing, so it works on read-only media. An older file is upgraded if it is writable.
            true => match Access::open_to_read(&path) {
                Err(older @ AccessError::Older { .. }) => open(&self.data).map_err(|_| Failure::from(older))?,
                opened => opened?,
            },
        };
        for token in access.list()? {
            if self.json { say!("{}", as_json(&token)) } else { say!("{}", as_line(&token)) }
        }
        Ok(())
    }
}

impl Revoke {
    fn run(self) -> Outcome {
        let Named { data, name, org } = self.token;
        open(&data)?.revoke(org, &name, system_clock()()).map_err(refused)
    }
}

fn open(data: &Data) -> Result<Access, Failure> {
    let folder = data.folder();
    if !folder.path().is_dir() {
        let what = format!("no tokens in `{}`; check that --data is the folder of the ledger", folder.path().display());
        return Err(Failure::CouldNotRun(what));
    }
    Ok(Access::open(&folder.access())?)
}

fn refused(error: AccessError) -> Failure {
    match error {
        AccessError::Locked { .. } | AccessError::Damaged(_) | AccessError::Sqlite(_) | AccessError::Newer { .. } => {
            error.into()
        }
        refused => Failure::Refused(refused.to_string()),
    }
}

/// The text is neither a time nor a date.
#[derive(Debug, thiserror::Error)]
#[error("expected an RFC 3339 time before 2262, such as `2026-11-28T18:00:00Z`, or a date, such as `2026-11-28`")]
struct BadExpiry;

/// Reads a time, or a date. A date means the first moment of the next day in UTC.
fn expiry(text: &str) -> Result<Time, BadExpiry> {
    let end_of = |date: NaiveDate| date.checked_add_days(Days::new(1))?.and_hms_opt(0, 0, 0);
    let time = match (text.parse::<Time>(), text.parse::<NaiveDate>()) {
        (Ok(time), _) => Some(time),
        (_, Ok(date)) if text.len() == 10 => end_of(date).and_then(|end| Time::try_from(end.and_utc()).ok()),
        _ => None,
    };
    time.ok_or(BadExpiry)
}

fn overlap(text: &str) -> Result<Duration, BadDuration> {
    up_to(MAX_OVERLAP, text)
}

fn as_json(token: &TokenInfo) -> serde_json::Value {
    let time = |time: Option<Time>| time.map(|time| time.to_string());
    serde_json::json!({
        "name": token.name, "role": token.role.as_str(), "org": token.org.to_string(), "created": token.created.to_string(),
        "expires": time(token.expires), "revoked": time(token.revoked), "last_used": time(token.used),
        "sources": token.sources, "name_reused": token.reused, "rotated": time(token.rotated),
        "old_secret_until": time(token.old_secret_until),
    })
}

fn as_line(token: &TokenInfo) -> String {
    let state = match (token.revoked, token.expires) {
        (Some(revoked), _) => format!("revoked {revoked}"),
        (None, Some(expires)) => format!("expires {expires}"),
        (None, None) => "valid".to_owned(),
    };
    let used = token.used.map_or("never used".to_owned(), |used| format!("last used {used}"));
    let mut line = format!("{:<24} {:<8} {}  {state}, {used}", token.name, token.role.as_str(), token.org);
    if token.reused {
        line += ", takes the name of a revoked token";
    }
    if let Some(rotated) = token.rotated {
        line += &format!(", rotated {rotated}");
    }
    if let Some(until) = token.old_secret_until {
        line += &format!(", old secret until {until}");
    }
    if !token.sources.is_empty() {
        line += &format!(", sources {}", token.sources.join(" "));
    }
    line
}
