//! One pass over a log.

use std::collections::BTreeMap;

use super::events::{Content, Events};
use super::report::{Anchor, Class, Fault, Report, Signer};
use super::signers::{Signed, Signers};
use crate::job::{Position, plural};
use crate::tree::{Checkpoint, CheckpointError, Frontier, Hash, NodeId, VerifierKey, leaf_hash};
use crate::wire::Leaf;

/// Takes a log entry by entry, in order.
pub struct Auditor {
    frontier: Frontier,
    events: Events,
    signers: Signers,
    held: BTreeMap<u64, Vec<Held>>,
    /// How many entries a valid checkpoint has covered so far.
    covered: u64,
    /// How many of them one of the log's own has covered.
    own: u64,
    /// How many of them one that is trusted has covered.
    trusted: u64,
    /// Whether the log must bring checkpoints of its own.
    brings_checkpoints: bool,
    /// Whether the rest of the log was not read, because a fault made it unsafe to go on.
    stopped: bool,
    report: Report,
}

/// A checkpoint that somebody outside holds.
struct Held {
    name: String,
    note: String,
    /// Where it lies, if it is the ledger's own anchor.
    anchor: Option<String>,
}

impl Auditor {
    /// An audit of a log that is to be signed by `pinned`, a key known from elsewhere than the log.
    pub fn new(pinned: Option<VerifierKey>) -> Auditor {
        Auditor {
            frontier: Frontier::EMPTY,
            events: Events::default(),
            signers: Signers::new(pinned),
            held: BTreeMap::new(),
            covered: 0,
            own: 0,
            trusted: 0,
            brings_checkpoints: false,
            stopped: false,
            report: Report::default(),
        }
    }

    /// The log must bring its own checkpoints, up to its newest entry.
    pub fn demand_checkpoints(&mut self) {
        self.brings_checkpoints = true;
    }

    /// Adds a checkpoint that is held outside, under the name by which the report calls it. The log must contain it.
    pub fn hold(&mut self, name: String, note: String) {
        self.keep(Held { name, note, anchor: None });
    }

    /// Adds the anchor, which lies in the file `path` outside the database: the log must contain that too.
    pub fn anchor(&mut self, path: String, note: String) {
        self.keep(Held { name: format!("the anchor `{path}`"), note, anchor: Some(path) });
    }

    fn keep(&mut self, held: Held) {
        match Checkpoint::claimed(&held.note) {
            Ok(claimed) => self.held.entry(claimed.head.size.get()).or_default().push(held),
            Err(_) => {
                let what = format!("{} is no checkpoint: expected three lines and a signature", held.name);
                self.fault(Class::Signature, None, what);
            }
        }
    }

    /// How many entries were taken.
    pub fn size(&self) -> u64 {
        self.frontier.leaves()
    }

    /// Takes the next entry: its leaf, and its salt and data as stored. Each node that is complete with it goes to `node`.
    /// Answers the leaf where it can be read.
    pub fn entry<'a>(
        &mut self,
        bytes: &'a [u8],
        content: Content<'_>,
        mut node: impl FnMut(NodeId, Hash),
    ) -> Option<Leaf<'a>> {
        let Auditor { frontier, events, signers, report, .. } = self;
        let position = Position::new(frontier.leaves());
        let appended = frontier.append(leaf_hash(bytes), |id, hash| {
            node(id, hash);
            Ok::<(), std::convert::Infallible>(())
        });
        let Ok(()) = appended;
        let leaf = events.take(position, bytes, content, &mut |fault| report.fault(fault));
        if let (Some(leaf), Some((_, data))) = (&leaf, content)
            && leaf.orgid.is_none()
            && let Err(what) = signers.take(&leaf.event_type, data)
        {
            report.fault(Fault { class: Class::Content, position: Some(position), job: None, what });
        }
        self.compare_held();
        leaf
    }

    /// Takes the log's own checkpoint of exactly the entries so far.
    pub fn checkpoint(&mut self, note: &str) {
        let size = self.size();
        if self.signers.is_left_behind(note) {
            // Of events that the log lost before it was continued under another name.
            self.report.left_behind += 1;
            return;
        }
        match self.signers.open(note) {
            Err(error) => {
                self.fault(Class::Signature, None, format!("the log's checkpoint of size {size}: {error}"));
            }
            Ok(signed) if Some(signed.checkpoint.head) == self.frontier.head() => {
                self.report.checkpoints += 1;
                self.covers(&signed);
                self.own = self.covered;
            }
            Ok(Signed { checkpoint, .. }) if checkpoint.head.size.get() != size => {
                let what =
                    format!("expected the log's checkpoint of size {size}, found one of {}", checkpoint.head.size);
                self.fault(Class::Signature, None, what);
            }
            Ok(_) => {
                let what = format!(
                    "an entry from position {} to {} is not the one that was signed: the root over them is another than the \
                     signed one of size {size}",
                    self.covered,
                    size - 1
                );
                self.fault(Class::Content, Some(self.first_doubt()), what);
            }
        }
    }

    /// Notes what was found by other means.
    pub fn fault(&mut self, class: Class, position: Option<Position>, what: String) {
        self.report.fault(Fault { class, position, job: None, what });
    }

    /// Takes one of the log's own checkpoints that covers more entries than there are.
    pub fn beyond(&mut self, wanted: u64, note: &str) {
        if self.signers.is_left_behind(note) {
            self.report.left_behind += 1;
            return;
        }
        let size = self.size();
        let what = format!(
            "the log signed a checkpoint of {}, found {size}: its newest events are gone",
            plural(wanted, "entry", "entries")
        );
        self.fault(Class::Forked, None, what);
    }

    /// Takes the checkpoint that an export ends with: it covers every entry before it.
    pub fn last_line(&mut self, note: &str) {
        let size = Checkpoint::claimed(note).map_or(0, |claimed| claimed.head.size.get());
        if size > self.size() { self.beyond(size, note) } else { self.checkpoint(note) }
    }

    /// Notes what is worth knowing and proves nothing.
    pub fn remark(&mut self, what: String) {
        self.report.remarks.push(what);
    }

    /// Says that something is not part of this audit.
    pub fn leaves_out(&mut self, what: &str) {
        self.report.unchecked.push(what.to_owned());
    }

    /// Says that the log was not read to its end because of a fault that was found, and what is therefore not checked. What
    /// comes at the end of a log is not missed then.
    pub(super) fn stop(&mut self, what: &str) {
        self.stopped = true;
        self.leaves_out(what);
    }

    /// The verdict over all entries.
    pub fn finish(mut self) -> Report {
        let size = self.size();
        if self.stopped {
            self.held.clear();
            return self.conclude();
        }
        for (wanted, held) in std::mem::take(&mut self.held) {
            for Held { name, note, .. } in held {
                let what = match self.signers.open_held(&note) {
                    Ok(_) => format!(
                        "{name} says that the log has {}, found {size}: it was rolled back",
                        plural(wanted, "entry", "entries")
                    ),
                    Err(error) => {
                        format!("{name}, of {}, while the log has {size}: {error}", plural(wanted, "entry", "entries"))
                    }
                };
                self.fault(Class::Forked, None, what);
            }
        }
        for fault in self.events.missing() {
            self.report.fault(fault);
        }
        for what in self.events.not_erased() {
            self.remark(what);
        }
        if self.events.erased() > 0 {
            self.leaves_out("whether those who erased data were administrators: a log names them, and not their roles");
        }
        if self.brings_checkpoints && self.own < self.covered {
            // One that was held outside says what the entries are. That the log does not say so itself is told all the same.
            let what = format!(
                "the log's own checkpoints end at {} of {} signed",
                self.own,
                plural(self.covered, "entry", "entries")
            );
            // Whoever has an anchor has signed here.
            match self.report.checkpoints {
                0 if self.report.anchor.is_none() => {
                    self.remark(format!("{what}: it was imported and not continued yet, or they were deleted"))
                }
                _ => self.fault(
                    Class::Signature,
                    Some(Position::new(self.own)),
                    format!("{what}: the later ones are gone"),
                ),
            }
        }
        if self.covered < size {
            let (first, last) = (Position::new(self.covered), size.saturating_sub(1));
            if self.brings_checkpoints {
                let what = format!("no valid checkpoint covers the entries from here to position {last}");
                self.fault(Class::Signature, Some(first), what);
            } else {
                self.leaves_out(&format!(
                    "the entries from {first} to {last}: no checkpoint was given that covers them"
                ));
            }
        }
        if size == 0 && self.report.faulty == 0 {
            self.fault(Class::Content, None, "expected entries, the first of which made the log, found none".into());
        } else if let Some(pinned) = self.signers.strange_pin() {
            let what = format!("the pinned key `{pinned}` is none of those that the log names");
            self.fault(Class::Signature, None, what);
        }
        self.conclude()
    }

    fn conclude(self) -> Report {
        let (size, mut report) = (self.size(), self.report);
        report.conclude(&self.signers);
        report.events = size;
        report.head = self.frontier.head();
        report.erased = self.events.erased();
        report.signer = if self.trusted == size && size > 0 { Signer::Pinned } else { Signer::NotPinned };
        report
    }

    /// The first entry that no valid checkpoint covers; or, among those, the first in which something wrong was found already.
    fn first_doubt(&self) -> Position {
        let uncovered = Position::new(self.covered);
        let found = self.report.faults.iter().filter_map(|fault| fault.position);
        found.filter(|position| *position >= uncovered).min().unwrap_or(uncovered)
    }

    /// A valid checkpoint covers the entries so far.
    fn covers(&mut self, signed: &Signed) {
        self.covered = self.size();
        if self.signers.covered(&signed.signers) {
            self.trusted = self.covered;
        }
    }

    /// Compares what somebody holds of exactly this size.
    fn compare_held(&mut self) {
        for held in self.held.remove(&self.frontier.leaves()).unwrap_or_default() {
            match self.signers.open_held(&held.note) {
                Ok(signed) if Some(signed.checkpoint.head) == self.frontier.head() => {
                    // An anchor is the ledger's own too: it is no substitute for a checkpoint that the log must bring.
                    if held.anchor.is_none() || !self.brings_checkpoints {
                        self.covers(&signed);
                    }
                    match held.anchor {
                        Some(path) => self.report.anchor = Some(Anchor { path, size: self.frontier.leaves() }),
                        None => self.report.held += 1,
                    }
                }
                Ok(Signed { checkpoint, .. }) => {
                    let found = self.frontier.head().map(|head| head.root.to_string()).unwrap_or_default();
                    let what = format!(
                        "{} has the root {} for the first {}, found {found}: these are other entries",
                        held.name,
                        checkpoint.head.root,
                        plural(checkpoint.head.size, "entry", "entries")
                    );
                    // A log that is signed throughout is another history; entries alone are not those that were signed.
                    let class = if self.brings_checkpoints { Class::Forked } else { Class::Content };
                    self.fault(class, None, what);
                }
                // Another log's: this one took its place.
                Err(error @ CheckpointError::Origin { .. }) => {
                    self.fault(Class::Forked, None, format!("{}: {error}", held.name));
                }
                Err(error) => self.fault(Class::Signature, None, format!("{}: {error}", held.name)),
            }
        }
    }
}
