//! `jobledger append`: events from files into a ledger.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use indicatif::ProgressBar;
use serde_json::Value;
use serde_json::value::RawValue;

use super::client::{placed, refused, unexpected};
use super::masking::Masking;
use super::output::{remark, say, shown};
use super::server::{Server, text};
use super::target::Target;
use super::{AnchorDir, Failure, Outcome, progress};
use crate::access::{AccessError, check_name};
use crate::client::newest_lease;
use crate::job::{OrgId, plural};
use crate::ledger::{Append as Request, AppendError, Folder, FolderError, Identity, Ledger, OpenError, Options};
use crate::wire::{self, MAX_BATCH};

/// The command sends a batch once it has this many bytes, 4 MiB; a request may have 16 MiB.
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// Append events from files, in order
///
/// Files hold CloudEvents: one JSON object, several one after the other (NDJSON), or arrays of them. They are appended in
/// batches, each all or nothing. The command skips events that the ledger has, so it may run again. --data needs a folder that no
/// server has open.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  jobledger append --data ledger events.ndjson
  jobledger append --url http://127.0.0.1:8347 -")]
pub(super) struct Append {
    /// Files of events; - is stdin
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    #[command(flatten)]
    target: Target,

    /// With --data: the organisation
    #[arg(long, env = "JOBLEDGER_ORG", default_value_t = OrgId::default(), value_name = "UUID")]
    org: OrgId,

    /// With --data: the actor that the log names
    #[arg(long, env = "JOBLEDGER_ACTOR", default_value = "local", value_name = "NAME", value_parser = actor)]
    actor: String,

    /// With --data: make the folder if it is missing
    #[arg(long)]
    create: bool,

    // These options count for --data only. A server has an anchor and rules of its own.
    #[command(flatten)]
    anchor: AnchorDir,

    #[command(flatten)]
    masking: Masking,

    /// Print the counts as JSON
    #[arg(long, env = "JOBLEDGER_JSON")]
    json: bool,
}

/// The events that a command has appended so far.
#[derive(Debug, Default)]
struct Counts {
    appended: u64,
    known: u64,
    position: u64,
}

/// Where batches go.
trait Sink {
    /// Appends a batch. Returns how many events were new, how many the ledger had already, and the newest position.
    fn send(&mut self, batch: &[Box<RawValue>]) -> Result<Counts, Failure>;
}

impl Append {
    pub(super) fn run(self) -> Outcome {
        let mut sink: Box<dyn Sink> = match self.target {
            Target::Folder(data) => {
                let folder = self.anchor.of(Folder::new(data));
                let options = Options { create: self.create, mask: self.masking.rules()?, ..Options::default() };
                Box::new(Local::open(folder, self.org, &self.actor, options)?)
            }
            Target::Server(remote) => Box::new(Away { server: Server::new(remote)?, lease: None }),
        };
        let size = self.files.iter().filter_map(|path| path.metadata().ok()).map(|file| file.len()).sum();
        let bar = progress::bytes(size);
        let mut counts = Counts::default();
        for path in &self.files {
            send_file(path, &bar, sink.as_mut(), &mut counts)?;
        }
        bar.finish_and_clear();
        let Counts { appended, known, position } = counts;
        if self.json {
            say!("{}", serde_json::json!({ "appended": appended, "known": known, "position": position }));
        } else {
            let known = plural(known, "was", "were");
            say!("appended {}, {known} there before; newest position {position}", plural(appended, "event", "events"));
        }
        Ok(())
    }
}

fn actor(name: &str) -> Result<String, AccessError> {
    check_name(name).map(|()| name.to_owned())
}

fn send_file(path: &Path, bar: &ProgressBar, sink: &mut dyn Sink, counts: &mut Counts) -> Outcome {
    let name = path.display();
    let source: Box<dyn Read> = if path == Path::new("-") {
        Box::new(std::io::stdin().lock())
    } else {
        let file = File::open(path).map_err(|error| Failure::CouldNotRun(format!("cannot read `{name}`: {error}")))?;
        Box::new(file)
    };
    let reader = BufReader::with_capacity(1 << 20, bar.wrap_read(source));
    let mut batch: Vec<Box<RawValue>> = Vec::new();
    let (mut bytes, mut sent) = (0, 0);
    let mut flush = |batch: &mut Vec<Box<RawValue>>, counts: &mut Counts| {
        let place = |failure: Failure| failure.within(&format!("`{name}`, after {}", plural(sent, "event", "events")));
        let done = sink.send(batch).map_err(place)?;
        sent += batch.len();
        counts.appended += done.appended;
        counts.known += done.known;
        counts.position = counts.position.max(done.position);
        batch.clear();
        Ok::<(), Failure>(())
    };
    for value in serde_json::Deserializer::from_reader(reader).into_iter::<Box<RawValue>>() {
        let value = value
            .map_err(|error| Failure::Refused(format!("`{name}`: expected JSON: {}", shown(&error.to_string()))))?;
        for event in
            events(value).map_err(|error| Failure::Refused(format!("`{name}`: {}", shown(&error.to_string()))))?
        {
            if batch.len() == MAX_BATCH || (bytes + event.get().len() > BATCH_BYTES && !batch.is_empty()) {
                flush(&mut batch, counts)?;
                bytes = 0;
            }
            bytes += event.get().len();
            batch.push(event);
        }
    }
    if batch.is_empty() { Ok(()) } else { flush(&mut batch, counts) }
}

/// The events of a JSON value: of an array, or of one object.
fn events(value: Box<RawValue>) -> Result<Vec<Box<RawValue>>, serde_json::Error> {
    if value.get().starts_with('[') { serde_json::from_str(value.get()) } else { Ok(vec![value]) }
}

fn array(batch: &[Box<RawValue>]) -> Vec<u8> {
    serde_json::to_vec(batch).expect("JSON that was just read")
}

/// The ledger in a folder, which no server has open.
struct Local {
    ledger: Ledger,
    runtime: tokio::runtime::Runtime,
    org: OrgId,
    actor: String,
}

impl Local {
    fn open(folder: Folder, org: OrgId, actor: &str, options: Options) -> Result<Local, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let ledger = Ledger::open(folder, options).map_err(|error| match error {
            error @ OpenError::Folder(FolderError::InUse(_)) => Failure::CouldNotRun(format!(
                "{error}; or append through the server that has it: --url URL --token TOKEN"
            )),
            error => error.into(),
        })?;
        if ledger.is_new() {
            let Identity { origin, keys } = ledger.identity();
            remark!("jobledger: new ledger `{origin}`, verifier key {}", keys[0]);
        }
        Ok(Local { ledger, runtime, org, actor: actor.to_owned() })
    }
}

impl Sink for Local {
    fn send(&mut self, batch: &[Box<RawValue>]) -> Result<Counts, Failure> {
        let events = wire::batch(&array(batch), self.ledger.mask())
            .map_err(|refused| refusal(refused.index, refused.reject.pointer(), &refused.reject))?;
        let append = Request { org: self.org, actor: self.actor.clone(), events, guard: None, lease: None };
        match self.runtime.block_on(self.ledger.append(append)) {
            Ok(appended) => {
                let known = appended.events.iter().filter(|event| event.duplicate).count() as u64;
                let new = appended.events.len() as u64 - known;
                Ok(Counts { appended: new, known, position: appended.position().get() })
            }
            Err(error @ AppendError::ReadOnly(_)) => Err(Failure::Refused(error.to_string())),
            Err(AppendError::Refused { index, refusal: why, .. }) => {
                Err(refusal(Some(index), why.pointer().unwrap_or_default(), &why))
            }
            Err(error @ AppendError::IdReused { index, .. }) => Err(refusal(Some(index), "", &error)),
            Err(error) => Err(error.into()),
        }
    }
}

/// A refusal in the words of a server.
fn refusal(index: Option<usize>, pointer: &str, why: &dyn std::error::Error) -> Failure {
    let pointer = Some(pointer).filter(|pointer| !pointer.is_empty());
    Failure::Refused(shown(&placed(why.to_string(), pointer, index.map(|index| index as u64))).into_owned())
}

impl Drop for Local {
    fn drop(&mut self) {
        self.ledger.close();
    }
}

/// A running server, and the lease under which its newest job was started.
struct Away {
    server: Server,
    /// The token of the lease; `None` before an event begins one.
    lease: Option<String>,
}

impl Sink for Away {
    fn send(&mut self, batch: &[Box<RawValue>]) -> Result<Counts, Failure> {
        let mut answer = self.server.append(&array(batch), self.lease.as_deref())?;
        if !answer.status().is_success() {
            return Err(refused(&mut answer));
        }
        let body: Value = serde_json::from_str(&text(answer)?).unwrap_or_default();
        self.lease = newest_lease(&body).or(self.lease.take());
        counts(&body, batch.len())
    }
}

/// Counts the events in the server's answer, which must name each event of the batch.
fn counts(body: &Value, sent: usize) -> Result<Counts, Failure> {
    match (body["events"].as_array(), body["position"].as_u64()) {
        (Some(events), Some(position)) if events.len() == sent => {
            let known = events.iter().filter(|event| event["duplicate"] == true).count() as u64;
            Ok(Counts { appended: sent as u64 - known, known, position })
        }
        _ => Err(unexpected("expected JSON with the position of each event, found something else")),
    }
}
