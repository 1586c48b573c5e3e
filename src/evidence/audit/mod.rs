//! An audit of an evidence bundle: one job's events, the ledger's own, and the way from each to one signed root. What is the
//! same in every bundle is compared byte for byte. Everything else is for reading, and not looked at.

mod files;
mod job;

pub use files::{BundleError, BundleFiles};
pub use job::{Ended, ProvenJob};

use serde::Serialize;

use self::files::Line;
use self::job::Chain;
use crate::audit::{Class, Events, Fault, Report, Signed, Signer, Signers};
use crate::chain;
use crate::job::{Position, plural};
use crate::tree::{
    Checkpoint, CheckpointError, Hash, Receipt, VerifierKey, leaf_hash, verify_consistency, verify_inclusion,
};
use crate::wire::{Leaf, LedgerKeyAdded, SALT_LEN};

/// What an audit of a bundle found.
#[derive(Debug, Serialize)]
pub struct BundleReport {
    /// What was found of the log, as an audit of the log itself tells it; `events` is how many it has.
    #[serde(flatten)]
    pub log: Report,
    /// The job that the bundle is about; `None` where that cannot be told.
    pub job: Option<ProvenJob>,
}

/// A checkpoint that somebody outside holds.
#[derive(Debug)]
pub struct HeldNote {
    /// What the report calls it.
    pub name: String,
    /// The signed note.
    pub note: String,
}

/// One line of each of the three files that events are in.
struct Entry {
    position: Position,
    leaf: Vec<u8>,
    content: Option<([u8; SALT_LEN], Vec<u8>)>,
}

struct Audit<'f> {
    files: &'f BundleFiles,
    /// The bundle's own checkpoint, as text.
    note: String,
    signers: Signers,
    report: Report,
}

/// Checks the bundle. It is to be signed by `pinned`, a key known from elsewhere, and to be of a log that continues every one
/// that is `held`. The files `texts` must have these bytes where they are. Tells `progress` how many of the job's events were
/// checked.
pub fn audit_bundle(
    files: &BundleFiles,
    pinned: Option<VerifierKey>,
    held: Vec<HeldNote>,
    texts: &[(&str, &[u8])],
    mut progress: impl FnMut(u64),
) -> Result<BundleReport, BundleError> {
    let note = String::from_utf8_lossy(&files.needed("checkpoint")?).into_owned();
    let mut audit = Audit { files, note, signers: Signers::new(pinned), report: Report::default() };
    let job = match audit.own().and_then(|()| audit.job(&mut progress)) {
        // A file that is missing because of what was found already says less than that.
        Err(error) if audit.report.faulty > 0 => {
            audit.report.unchecked.push(format!("everything behind what cannot be read: {}", chain(&error)));
            None
        }
        job => job?,
    };
    audit.signature();
    audit.held(held)?;
    audit.texts(texts)?;
    Ok(audit.finish(job))
}

impl Audit<'_> {
    fn fault(&mut self, class: Class, position: Option<Position>, what: String) {
        self.report.fault(Fault { class, position, job: None, what });
    }

    /// The ledger's own events: who signs.
    fn own(&mut self) -> Result<(), BundleError> {
        let mut events = Events::default();
        self.entries("ledger/", |audit, entry| {
            let Some(leaf) = audit.event(&mut events, &entry, "ledger/")? else { return Ok(()) };
            if leaf.orgid.is_some() {
                let what = "expected an event of the ledger itself, found one of a job".into();
                audit.fault(Class::Content, Some(entry.position), what);
            }
            let Some((_, data)) = &entry.content else { return Ok(()) };
            if let Err(what) = audit.signers.take(&leaf.event_type, data) {
                audit.fault(Class::Content, Some(entry.position), what);
            }
            if leaf.event_type == LedgerKeyAdded::TYPE { audit.vouched(&entry) } else { Ok(()) }
        })?;
        events.missing().for_each(|fault| self.report.fault(fault));
        if self.signers.origin().is_none() {
            self.fault(Class::Content, None, "expected the event that made the log, found none".into());
        }
        Ok(())
    }

    /// A new key counts once one of those before it has signed a checkpoint over the event that names it.
    fn vouched(&mut self, entry: &Entry) -> Result<(), BundleError> {
        let name = format!("ledger/vouched/{}.tlog-proof", entry.position);
        let Some(bytes) = self.files.small(&name)? else { return Ok(()) };
        let Some(note) = self.proof(&name, &bytes, entry) else { return Ok(()) };
        match self.signers.open(&note) {
            Ok(Signed { signers, .. }) => {
                self.report.checkpoints += 1;
                self.signers.covered(&signers);
            }
            Err(error) => self.fault(Class::Signature, Some(entry.position), format!("{name}: {error}")),
        }
        Ok(())
    }

    fn job(&mut self, progress: &mut impl FnMut(u64)) -> Result<Option<ProvenJob>, BundleError> {
        let (mut events, mut chain) = (Events::default(), Chain::default());
        self.entries("", |audit, entry| {
            if let Some(leaf) = audit.event(&mut events, &entry, "")? {
                if let Err(what) = chain.take(entry.position, &leaf) {
                    audit.fault(Class::Content, Some(entry.position), what);
                }
                progress(chain.events());
            }
            Ok(())
        })?;
        events.missing().for_each(|fault| self.report.fault(fault));
        self.report.erased = events.erased();
        self.report.remarks.extend(events.not_erased());
        if chain.events() == 0 {
            self.fault(Class::Content, None, "expected the events of a job, found none".into());
        }
        Ok(chain.job())
    }

    /// Checks an event by itself and its proof. Answers its leaf where that can be read.
    fn event<'e>(
        &mut self,
        events: &mut Events,
        entry: &'e Entry,
        folder: &str,
    ) -> Result<Option<Leaf<'e>>, BundleError> {
        let content = entry.content.as_ref().map(|(salt, data)| (salt.as_slice(), data.as_slice()));
        let leaf = events.take(entry.position, &entry.leaf, content, &mut |fault| self.report.fault(fault));
        let name = format!("{folder}proofs/{}.tlog-proof", entry.position);
        let bytes = self.files.needed(&name)?;
        if let Some(note) = self.proof(&name, &bytes, entry)
            && note != self.note
        {
            let what = format!("{name} ends with another checkpoint than the bundle's");
            self.fault(Class::Signature, Some(entry.position), what);
        }
        Ok(leaf)
    }

    /// Follows a proof from the event's leaf to the root; answers the checkpoint that it ends with, whoever has signed that.
    fn proof(&mut self, name: &str, bytes: &[u8], entry: &Entry) -> Option<String> {
        match follow(bytes, entry) {
            Ok(note) => Some(note),
            Err(what) => {
                self.fault(Class::Content, Some(entry.position), format!("{name}: {what}"));
                None
            }
        }
    }

    /// Gives `each` the events in a folder, as far as they can be read.
    fn entries(
        &mut self,
        folder: &str,
        mut each: impl FnMut(&mut Self, Entry) -> Result<(), BundleError>,
    ) -> Result<(), BundleError> {
        let open = |name| self.files.lines(&format!("{folder}{name}"));
        let mut files = [open("leaves.ndjson")?, open("data.ndjson")?, open("salts.txt")?];
        let mut before = None;
        for number in 1_u64.. {
            let [leaf, data, salt] = &mut files;
            let (leaf, data, salt) = match (leaf.next()?, data.next()?, salt.next()?) {
                (Line::End, Line::End, Line::End) => break,
                (Line::Whole(leaf), Line::Whole(data), Line::Whole(salt)) => (leaf, data, salt),
                _ => {
                    let what = format!(
                        "expected {folder}leaves.ndjson, data.ndjson and salts.txt of the same number of whole lines, one of \
                         them ends at line {number}"
                    );
                    self.fault(Class::Content, None, what);
                    break;
                }
            };
            let entry = read(leaf, data, &salt).and_then(|entry| match before.replace(entry.position) {
                Some(before) if before >= entry.position => {
                    Err(format!("expected an event after position {before}, found the one at {}", entry.position))
                }
                _ => Ok(entry),
            });
            match entry {
                Ok(entry) => each(self, entry)?,
                Err(what) => {
                    self.fault(Class::Content, None, format!("line {number} of {folder}leaves.ndjson: {what}"))
                }
            }
        }
        Ok(())
    }

    /// The signature under everything.
    fn signature(&mut self) {
        let note = self.note.clone();
        match self.signers.open(&note) {
            Ok(Signed { checkpoint, signers }) => {
                self.report.checkpoints += 1;
                self.report.head = Some(checkpoint.head);
                self.report.events = checkpoint.head.size.get();
                if self.signers.covered(&signers) {
                    self.report.signer = Signer::Pinned;
                }
            }
            Err(error) => self.fault(Class::Signature, None, format!("the bundle's checkpoint: {error}")),
        }
        if let Some(pinned) = self.signers.strange_pin() {
            let what = format!("the pinned key `{pinned}` is none of those that the log names");
            self.fault(Class::Signature, None, what);
        }
    }

    fn held(&mut self, held: Vec<HeldNote>) -> Result<(), BundleError> {
        if held.is_empty() {
            let what = "whether others are shown the same log: give a checkpoint held outside by --since";
            self.report.unchecked.push(what.into());
        }
        for HeldNote { name, note } in held {
            match self.signers.open_held(&note) {
                Ok(signed) => self.continues(&name, &signed.checkpoint)?,
                Err(error @ CheckpointError::Origin { .. }) => {
                    self.fault(Class::Forked, None, format!("{name}: {error}"));
                }
                Err(error) => self.fault(Class::Signature, None, format!("{name}: {error}")),
            }
        }
        Ok(())
    }

    /// Whether the files that say how to check the bundle, and the script that does, are those that every bundle has.
    fn texts(&mut self, texts: &[(&str, &[u8])]) -> Result<(), BundleError> {
        for (name, expected) in texts {
            match self.files.begins(name, expected.len() as u64 + 1)? {
                None => self.report.remarks.push(format!("the bundle has no `{name}`")),
                Some(found) if found == *expected => {}
                Some(_) => {
                    let what = format!(
                        "`{name}` is not the one that this program puts into a bundle: do not run or follow it"
                    );
                    self.fault(Class::Content, None, what);
                }
            }
        }
        Ok(())
    }

    /// Whether the bundle's log begins with the one that somebody knew.
    fn continues(&mut self, name: &str, old: &Checkpoint) -> Result<(), BundleError> {
        let Some(new) = self.report.head else { return Ok(()) };
        if old.head.size > new.size {
            let what = format!(
                "how {name} continues this log: it is of {}, the bundle of {}",
                plural(old.head.size, "event", "events"),
                new.size
            );
            self.report.unchecked.push(what);
            return Ok(());
        }
        let file = format!("consistency/{}", old.head.size);
        let hashes = match self.files.small(&file)? {
            Some(text) => hashes(&text),
            None if old.head.size == new.size => Some(Vec::new()),
            None => {
                let what = format!("whether this log continues {name}: ask for a bundle with that as --since");
                self.report.unchecked.push(what);
                return Ok(());
            }
        };
        let Some(hashes) = hashes else {
            self.fault(Class::Content, None, format!("expected hashes in `{file}`, one a line, found something else"));
            return Ok(());
        };
        match verify_consistency(&old.head, &new, &hashes) {
            Ok(()) => self.report.held += 1,
            Err(error) => self.fault(Class::Forked, None, format!("{name} is not the beginning of this log: {error}")),
        }
        Ok(())
    }

    fn finish(self, job: Option<ProvenJob>) -> BundleReport {
        let Audit { mut report, signers, .. } = self;
        // Nothing says which event of a job is its newest, so a tail that was cut off is missed by nobody.
        if let Some(ProvenJob { last, ended, .. }) = &job {
            report.unchecked.push(match ended {
                Some(_) => {
                    format!("whether there are remarks and erasures after position {last}, the last in the bundle")
                }
                None => format!("whether the job went on after position {last}, the last in the bundle, or has ended"),
            });
        }
        if report.erased > 0 {
            let what = "whether those who erased data were administrators: a log names them, and not their roles";
            report.unchecked.push(what.into());
        }
        let what = "job.json and timeline.html: they are for reading, and anybody may have written them";
        report.unchecked.push(what.into());
        report.conclude(&signers);
        BundleReport { log: report, job }
    }
}

/// The line of each file as an event.
fn read(leaf: Vec<u8>, data: Vec<u8>, salt: &[u8]) -> Result<Entry, String> {
    let position = Leaf::parse(&leaf).and_then(|leaf| leaf.position()).map_err(|error| error.to_string())?;
    let content = if data == b"null" && salt == b"null" {
        None
    } else {
        let mut bytes = [0; SALT_LEN];
        hex::decode_to_slice(salt, &mut bytes).map_err(|_| format!("expected {SALT_LEN} bytes of salt in hex"))?;
        Some((bytes, data))
    };
    Ok(Entry { position, leaf, content })
}

fn follow(bytes: &[u8], entry: &Entry) -> Result<String, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    let proof: Receipt = text.parse().map_err(|error| format!("{error}"))?;
    if proof.index != entry.position.get() || proof.extra.as_ref() != Some(&entry.leaf) {
        return Err(format!("expected a proof of the leaf at {}, found one of another", entry.position));
    }
    let checkpoint = Checkpoint::claimed(&proof.checkpoint).map_err(|error| error.to_string())?;
    verify_inclusion(leaf_hash(&entry.leaf), proof.index, &checkpoint.head, &proof.proof)
        .map_err(|error| format!("it is not what was signed: {error}"))?;
    Ok(proof.checkpoint)
}

/// A hash a line, no more than any proof has.
fn hashes(text: &[u8]) -> Option<Vec<Hash>> {
    let text = std::str::from_utf8(text).ok()?;
    text.lines().take(65).map(|line| line.parse().ok()).collect()
}
