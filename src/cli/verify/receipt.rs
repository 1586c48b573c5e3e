//! `jobledger verify receipt`: checks what the ledger gave out, without the ledger and without trusting it.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Deserialize;

use crate::cli::output::say;
use crate::cli::{Failure, Outcome};
use crate::tree::{Checkpoint, Receipt, VerifierKey, leaf_hash, open_note, verify_inclusion};
use crate::wire::Leaf;

/// Check receipts: that each event is in the log under a checkpoint that the ledger signed
///
/// FILE holds a receipt (a tlog-proof with its leaf in `extra`, as `/ledger/events/{position}/proof` answers), or the answer of
/// `POST /ledger/events` with `Prefer: return=receipt`, or one entry of its `events`.
#[derive(Debug, Args)]
pub(super) struct ReceiptFile {
    /// The file
    file: PathBuf,

    /// A verifier key to trust, `name+hash+base64`, as `jobledger key show` prints it; from somebody else than who gave the
    /// file. May repeat
    #[arg(long = "vkey", value_name = "KEY")]
    vkeys: Vec<VerifierKey>,
}

const UNREADABLE: u8 = 2;
const TAMPERED: u8 = 3;
const SIGNATURE: u8 = 4;
const NOT_PINNED: u8 = 7;

/// An answer of `POST /ledger/events`, or an entry of one.
#[derive(Deserialize)]
#[serde(untagged)]
enum Kept {
    Answer { events: Vec<Entry> },
    Entry(Entry),
}

/// An entry: what it says of the event beside the receipt must be what the leaf says.
#[derive(Deserialize)]
struct Entry {
    id: Option<String>,
    source: Option<String>,
    subject: Option<String>,
    position: Option<u64>,
    #[serde(default)]
    duplicate: bool,
    receipt: String,
}

impl ReceiptFile {
    pub(super) fn run(self) -> Outcome {
        let entries = entries(&self.file).map_err(|text| Failure::Verdict(UNREADABLE, text))?;
        let mut verdicts: Vec<(u8, String)> = Vec::new();
        for entry in &entries {
            match entry.check(&self.vkeys) {
                Ok(line) => say!("{line}"),
                Err(verdict) => verdicts.push(verdict),
            }
        }
        // The first of those with the smallest code.
        match verdicts.into_iter().min_by_key(|(code, _)| *code) {
            None => Ok(()),
            Some((code, text)) => Err(Failure::Verdict(code, text)),
        }
    }
}

fn entries(path: &Path) -> Result<Vec<Entry>, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("cannot read `{}`: {error}", path.display()))?;
    if !text.trim_start().starts_with('{') {
        let (id, source, subject, position) = (None, None, None, None);
        return Ok(vec![Entry { id, source, subject, position, duplicate: false, receipt: text }]);
    }
    let expected = "expected a receipt, or an answer of `POST /ledger/events` with `Prefer: return=receipt`";
    match serde_json::from_str(&text) {
        Ok(Kept::Answer { events }) if events.is_empty() => Err(format!("{expected}, found no events")),
        Ok(Kept::Answer { events }) => Ok(events),
        Ok(Kept::Entry(entry)) => Ok(vec![entry]),
        Err(_) => Err(format!("{expected}, found JSON without one")),
    }
}

impl Entry {
    /// What is verified, in a line; or the exit code and why not.
    fn check(&self, known: &[VerifierKey]) -> Result<String, (u8, String)> {
        let unreadable = |error: &dyn std::fmt::Display| (UNREADABLE, error.to_string());
        let receipt: Receipt = self.receipt.parse().map_err(|error| unreadable(&error))?;
        let bytes = receipt.extra.as_deref().ok_or_else(|| {
            unreadable(&"expected the event's leaf in the receipt's line `extra`, found no such line")
        })?;
        // The signed text, before anybody is believed: the proof must lead to its root whoever signed it.
        let claimed = Checkpoint::claimed(&receipt.checkpoint).map_err(|error| unreadable(&error))?;
        verify_inclusion(leaf_hash(bytes), receipt.index, &claimed.head, &receipt.proof)
            .map_err(|error| (TAMPERED, format!("event {}: {error}", receipt.index)))?;
        let leaf = Leaf::parse(bytes).map_err(|error| unreadable(&error))?;
        self.says_what_the_leaf_says(&leaf, receipt.index).map_err(|error| (TAMPERED, error))?;
        let what = format!(
            "event {}, {} of {} by {}",
            receipt.index,
            leaf.event_type,
            leaf.subject.as_deref().unwrap_or("the ledger"),
            leaf.actor
        );
        let within = format!("the log `{}` of {} events", claimed.origin, claimed.head.size);
        if known.is_empty() {
            let text = "is good in itself, but who signed was not checked; give --vkey with a key that you trust";
            return Err((NOT_PINNED, format!("{what}: its receipt under {within} {text}")));
        }
        let signer = |error: &dyn std::fmt::Display| (SIGNATURE, format!("event {}: {error}", receipt.index));
        let note = open_note(&receipt.checkpoint, known).map_err(|error| signer(&error))?;
        // A key signs for the log of its name, and for no other.
        let Some(key) = note.signers.iter().find(|key| key.name() == claimed.origin) else {
            return Err(signer(&format!("expected a key of `{}`, found one of another name", claimed.origin)));
        };
        Ok(format!("verified: {what} is in {within}, signed with {key}"))
    }

    fn says_what_the_leaf_says(&self, leaf: &Leaf<'_>, index: u64) -> Result<(), String> {
        let pairs = [
            ("subject", self.subject.as_deref(), leaf.subject.as_deref()),
            ("id", self.id.as_deref(), Some(&*leaf.id)),
            ("source", self.source.as_deref(), Some(&*leaf.source)),
        ];
        // A second cancellation is answered with the first, which somebody else may have sent under another id.
        let stored_as_sent = !self.duplicate;
        for (name, said, proven) in pairs {
            if said.is_some() && said != proven && (stored_as_sent || name == "subject") {
                return Err(format!("event {index}: the file says `{name}` {said:?}, the leaf {proven:?}"));
            }
        }
        let position = leaf.position().map_err(|error| error.to_string())?.get();
        let said = self.position.unwrap_or(index);
        if position != index || said != index {
            return Err(format!("event {index}: the file says `position` {said}, the leaf {position}"));
        }
        Ok(())
    }
}
