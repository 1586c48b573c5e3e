//! One pass over a log: takes entries, compares checkpoints, and makes a report.

use std::collections::BTreeMap;
use std::convert::Infallible;

use super::report::{Anchor, Class, Fault, Report, Signer};
use super::signers::{Signed, Signers};
use crate::history::{Content, EntryCheck};
use crate::job::{Position, plural};
use crate::tree::{Checkpoint, CheckpointError, Frontier, Hash, NodeId, VerifierKey, leaf_hash};
use crate::wire::Leaf;

/// Takes a log entry by entry, in order.
pub struct Auditor {
    frontier: Frontier,
    entries: EntryCheck,
    signers: Signers,
    /// The checkpoints held outside, by the number of entries that they cover.
    held: BTreeMap<u64, Vec<Held>>,
    /// How many entries the newest valid checkpoint covers: the log's own, or one held outside.
    covered: u64,
    /// How many entries the newest valid checkpoint of the log itself covers.
    covered_by_own: u64,
    /// How many entries the newest checkpoint covers that a trusted key signed: the pinned key, or a key that it vouched for.
    trusted: u64,
    /// Whether the log must have checkpoints of its own.
    brings_checkpoints: bool,
    /// Whether the audit stopped at a fault before the log's end.
    stopped: bool,
    report: Report,
}

/// A checkpoint held outside the log.
struct Held {
    /// The report's name for the checkpoint.
    name: String,
    note: String,
    /// The anchor's file, if the checkpoint is the ledger's own anchor.
    anchor: Option<String>,
}

impl Auditor {
    /// An audit of a log that the key `pinned` must have signed. The caller knows this key from another source than the log.
    /// Without a key the audit only shows that the log agrees with itself.
    pub fn new(pinned: Option<VerifierKey>) -> Auditor {
        Auditor {
            frontier: Frontier::EMPTY,
            entries: EntryCheck::default(),
            signers: Signers::new(pinned),
            held: BTreeMap::new(),
            covered: 0,
            covered_by_own: 0,
            trusted: 0,
            brings_checkpoints: false,
            stopped: false,
            report: Report::default(),
        }
    }

    /// Demands the log's own checkpoints, up to its newest entry.
    pub fn demand_checkpoints(&mut self) {
        self.brings_checkpoints = true;
    }

    /// Adds a checkpoint that is held outside the log. The log must contain it; the report calls it `name`.
    pub fn hold(&mut self, name: String, note: String) {
        self.add(Held { name, note, anchor: None });
    }

    /// Adds the anchor: the checkpoint in the file `path`, outside the database. The log must contain it.
    pub fn hold_anchor(&mut self, path: String, note: String) {
        self.add(Held { name: format!("the anchor `{path}`"), note, anchor: Some(path) });
    }

    fn add(&mut self, held: Held) {
        match Checkpoint::claimed(&held.note) {
            Ok(claimed) => self.held.entry(claimed.head.size.get()).or_default().push(held),
            Err(_) => {
                let what = format!("{} is no checkpoint: expected three lines and a signature", held.name);
                self.fault(Class::Signature, None, what);
            }
        }
    }

    /// How many entries the audit took.
    pub fn size(&self) -> u64 {
        self.frontier.leaves()
    }

    /// Takes the next entry: its leaf, and its salt and data as stored. `node` gets each node that the entry completes.
    ///
    /// Returns the leaf, if it can be read.
    pub fn entry<'a>(
        &mut self,
        bytes: &'a [u8],
        content: Content<'_>,
        mut node: impl FnMut(NodeId, Hash),
    ) -> Option<Leaf<'a>> {
        let Auditor { frontier, entries, signers, report, .. } = self;
        let position = Position::new(frontier.leaves());
        let appended = frontier.append(leaf_hash(bytes), |id, hash| {
            node(id, hash);
            Ok::<(), Infallible>(())
        });
        let Ok(()) = appended;
        let leaf = report.entry(entries, position, bytes, content);
        if let (Some(leaf), Some((_, data))) = (&leaf, content)
            && leaf.orgid.is_none()
            && let Err(error) = signers.take(&leaf.event_type, data)
        {
            self.fault(Class::Content, Some(position), error.to_string());
        }
        self.compare_held();
        leaf
    }

    /// Takes the log's own checkpoint of exactly the entries so far.
    pub fn checkpoint(&mut self, note: &str) {
        let size = self.size();
        if self.signers.is_left_behind(note) {
            // The log lost the events under this checkpoint before it continued under another name.
            self.report.left_behind += 1;
            return;
        }
        match self.signers.open(note) {
            Err(error) => {
                self.fault(Class::Signature, None, format!("the log's checkpoint of size {size}: {error}"));
            }
            Ok(signed) if Some(signed.checkpoint.head) == self.frontier.head() => {
                self.report.checkpoints += 1;
                self.cover(&signed);
                self.covered_by_own = self.covered;
            }
            Ok(Signed { checkpoint, .. }) if checkpoint.head.size.get() != size => {
                let what =
                    format!("expected the log's checkpoint of size {size}, found one of {}", checkpoint.head.size);
                self.fault(Class::Signature, None, what);
            }
            Ok(_) => {
                let what = format!(
                    "an entry from position {} to {} is not the one that was signed: the signed checkpoint of size {size} \
                     has another root",
                    self.covered,
                    size - 1
                );
                self.fault(Class::Content, Some(self.first_suspect()), what);
            }
        }
    }

    /// Takes one of the log's own checkpoints, which covers `wanted` entries. The log has fewer entries.
    pub fn checkpoint_beyond(&mut self, wanted: u64, note: &str) {
        if self.signers.is_left_behind(note) {
            self.report.left_behind += 1;
            return;
        }
        let what = format!(
            "the log signed a checkpoint of {}, found {}: its newest events are gone",
            plural(wanted, "entry", "entries"),
            self.size()
        );
        self.fault(Class::Forked, None, what);
    }

    /// Takes the checkpoint in the last line of an export, which covers every line before it.
    pub fn export_checkpoint(&mut self, note: &str) {
        let size = Checkpoint::claimed(note).map_or(0, |claimed| claimed.head.size.get());
        if size > self.size() { self.checkpoint_beyond(size, note) } else { self.checkpoint(note) }
    }

    /// Adds a fault to the report.
    pub fn fault(&mut self, class: Class, position: Option<Position>, what: String) {
        self.report.fault(Fault { class, position, job: None, what });
    }

    /// Adds a remark to the report: a finding that proves nothing.
    pub fn remark(&mut self, what: String) {
        self.report.remarks.push(what);
    }

    /// Tells the reader of the report that this audit does not check `what`.
    pub fn unchecked(&mut self, what: impl Into<String>) {
        self.report.unchecked.push(what.into());
    }

    /// Ends the reading before the log's end because of a fault; `unchecked` says which part is not read.
    ///
    /// The verdict then expects nothing that belongs at the end of a log.
    pub(super) fn stop(&mut self, unchecked: &str) {
        self.stopped = true;
        self.unchecked(unchecked);
    }

    /// The verdict over all entries.
    pub fn finish(mut self) -> Report {
        if self.stopped {
            return self.conclude();
        }
        self.judge_held();
        self.report.redactions(&self.entries);
        self.judge_own_checkpoints();
        self.judge_uncovered();
        if self.size() == 0 && self.report.faulty == 0 {
            self.fault(Class::Content, None, "expected entries, the first of which made the log, found none".into());
        } else {
            self.report.unnamed_pin(&self.signers);
        }
        self.conclude()
    }

    /// Reports the held checkpoints that no entry has reached: they cover more entries than the log has.
    fn judge_held(&mut self) {
        let size = self.size();
        for (wanted, held) in std::mem::take(&mut self.held) {
            let wanted = plural(wanted, "entry", "entries");
            for Held { name, note, .. } in held {
                let what = match self.signers.open_held(&note) {
                    Ok(_) => format!("{name} says that the log has {wanted}, found {size}: it was rolled back"),
                    Err(error) => format!("{name}, of {wanted}, while the log has {size}: {error}"),
                };
                self.fault(Class::Forked, None, what);
            }
        }
    }

    /// Checks that the log's own checkpoints cover every entry that a checkpoint held outside covers.
    fn judge_own_checkpoints(&mut self) {
        if !self.brings_checkpoints || self.covered_by_own == self.covered {
            return;
        }
        let what = format!(
            "the log's own checkpoints end at {} of {} signed",
            self.covered_by_own,
            plural(self.covered, "entry", "entries")
        );
        // An anchor shows that a ledger signed here. Without an anchor, a log without any checkpoint may be an import.
        if self.report.checkpoints == 0 && self.report.anchor.is_none() {
            self.remark(format!("{what}: it was imported and not continued yet, or they were deleted"));
        } else {
            let first = Some(Position::new(self.covered_by_own));
            self.fault(Class::Signature, first, format!("{what}: the later ones are gone"));
        }
    }

    fn judge_uncovered(&mut self) {
        let (first, size) = (self.covered, self.size());
        if first == size {
            return;
        }
        let last = size - 1;
        if self.brings_checkpoints {
            let what = format!("no valid checkpoint covers the entries from here to position {last}");
            self.fault(Class::Signature, Some(Position::new(first)), what);
        } else {
            self.unchecked(format!("the entries from {first} to {last}: no checkpoint was given that covers them"));
        }
    }

    fn conclude(self) -> Report {
        let (size, mut report) = (self.size(), self.report);
        report.conclude(&self.signers);
        report.events = size;
        report.head = self.frontier.head();
        report.erased = self.entries.redacted();
        report.signer = if self.trusted == size && size > 0 { Signer::Pinned } else { Signer::NotPinned };
        report
    }

    /// The first entry with a fault among the entries that no valid checkpoint covers. Without such a fault, the first of these
    /// entries.
    fn first_suspect(&self) -> Position {
        let uncovered = Position::new(self.covered);
        let found = self.report.faults.iter().filter_map(|fault| fault.position);
        found.filter(|position| *position >= uncovered).min().unwrap_or(uncovered)
    }

    /// Notes that a valid checkpoint covers the entries so far.
    fn cover(&mut self, signed: &Signed) {
        self.covered = self.size();
        if self.signers.covered(&signed.signers) {
            self.trusted = self.covered;
        }
    }

    /// Compares the held checkpoints of exactly the entries so far.
    fn compare_held(&mut self) {
        for held in self.held.remove(&self.frontier.leaves()).unwrap_or_default() {
            match self.signers.open_held(&held.note) {
                Ok(signed) if Some(signed.checkpoint.head) == self.frontier.head() => self.consistent(held, &signed),
                Ok(Signed { checkpoint, .. }) => {
                    let found = self.frontier.head().map(|head| head.root.to_string()).unwrap_or_default();
                    let what = format!(
                        "{} has the root {} for the first {}, found {found}: these are other entries",
                        held.name,
                        checkpoint.head.root,
                        plural(checkpoint.head.size, "entry", "entries")
                    );
                    // A log that is signed to its end and has another root is another history. In a log without signatures, entries
                    // differ from those that the checkpoint's key signed.
                    let class = if self.brings_checkpoints { Class::Forked } else { Class::Content };
                    self.fault(class, None, what);
                }
                Err(error) => {
                    // The held checkpoint is of another log, so this log took the place of that one.
                    let forked = matches!(error, CheckpointError::Origin { .. });
                    let class = if forked { Class::Forked } else { Class::Signature };
                    self.fault(class, None, format!("{}: {error}", held.name));
                }
            }
        }
    }

    /// Notes a held checkpoint that the log contains.
    fn consistent(&mut self, held: Held, signed: &Signed) {
        // The ledger wrote the anchor itself, so the anchor is no substitute for a checkpoint that the log must bring.
        if held.anchor.is_none() || !self.brings_checkpoints {
            self.cover(signed);
        }
        match held.anchor {
            Some(path) => self.report.anchor = Some(Anchor { path, size: self.size() }),
            None => self.report.held += 1,
        }
    }
}
