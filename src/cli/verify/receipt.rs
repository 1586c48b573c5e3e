//! `jobledger verify receipt`: checks what the ledger gave out, without the ledger and without trusting it.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::cli::checkpoint::small_file;
use crate::cli::output::{say, shown};
use crate::cli::{Failure, Outcome};
use crate::job::plural;
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

    /// A verifier key to trust, `name+hash+base64`, as `jobledger key show` prints it; from another source than the file. May
    /// repeat
    #[arg(long = "vkey", env = "JOBLEDGER_VKEY", value_name = "KEY")]
    vkeys: Vec<VerifierKey>,

    /// The report as one JSON object
    #[arg(long)]
    json: bool,
}

/// The longest file, 256 MiB: an answer with the receipts of as many events as a request may have.
const LONGEST: u64 = 256 << 20;

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
        let entries = entries(&self.file)?;
        let checked: Vec<Checked> = entries.iter().map(|entry| entry.check(&self.vkeys)).collect();
        // The first of those with the smallest code above 0.
        let worst = checked.iter().filter(|checked| checked.exit_code > 0).min_by_key(|checked| checked.exit_code);
        let code = worst.map_or(0, |worst| worst.exit_code);
        if self.json {
            let report = json!({ "receipts": checked });
            say!("{}", json!({ "exit_code": code, "verdict": verdict(code), "report": report }));
        } else {
            checked.iter().filter(|good| good.exit_code == 0).for_each(|good| say!("{}", good.what));
        }
        match worst {
            None => Ok(()),
            Some(worst) => Err(Failure::Verdict(code, worst.what.clone())),
        }
    }
}

fn verdict(code: u8) -> &'static str {
    match code {
        0 => "verified",
        UNREADABLE => "unreadable",
        TAMPERED => "content was tampered with",
        SIGNATURE => "a signature or key is not the log's",
        _ => "in accordance with itself; no key was pinned that must have signed it",
    }
}

fn entries(path: &Path) -> Result<Vec<Entry>, Failure> {
    let unreadable = |text: String| Failure::Verdict(UNREADABLE, shown(&text).into_owned());
    let text = String::from_utf8(small_file(path, LONGEST)?);
    let text = text.map_err(|error| unreadable(format!("cannot read `{}`: {error}", path.display())))?;
    parsed(text).map_err(unreadable)
}

/// The receipts in a text.
fn parsed(text: String) -> Result<Vec<Entry>, String> {
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

/// What was found of one receipt.
#[derive(Debug, Serialize)]
struct Checked {
    exit_code: u8,
    /// Its event's place, where it can be told.
    position: Option<u64>,
    /// What is verified, or why not, in a line.
    what: String,
}

/// Why a receipt is not verified.
struct Unproven {
    exit_code: u8,
    why: String,
}

impl Unproven {
    fn new(exit_code: u8, why: impl std::fmt::Display) -> Unproven {
        Unproven { exit_code, why: why.to_string() }
    }
}

impl Entry {
    fn check(&self, known: &[VerifierKey]) -> Checked {
        let receipt: Result<Receipt, _> = self.receipt.parse();
        let position = receipt.as_ref().ok().map(|receipt| receipt.index);
        let checked = match receipt {
            Ok(receipt) => self.proven(&receipt, known),
            Err(error) => Err(Unproven::new(UNREADABLE, error)),
        };
        match checked {
            Ok(what) => Checked { exit_code: 0, position, what: shown(&what).into_owned() },
            Err(Unproven { exit_code, why }) => Checked { exit_code, position, what: shown(&why).into_owned() },
        }
    }

    /// What the receipt proves, in a line.
    fn proven(&self, receipt: &Receipt, known: &[VerifierKey]) -> Result<String, Unproven> {
        let expected = "expected the event's leaf in the receipt's line `extra`, found no such line";
        let bytes = receipt.extra.as_deref().ok_or_else(|| Unproven::new(UNREADABLE, expected))?;
        // The signed text, before any signer is believed: the proof must lead to its root whatever key signed it.
        let claimed = Checkpoint::claimed(&receipt.checkpoint).map_err(|error| Unproven::new(UNREADABLE, error))?;
        verify_inclusion(leaf_hash(bytes), receipt.index, &claimed.head, &receipt.proof)
            .map_err(|error| Unproven::new(TAMPERED, format!("event {}: {error}", receipt.index)))?;
        let leaf = Leaf::parse(bytes).map_err(|error| Unproven::new(UNREADABLE, error))?;
        self.says_what_the_leaf_says(&leaf, receipt.index).map_err(|error| Unproven::new(TAMPERED, error))?;
        let what = format!(
            "event {}, {} of {} by {}",
            receipt.index,
            leaf.event_type,
            leaf.subject.as_deref().unwrap_or("the ledger"),
            leaf.actor
        );
        let within = format!("the log `{}` of {}", claimed.origin, plural(claimed.head.size, "event", "events"));
        if known.is_empty() {
            let text = "is good in itself, but who signed was not checked; give --vkey with a key that you trust";
            return Err(Unproven::new(NOT_PINNED, format!("{what}: its receipt under {within} {text}")));
        }
        let signer =
            |error: &dyn std::fmt::Display| Unproven::new(SIGNATURE, format!("event {}: {error}", receipt.index));
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
