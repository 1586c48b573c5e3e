//! What an audit found.

use serde::Serialize;

use super::signers::Signers;
use crate::job::Position;
use crate::tree::{Head, VerifierKey};

/// Faults that are told one by one; of more only the number is.
const TOLD: usize = 20;

/// Which promise a fault breaks. Where a log has several, the first of these is what it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// An entry, or what is derived from entries, is not what was recorded.
    Content,
    /// A checkpoint or key is not the log's.
    Signature,
    /// The log is older than, or another than, what somebody holds a checkpoint of.
    Forked,
    /// Data is missing, and no recorded erasure says why.
    Missing,
}

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// What it breaks.
    pub class: Class,
    /// The event at fault, where it is one.
    #[serde(serialize_with = "number")]
    pub position: Option<Position>,
    /// Its job, where the event says one.
    pub job: Option<String>,
    /// What was expected and found.
    pub what: String,
}

/// Whether who signed is who was expected to sign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Signer {
    /// The newest checkpoint carries a signature that the pinned key stands for.
    Pinned,
    /// No key was pinned, or another one than signs now: the log is only in accordance with itself.
    NotPinned,
}

/// An anchor: the newest checkpoint that the ledger itself keeps outside the database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Anchor {
    /// Where it lies.
    pub path: String,
    /// How many events it covers.
    pub size: u64,
}

/// What an audit found.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Entries read.
    pub events: u64,
    /// Size and root of the tree over all of them.
    #[serde(serialize_with = "head")]
    pub head: Option<Head>,
    /// Who the log says that it is.
    pub origin: Option<String>,
    /// The keys that it names, in order.
    #[serde(serialize_with = "keys")]
    pub keys: Vec<VerifierKey>,
    /// Whether it is signed by whom it should be.
    pub signer: Signer,
    /// Whether it was said who that is.
    #[serde(skip)]
    pub pinned: bool,
    /// Its own checkpoints that were verified.
    pub checkpoints: u64,
    /// Its own checkpoints of events that it lost before a `ledger.continued` gave it another name.
    pub left_behind: u64,
    /// Checkpoints from outside that it is consistent with.
    pub held: u64,
    /// The anchor, if there is one that it is consistent with.
    pub anchor: Option<Anchor>,
    /// Events whose data was erased, as a recorded event says.
    pub erased: u64,
    /// The first faults of each class, gravest class first, in the order of the log.
    pub faults: Vec<Fault>,
    /// How many there are in all.
    pub faulty: u64,
    /// What is worth knowing and proves nothing.
    pub remarks: Vec<String>,
    /// What this audit did not look at.
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
    /// What the log is called: its gravest class of fault.
    pub fn class(&self) -> Option<Class> {
        self.faults.iter().map(|fault| fault.class).min()
    }

    /// Puts the faults in order, gravest class first, and takes over what is known of who signs.
    pub(crate) fn conclude(&mut self, signers: &Signers) {
        self.faults.sort_by_key(|fault| (fault.class, fault.position.unwrap_or(Position::MAX)));
        self.pinned = signers.is_pinned();
        self.origin = signers.origin().map(str::to_owned);
        self.keys = signers.keys().cloned().collect();
    }

    /// Notes a fault. Of each class the first ones are kept.
    pub(crate) fn fault(&mut self, fault: Fault) {
        self.faulty += 1;
        if self.faults.iter().filter(|known| known.class == fault.class).count() < TOLD {
            self.faults.push(fault);
        }
    }
}

fn number<S: serde::Serializer>(position: &Option<Position>, to: S) -> Result<S::Ok, S::Error> {
    position.map(Position::get).serialize(to)
}

fn head<S: serde::Serializer>(head: &Option<Head>, to: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Shown {
        size: u64,
        root: String,
    }
    head.map(|head| Shown { size: head.size.get(), root: head.root.to_string() }).serialize(to)
}

fn keys<S: serde::Serializer>(keys: &[VerifierKey], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(keys.iter().map(VerifierKey::to_string))
}
