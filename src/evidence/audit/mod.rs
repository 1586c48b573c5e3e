//! The audit of an evidence bundle: one job's events, the ledger's own, and the proof of each under one signed root. Files that
//! are the same in every bundle are compared byte for byte. The table of a bundle's files says which files are not read.
//!
//! Not here: the audit of a whole log (`audit`).

mod entry;
mod files;
mod job;

pub use entry::job_entries;
pub use files::{BundleError, BundleFiles};
pub use job::{Ended, ProvenJob};

use serde::Serialize;

use self::entry::{Entries, NextEntry, follow};
use self::job::JobHistory;
use super::contents::{BUNDLE_FILES, Check, EntryFiles, Part};
use crate::audit::{Class, Fault, Report, Signed, Signer, Signers};
use crate::chain;
use crate::history::EntryCheck;
use crate::job::{Position, plural};
use crate::tree::{Checkpoint, CheckpointError, Hash, VerifierKey, verify_consistency};
use crate::wire::{Leaf, LedgerKeyAdded, SALT_LEN};

/// The result of an audit of a bundle.
#[derive(Debug, Serialize)]
pub struct BundleReport {
    /// The findings about the log, as an audit of the log itself reports them; `events` is the size of the log.
    #[serde(flatten)]
    pub log: Report,
    /// The bundle's job; `None` if the bundle has no event of a job.
    pub job: Option<ProvenJob>,
}

/// A checkpoint held outside the log.
#[derive(Debug)]
pub struct HeldNote {
    /// The words for the checkpoint in the report.
    pub name: String,
    /// The signed note.
    pub note: String,
}

/// One line of each of the three files that entries are in.
struct BundleEntry<'l> {
    position: Position,
    leaf: &'l [u8],
    /// `None` if the data was redacted.
    salt: Option<[u8; SALT_LEN]>,
    data: &'l [u8],
}

impl BundleEntry<'_> {
    fn content(&self) -> Option<(&[u8], &[u8])> {
        self.salt.as_ref().map(|salt| (salt.as_slice(), self.data))
    }
}

struct Audit<'f> {
    files: &'f BundleFiles,
    /// The bundle's own checkpoint, as text.
    note: String,
    signers: Signers,
    report: Report,
}

/// Checks a bundle. `pinned`, a key from another source than the bundle, must have signed it, and its log must continue each
/// checkpoint in `held`. `progress` gets how many of the job's events were checked.
///
/// # Errors
/// A bundle that cannot be read. A fault of a bundle that can be read is in the report.
pub fn audit_bundle(
    files: &BundleFiles,
    pinned: Option<VerifierKey>,
    held: Vec<HeldNote>,
    mut progress: impl FnMut(u64),
) -> Result<BundleReport, BundleError> {
    let note = String::from_utf8_lossy(&files.needed(Part::Checkpoint.name())?).into_owned();
    let mut audit = Audit { files, note, signers: Signers::new(pinned), report: Report::default() };
    let job = match audit.own().and_then(|()| audit.job(&mut progress)) {
        // A fault says more than the missing file that follows from it.
        Err(error) if audit.report.faulty > 0 => {
            let what = format!("everything after the file that cannot be read: {}", chain(&error));
            audit.report.unchecked.push(what);
            None
        }
        job => job?,
    };
    audit.signature();
    audit.held(held)?;
    audit.texts()?;
    Ok(audit.finish(job))
}

impl Audit<'_> {
    fn fault(&mut self, class: Class, position: Option<Position>, what: impl Into<String>) {
        self.report.fault(Fault { class, position, job: None, what: what.into() });
    }

    /// The ledger's own events: the log's name and keys.
    fn own(&mut self) -> Result<(), BundleError> {
        let mut rules = EntryCheck::default();
        self.entries(EntryFiles::LEDGER, |audit, entry| {
            let Some(leaf) = audit.event(&mut rules, entry, EntryFiles::LEDGER)? else { return Ok(()) };
            if leaf.orgid.is_some() {
                let what = "expected an event of the ledger itself, found one of a job";
                audit.fault(Class::Content, Some(entry.position), what);
            }
            if entry.salt.is_none() {
                return Ok(());
            }
            if let Err(error) = audit.signers.take(&leaf.event_type, entry.data) {
                audit.fault(Class::Content, Some(entry.position), error.to_string());
            }
            if leaf.event_type == LedgerKeyAdded::TYPE { audit.vouched(entry) } else { Ok(()) }
        })?;
        self.report.redactions(&rules);
        if self.signers.origin().is_none() {
            self.fault(Class::Content, None, "expected the event that made the log, found none");
        }
        Ok(())
    }

    /// A new key counts once an older key has signed a checkpoint over the event that names it.
    fn vouched(&mut self, entry: &BundleEntry<'_>) -> Result<(), BundleError> {
        let name = Part::LedgerVouched.numbered(entry.position);
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
        let (mut rules, mut history) = (EntryCheck::default(), JobHistory::default());
        self.entries(EntryFiles::JOB, |audit, entry| {
            if let Some(leaf) = audit.event(&mut rules, entry, EntryFiles::JOB)? {
                if let Err(fault) = history.take(entry.position, &leaf) {
                    audit.fault(Class::Content, Some(entry.position), fault.to_string());
                }
                progress(history.events());
            }
            Ok(())
        })?;
        self.report.redactions(&rules);
        self.report.erased = rules.redacted();
        if history.events() == 0 {
            self.fault(Class::Content, None, "expected the events of a job, found none");
        }
        Ok(history.job())
    }

    /// Checks an event by itself, and its proof. Returns the leaf, if it can be read.
    fn event<'e>(
        &mut self,
        rules: &mut EntryCheck,
        entry: &'e BundleEntry<'_>,
        files: EntryFiles,
    ) -> Result<Option<Leaf<'e>>, BundleError> {
        let leaf = self.report.entry(rules, entry.position, entry.leaf, entry.content());
        let name = files.proofs.numbered(entry.position);
        let bytes = self.files.needed(&name)?;
        if let Some(note) = self.proof(&name, &bytes, entry)
            && note != self.note
        {
            let what = format!("{name} ends with another checkpoint than the bundle's");
            self.fault(Class::Signature, Some(entry.position), what);
        }
        Ok(leaf)
    }

    /// Follows a proof from the entry's leaf to the root. Returns the checkpoint at its end.
    fn proof(&mut self, name: &str, bytes: &[u8], entry: &BundleEntry<'_>) -> Option<String> {
        let followed = follow(bytes, entry);
        followed.map_err(|fault| self.fault(Class::Content, Some(entry.position), format!("{name}: {fault}"))).ok()
    }

    /// Gives `each` the entries of these files, as far as they can be read.
    fn entries(
        &mut self,
        files: EntryFiles,
        mut each: impl FnMut(&mut Self, &BundleEntry<'_>) -> Result<(), BundleError>,
    ) -> Result<(), BundleError> {
        let mut entries = Entries::open(self.files, files)?;
        let [leaves, data, salts] = [files.leaves, files.data, files.salts].map(Part::name);
        loop {
            let number = entries.number + 1;
            match entries.next()? {
                NextEntry::Entry(entry) => each(self, &entry)?,
                NextEntry::Bad(error) => {
                    self.fault(Class::Content, None, format!("line {number} of {leaves}: {error}"));
                }
                NextEntry::Uneven => {
                    let what = format!(
                        "expected {leaves}, {data} and {salts} of the same number of whole lines, one of them ends at line \
                         {number}"
                    );
                    self.fault(Class::Content, None, what);
                    return Ok(());
                }
                NextEntry::End => return Ok(()),
            }
        }
    }

    /// The signature of the bundle's checkpoint, which every proof ends with.
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
        self.report.unnamed_pin(&self.signers);
    }

    fn held(&mut self, held: Vec<HeldNote>) -> Result<(), BundleError> {
        if held.is_empty() {
            let what = "whether others are shown the same log: give a checkpoint held outside by --since";
            self.report.unchecked.push(what.into());
        }
        for HeldNote { name, note } in held {
            match self.signers.open_held(&note) {
                Ok(signed) => self.continues(&name, &signed.checkpoint)?,
                Err(error) => {
                    let forked = matches!(error, CheckpointError::Origin { .. });
                    let class = if forked { Class::Forked } else { Class::Signature };
                    self.fault(class, None, format!("{name}: {error}"));
                }
            }
        }
        Ok(())
    }

    /// Compares the files that are the same in every bundle.
    fn texts(&mut self) -> Result<(), BundleError> {
        for file in &BUNDLE_FILES {
            let (name, Check::Bytes(expected)) = (file.name, file.check) else { continue };
            match self.files.begins(name, expected.len() as u64 + 1)? {
                None => self.report.remarks.push(format!("the bundle has no `{name}`")),
                Some(found) if found == expected => {}
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

    /// Checks that the bundle's log begins with that of the checkpoint `old`, which is called `name`.
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
        let file = Part::Consistency.numbered(old.head.size);
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
        // No event says that it is the job's newest, so an audit cannot see that later events were cut off.
        if let Some(ProvenJob { last, ended, .. }) = &job {
            report.unchecked.push(match ended {
                Some(_) => {
                    format!("whether the job has remarks and redactions after position {last}, the last in the bundle")
                }
                None => format!("whether the job went on after position {last}, the last in the bundle, or has ended"),
            });
        }
        let unread = BUNDLE_FILES.iter().filter(|file| file.check == Check::Unchecked).map(|file| file.name);
        let unread = unread.collect::<Vec<_>>().join(", ");
        report.unchecked.push(format!("{unread}: they are for reading, and prove nothing"));
        report.conclude(&signers);
        BundleReport { log: report, job }
    }
}

/// A hash a line, no more than any proof has.
fn hashes(text: &[u8]) -> Option<Vec<Hash>> {
    let text = std::str::from_utf8(text).ok()?;
    text.lines().take(65).map(|line| line.parse().ok()).collect()
}
