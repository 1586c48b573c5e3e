//! `jobledger verify receipt`: checks receipts without the ledger and without trust in it.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::json;

use crate::cli::checkpoint::small_file;
use crate::cli::exit::Exit;
use crate::cli::output::{say, shown};
use crate::cli::{Failure, Outcome};
use crate::job::plural;
use crate::tree::{Checkpoint, Receipt, VerifierKey, leaf_hash, open_note, verify_inclusion};
use crate::wire::Leaf;

/// Check receipts: each event must be in the log under a checkpoint that the ledger signed
///
/// FILE holds a receipt (a tlog-proof with its leaf in `extra`, as `/ledger/events/{position}/proof` answers), or the answer of
/// `POST /ledger/events` with `Prefer: return=receipt`, or one entry of its `events`.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  jobledger verify receipt receipt.tlog-proof --vkey KEY
  jobledger verify receipt answer.json --vkey KEY --json")]
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

/// The longest file, 256 MiB. It holds an answer with a receipt for each event of the largest request.
const LONGEST: u64 = 256 << 20;

/// An answer of `POST /ledger/events`, or an entry of one.
#[derive(Deserialize)]
#[serde(untagged)]
enum Kept {
    Answer { events: Vec<Entry> },
    Entry(Entry),
}

/// An entry of an answer. Its members must agree with the leaf in the receipt.
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
        // The failed check with the least exit code; the first of equals.
        let worst = checked.iter().filter(|checked| checked.exit != Exit::Done).min_by_key(|checked| checked.exit);
        let exit = worst.map_or(Exit::Done, |worst| worst.exit);
        if self.json {
            let report = json!({ "receipts": checked });
            say!("{}", json!({ "exit_code": exit.code(), "verdict": verdict(exit), "report": report }));
        } else {
            checked.iter().filter(|good| good.exit == Exit::Done).for_each(|good| say!("{}", good.what));
        }
        match worst {
            None => Ok(()),
            Some(worst) => Err(Failure::Verdict(exit, worst.what.clone())),
        }
    }
}

fn verdict(exit: Exit) -> &'static str {
    match exit {
        Exit::Done => "verified",
        Exit::CouldNotRun => "unreadable",
        Exit::Tampered => "content was tampered with",
        Exit::Signature => "a signature or key is not the log's",
        _ => "consistent; no key was pinned, so the signer is not checked",
    }
}

fn entries(path: &Path) -> Result<Vec<Entry>, Failure> {
    let unreadable = |text: String| Failure::Verdict(Exit::CouldNotRun, shown(&text).into_owned());
    let text = String::from_utf8(small_file(path, LONGEST)?);
    let text = text.map_err(|error| unreadable(format!("cannot read `{}`: {error}", path.display())))?;
    parsed(text).map_err(|found| {
        let expected = "expected a receipt, or an answer of `POST /ledger/events` with `Prefer: return=receipt`";
        unreadable(format!("{expected}, found {found}"))
    })
}

/// Reads the receipts in a text. The error names the content that was found instead.
fn parsed(text: String) -> Result<Vec<Entry>, &'static str> {
    if !text.trim_start().starts_with('{') {
        let (id, source, subject, position) = (None, None, None, None);
        return Ok(vec![Entry { id, source, subject, position, duplicate: false, receipt: text }]);
    }
    match serde_json::from_str(&text) {
        Ok(Kept::Answer { events }) if events.is_empty() => Err("no events"),
        Ok(Kept::Answer { events }) => Ok(events),
        Ok(Kept::Entry(entry)) => Ok(vec![entry]),
        Err(_) => Err("JSON without one"),
    }
}

fn as_code<S: Serializer>(exit: &Exit, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u8(exit.code())
}

/// The check of one receipt.
#[derive(Debug, Serialize)]
struct Checked {
    #[serde(rename = "exit_code", serialize_with = "as_code")]
    exit: Exit,
    /// The position of its event; `None` for a receipt that cannot be read.
    position: Option<u64>,
    /// The verified fact, or the reason for a failed check, in a line.
    what: String,
}

/// Why a receipt is not verified.
struct Unproven {
    exit: Exit,
    why: String,
}

impl Unproven {
    fn new(exit: Exit, why: impl std::fmt::Display) -> Unproven {
        Unproven { exit, why: why.to_string() }
    }
}

impl Entry {
    fn check(&self, known: &[VerifierKey]) -> Checked {
        let receipt: Result<Receipt, _> = self.receipt.parse();
        let position = receipt.as_ref().ok().map(|receipt| receipt.index);
        let checked = match receipt {
            Ok(receipt) => self.proven(&receipt, known),
            Err(error) => Err(Unproven::new(Exit::CouldNotRun, error)),
        };
        match checked {
            Ok(what) => Checked { exit: Exit::Done, position, what: shown(&what).into_owned() },
            Err(Unproven { exit, why }) => Checked { exit, position, what: shown(&why).into_owned() },
        }
    }

    /// Checks the receipt. Returns the proven fact in a line.
    fn proven(&self, receipt: &Receipt, known: &[VerifierKey]) -> Result<String, Unproven> {
        let expected = "expected the event's leaf in the receipt's line `extra`, found no such line";
        let bytes = receipt.extra.as_deref().ok_or_else(|| Unproven::new(Exit::CouldNotRun, expected))?;
        // First checks the proof against the root in the signed text, for any signer. The signature is checked below.
        let claimed =
            Checkpoint::claimed(&receipt.checkpoint).map_err(|error| Unproven::new(Exit::CouldNotRun, error))?;
        verify_inclusion(leaf_hash(bytes), receipt.index, &claimed.head, &receipt.proof)
            .map_err(|error| Unproven::new(Exit::Tampered, format!("event {}: {error}", receipt.index)))?;
        let leaf = Leaf::parse(bytes).map_err(|error| Unproven::new(Exit::CouldNotRun, error))?;
        self.agrees_with(&leaf, receipt.index)?;
        let what = format!(
            "event {}, {} of {} by {}",
            receipt.index,
            leaf.event_type,
            leaf.subject.as_deref().unwrap_or("the ledger"),
            leaf.actor
        );
        let within = format!("the log `{}` of {}", claimed.origin, plural(claimed.head.size, "event", "events"));
        if known.is_empty() {
            let text = "is consistent, but its signer is not checked; give --vkey with a key that you trust";
            return Err(Unproven::new(Exit::NotPinned, format!("{what}: its receipt under {within} {text}")));
        }
        let signer =
            |error: &dyn std::fmt::Display| Unproven::new(Exit::Signature, format!("event {}: {error}", receipt.index));
        let note = open_note(&receipt.checkpoint, known).map_err(|error| signer(&error))?;
        // A key signs only for the log that has the name of the key.
        let Some(key) = note.signers.iter().find(|key| key.name() == claimed.origin) else {
            return Err(signer(&format!("expected a key of `{}`, found one of another name", claimed.origin)));
        };
        Ok(format!("verified: {what} is in {within}, signed with {key}"))
    }

    /// Checks that the members beside the receipt agree with the leaf.
    fn agrees_with(&self, leaf: &Leaf<'_>, index: u64) -> Result<(), Unproven> {
        let tampered = |why: String| Unproven::new(Exit::Tampered, why);
        let pairs = [
            ("subject", self.subject.as_deref(), leaf.subject.as_deref()),
            ("id", self.id.as_deref(), Some(&*leaf.id)),
            ("source", self.source.as_deref(), Some(&*leaf.source)),
        ];
        // The answer to a second cancellation names the event of the first. Another producer may have sent that event under
        // another id.
        let stored_as_sent = !self.duplicate;
        for (name, said, proven) in pairs {
            if said.is_some() && said != proven && (stored_as_sent || name == "subject") {
                return Err(tampered(format!("event {index}: the file says `{name}` {said:?}, the leaf {proven:?}")));
            }
        }
        let position = leaf.position().map_err(|error| tampered(error.to_string()))?.get();
        let said = self.position.unwrap_or(index);
        if position != index || said != index {
            return Err(tampered(format!("event {index}: the file says `position` {said}, the leaf {position}")));
        }
        Ok(())
    }
}
