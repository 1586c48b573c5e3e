//! The report of an audit.

use serde::Serialize;

use super::signers::Signers;
use crate::history::{Content, EntryCheck, Unapplied};
use crate::job::Position;
use crate::tree::{Head, VerifierKey};
use crate::wire::Leaf;

/// Most faults of each class that a report lists. It only counts the others.
const LISTED: usize = 20;

/// The promise that a fault breaks, the gravest first. The gravest class decides the verdict and the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// An entry, or a value derived from entries, is not the recorded one.
    Content,
    /// A checkpoint or key does not belong to the log.
    Signature,
    /// The log is older than a checkpoint held outside, or is another log.
    Forked,
    /// Data is missing, and no recorded redaction says why.
    Missing,
}

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The promise that the fault breaks.
    pub class: Class,
    /// The position of the event at fault; `None` if the fault is not one event's.
    #[serde(serialize_with = "number")]
    pub position: Option<Position>,
    /// The event's job, if the event names one.
    pub job: Option<String>,
    /// The message: the expected and the found value.
    pub what: String,
}

/// Whether the expected key signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Signer {
    /// The pinned key signed the newest checkpoint, or vouches for the key that did.
    Pinned,
    /// No key was pinned, or another key signs now. The report then shows only that the log agrees with itself.
    NotPinned,
}

/// The anchor: the newest checkpoint, which the ledger itself keeps outside the database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Anchor {
    /// The anchor's file.
    pub path: String,
    /// How many events the anchor covers.
    pub size: u64,
}

/// The result of an audit. Its JSON is the `report` of `verify --json`.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// How many entries the audit read.
    pub events: u64,
    /// Size and root of the tree over all entries.
    #[serde(serialize_with = "head")]
    pub head: Option<Head>,
    /// The name that the log gives itself.
    pub origin: Option<String>,
    /// The keys that the log names, in order.
    #[serde(serialize_with = "keys")]
    pub keys: Vec<VerifierKey>,
    /// Whether the expected key signed.
    pub signer: Signer,
    /// Whether a key was pinned.
    #[serde(skip)]
    pub pinned: bool,
    /// How many of the log's own checkpoints were verified.
    pub checkpoints: u64,
    /// How many of the log's own checkpoints cover events that the log lost before a `ledger.continued` gave it another name.
    pub left_behind: u64,
    /// How many of the checkpoints held outside fit the log.
    pub held: u64,
    /// The anchor, if the log contains it.
    pub anchor: Option<Anchor>,
    /// How many events lost their data to a recorded redaction.
    pub erased: u64,
    /// The first faults of each class, the gravest class first, in the order of the log.
    pub faults: Vec<Fault>,
    /// How many faults there are in all.
    pub faulty: u64,
    /// Findings that are no evidence of a change.
    pub remarks: Vec<String>,
    /// The parts that this audit did not check.
    pub unchecked: Vec<String>,
}

impl Default for Report {
    fn default() -> Report {
        Report {
            events: 0,
            head: None,
            origin: None,
            keys: Vec::new(),
            signer: Signer::NotPinned,
            pinned: false,
            checkpoints: 0,
            left_behind: 0,
            held: 0,
            anchor: None,
            erased: 0,
            faults: Vec::new(),
            faulty: 0,
            remarks: Vec::new(),
            unchecked: Vec::new(),
        }
    }
}

impl Report {
    /// The gravest class of fault; `None` for a log without faults.
    pub fn class(&self) -> Option<Class> {
        self.faults.iter().map(|fault| fault.class).min()
    }

    /// Adds a fault. Lists the first faults of each class, and counts all.
    pub(crate) fn fault(&mut self, fault: Fault) {
        self.faulty += 1;
        if self.faults.iter().filter(|known| known.class == fault.class).count() < LISTED {
            self.faults.push(fault);
        }
    }

    /// Checks the next entry, and adds a fault for each rule that the entry breaks. Returns the leaf; `None` if it cannot be read.
    pub(crate) fn entry<'a>(
        &mut self,
        entries: &mut EntryCheck,
        position: Position,
        bytes: &'a [u8],
        content: Content<'_>,
    ) -> Option<Leaf<'a>> {
        let mut faults = Vec::new();
        let leaf = entries.entry(position, bytes, content, |fault| faults.push(fault));
        for fault in faults {
            let job = leaf.as_ref().and_then(|leaf| leaf.subject.as_deref()).map(str::to_owned);
            self.fault(Fault { class: Class::Content, position: Some(position), job, what: fault.to_string() });
        }
        leaf
    }

    /// After the last entry: adds faults for missing data, and remarks on redactions.
    pub(crate) fn redactions(&mut self, entries: &EntryCheck) {
        for missing in entries.missing() {
            self.fault(Fault {
                class: Class::Missing,
                position: Some(missing.position),
                job: missing.job.as_ref().map(|key| key.id.to_string()),
                what: "its data is missing, and no later `job.redacted` of its job names it".into(),
            });
        }
        self.remarks.extend(entries.unapplied().iter().map(|Unapplied { redaction, named }| {
            format!("event {redaction} redacts the data of event {named}, which is still there")
        }));
        if entries.redacted() > 0 {
            let what = "whether those who redacted data were administrators: a log names them, and not their roles";
            self.unchecked.push(what.into());
        }
    }

    /// Adds a fault if the log never named the pinned key.
    pub(crate) fn unnamed_pin(&mut self, signers: &Signers) {
        if let Some(pinned) = signers.unnamed_pin() {
            let what = format!("the pinned key `{pinned}` is not a key that the log names");
            self.fault(Fault { class: Class::Signature, position: None, job: None, what });
        }
    }

    /// Sorts the faults, the gravest class first, and adds the log's name and keys.
    pub(crate) fn conclude(&mut self, signers: &Signers) {
        self.faults.sort_by_key(|fault| (fault.class, fault.position.unwrap_or(Position::MAX)));
        self.pinned = signers.is_pinned();
        self.origin = signers.origin().map(str::to_owned);
        self.keys = signers.keys().cloned().collect();
    }
}

fn number<S: serde::Serializer>(position: &Option<Position>, to: S) -> Result<S::Ok, S::Error> {
    position.map(Position::get).serialize(to)
}

fn head<S: serde::Serializer>(head: &Option<Head>, to: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct HeadJson {
        size: u64,
        root: String,
    }
    head.map(|head| HeadJson { size: head.size.get(), root: head.root.to_string() }).serialize(to)
}

fn keys<S: serde::Serializer>(keys: &[VerifierKey], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(keys.iter().map(VerifierKey::to_string))
}
