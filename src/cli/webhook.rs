//! `jobledger webhook add|list|remove|replay`. With `--data` they may run while a server runs; the server honours each change
//! within a second.

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::client::unexpected;
use super::output::{remark, say};
use super::server::Server;
use super::target::Target;
use super::{Failure, Outcome};
use crate::access::{Access, AccessError};
use crate::job::{EventType, Kind, OrgId, Position};
use crate::ledger::{Folder, system_clock};
use crate::log::Reader;
use crate::model::WebhookModel;
use crate::webhooks::{NewWebhook, Receiver, Webhook, WebhookError, WebhookFile, sendable};

/// Make, list, remove and replay webhooks, which post events to a receiver
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  jobledger webhook add https://receiver.example/jobs --data ledger --type job.completed --type job.failed
  jobledger webhook list --data ledger")]
pub(super) struct Webhooks {
    #[command(subcommand)]
    command: WebhookCommand,
}

#[derive(Debug, Subcommand)]
enum WebhookCommand {
    /// Add a webhook, from the newest event on, and print the secret that signs, which no later command shows
    Add(Add),
    /// List webhooks, parked ones too
    List(List),
    /// Remove a webhook for good
    Remove(Remove),
    /// Start a webhook again, parked or not, where it stands or from a position
    Replay(Replay),
}

#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  jobledger webhook add https://receiver.example/jobs --data ledger --type job.completed --type job.failed
  jobledger webhook add https://receiver.example/jobs --server prod --kind task --json")]
struct Add {
    /// The URL that gets the events: https, with a public host. `serve --webhook-allow-private` also allows http and private hosts
    #[arg(value_name = "RECEIVER")]
    receiver: Receiver,

    #[command(flatten)]
    target: Target,

    /// Send events of this type, such as job.completed; may repeat. Default: all types
    #[arg(long = "type", value_name = "TYPE", value_parser = PossibleValuesParser::new(sendable().map(EventType::as_str)), hide_possible_values = true)]
    types: Vec<String>,

    /// Send events of jobs of this kind: dbrole, task, rule or generic. Default: all kinds
    #[arg(long, value_name = "KIND")]
    kind: Option<Kind>,

    /// The organisation whose events are sent. Default: with --url that of the token, else the default organisation
    #[arg(long, env = "JOBLEDGER_ORG", value_name = "UUID")]
    org: Option<OrgId>,

    /// Print the webhook with its secret as JSON
    #[arg(long, env = "JOBLEDGER_JSON")]
    json: bool,
}

#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  jobledger webhook list --data ledger
  jobledger webhook list --url https://ledger.example --json")]
struct List {
    #[command(flatten)]
    target: Target,

    /// Print one JSON object a line
    #[arg(long, env = "JOBLEDGER_JSON")]
    json: bool,
}

#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  jobledger webhook remove wh_3f9c1a2b4d5e6f70 --data ledger
  jobledger webhook remove wh_3f9c1a2b4d5e6f70 --url https://ledger.example")]
struct Remove {
    /// The webhook
    #[arg(value_name = "ID")]
    id: String,

    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  jobledger webhook replay wh_3f9c1a2b4d5e6f70 --data ledger
  jobledger webhook replay wh_3f9c1a2b4d5e6f70 --server prod --from 4711")]
struct Replay {
    /// The webhook
    #[arg(value_name = "ID")]
    id: String,

    #[command(flatten)]
    target: Target,

    /// The position of the first event to send. Default: the first that the receiver has not taken
    #[arg(long, value_name = "POSITION")]
    from: Option<Position>,

    /// Print the webhook as JSON
    #[arg(long, env = "JOBLEDGER_JSON")]
    json: bool,
}

impl Webhooks {
    pub(super) fn run(self) -> Outcome {
        match self.command {
            WebhookCommand::Add(add) => add.run(),
            WebhookCommand::List(list) => list.run(),
            WebhookCommand::Remove(remove) => remove.run(),
            WebhookCommand::Replay(replay) => replay.run(),
        }
    }
}

impl Add {
    fn run(self) -> Outcome {
        let added = match &self.target {
            Target::Folder(data) => self.local(&Folder::new(data))?,
            Target::Server(remote) => self.remote(&Server::new(remote.clone())?)?,
        };
        let text = |name: &str| added[name].as_str().ok_or_else(|| unexpected("expected a webhook with its secret"));
        let (id, secret) = (text("id")?, text("secret")?);
        if self.json {
            say!("{added}");
        } else {
            remark!("jobledger: the webhook is {id}, and sends the events after position {}", added["position"]);
            say!("{secret}");
        }
        Ok(())
    }

    fn local(&self, folder: &Folder) -> Result<Value, Failure> {
        let log = Reader::open(&folder.log())?;
        if let Some(exposed) = self.receiver.exposed() {
            remark!("jobledger: RECEIVER: {exposed}");
        }
        let types = sendable().filter(|known| self.types.iter().any(|word| word == known.as_str()));
        let (org, receiver) = (self.org.unwrap_or_default(), self.receiver.clone());
        let new = NewWebhook { org, receiver, types: types.collect(), kind: self.kind };
        let head = Reader::new(&log).head()?;
        let added = changeable(folder)?.add(&new, head, system_clock()()).map_err(refused)?;
        Ok(serde_json::to_value(WebhookModel::with_secret(&added))?)
    }

    fn remote(&self, server: &Server) -> Result<Value, Failure> {
        if let Some(org) = self.org {
            let of_token = server.json("/session", &[])?;
            if of_token["org_id"] != json!(org.to_string()) {
                let what =
                    format!("--org: expected the organisation of the token, {}, found {org}", of_token["org_id"]);
                return Err(Failure::Refused(what));
            }
        }
        let kind = self.kind.map(Kind::as_str);
        let body = json!({ "url": self.receiver.as_str(), "types": self.types, "kind": kind });
        server.post_json("/ledger/webhooks", &body)
    }
}

impl List {
    fn run(self) -> Outcome {
        let webhooks = match &self.target {
            Target::Folder(data) => {
                let all = of_folder(&Folder::new(data))?;
                all.iter().map(|one| serde_json::to_value(WebhookModel::new(one))).collect::<Result<_, _>>()?
            }
            Target::Server(remote) => {
                let mut answer = Server::new(remote.clone())?.json("/ledger/webhooks", &[])?;
                match answer["webhooks"].take() {
                    Value::Array(webhooks) => webhooks,
                    _ => return Err(unexpected("expected a list of webhooks")),
                }
            }
        };
        for webhook in &webhooks {
            if self.json { say!("{webhook}") } else { say!("{}", as_line(webhook)) }
        }
        Ok(())
    }
}

impl Remove {
    fn run(self) -> Outcome {
        match &self.target {
            Target::Folder(data) => {
                let folder = Folder::new(data);
                let webhook = named(&folder, &self.id)?;
                changeable(&folder)?.remove(webhook.org, &self.id).map_err(refused)
            }
            Target::Server(remote) => Server::new(remote.clone())?.delete(&path(&self.id, "")?),
        }
    }
}

impl Replay {
    fn run(self) -> Outcome {
        let webhook = match &self.target {
            Target::Folder(data) => {
                let folder = Folder::new(data);
                let (org, log) = (named(&folder, &self.id)?.org, Reader::open(&folder.log())?);
                let (file, head) = (changeable(&folder)?, Reader::new(&log).head()?);
                let replayed = file.replay(org, &self.id, self.from, head).map_err(refused)?;
                serde_json::to_value(WebhookModel::new(&replayed))?
            }
            Target::Server(remote) => {
                let from: Vec<_> = self.from.iter().map(|from| ("from", from.to_string())).collect();
                Server::new(remote.clone())?.post_empty(&path(&self.id, "/replay")?, &from)?
            }
        };
        if self.json {
            say!("{webhook}")
        } else {
            say!("{}", as_line(&webhook))
        }
        Ok(())
    }
}

/// The webhooks in a folder, of all organisations.
fn of_folder(folder: &Folder) -> Result<Vec<Webhook>, Failure> {
    let path = folder.webhooks();
    if path.exists() {
        return Ok(WebhookFile::open_to_read(&path)?.list(None)?);
    }
    // A wrong folder is an error, and a ledger without webhooks is not.
    Reader::open(&folder.log())?;
    Ok(Vec::new())
}

/// The file of the webhooks in a folder, to change it. Refuses the folder of a node that does not lead: the leader's webhooks would take
/// the place of the change.
fn changeable(folder: &Folder) -> Result<WebhookFile, Failure> {
    if folder.access().exists() {
        match Access::open_to_read(&folder.access()) {
            Ok(tokens) => tokens.leads(system_clock()()).map_err(|error| match error {
                AccessError::NotLeading => Failure::Refused(error.to_string()),
                error => error.into(),
            })?,
            // A node has a file of the newest version.
            Err(AccessError::Older { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(WebhookFile::open(&folder.webhooks())?)
}

/// The webhook in a folder that has this id, in any organisation.
fn named(folder: &Folder, id: &str) -> Result<Webhook, Failure> {
    let found = of_folder(folder)?.into_iter().find(|webhook| webhook.id.as_str() == id);
    found.ok_or_else(|| Failure::Refused(format!("no webhook `{id}`; `jobledger webhook list` shows them")))
}

/// The route of a webhook. An id that cannot be one is refused here, because it could lead to another route.
fn path(id: &str, end: &str) -> Result<String, Failure> {
    if !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Ok(format!("/ledger/webhooks/{id}{end}"));
    }
    Err(Failure::Refused(format!("no webhook `{id}`; `jobledger webhook list` shows them")))
}

fn refused(error: WebhookError) -> Failure {
    if error.is_refusal() { Failure::Refused(error.to_string()) } else { error.into() }
}

fn as_line(webhook: &Value) -> String {
    let text = |name: &str| webhook[name].as_str().unwrap_or("-");
    let types: Vec<&str> = webhook["types"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let types = if types.is_empty() { "all types".to_owned() } else { types.join(" ") };
    let kind = webhook["kind"].as_str().map(|kind| format!(" of kind {kind}")).unwrap_or_default();
    let mut line = format!(
        "{}  {:<6}  {}  {}  {types}{kind}, position {}",
        text("id"),
        text("state"),
        text("org_id"),
        text("url"),
        webhook["position"]
    );
    if let Some(error) = webhook["last_error"].as_str() {
        line += &format!(", failures {}, last: {error}", webhook["failures"]);
    }
    if let Some(next) = webhook["next_try_at"].as_str() {
        line += &format!(", next try {next}");
    }
    line
}
