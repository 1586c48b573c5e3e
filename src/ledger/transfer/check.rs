//! Whether lines are a log: every line, and that each follows from those before it. Checked before a byte is written.

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::import::ImportError;
use crate::chain;
use crate::history::{ExportResidues, fold_job};
use crate::job::{Event, Fact, Job, JobKey, Position, Time, plural};
use crate::ledger::{Identity, identity};
use crate::log::{Reader, Row};
use crate::tree::{Checkpoint, Frontier, Size, leaf_hash};
use crate::wire::{self, Entry, ExportedLine, Leaf, datadigest};

/// What has been read so far. Holds every job of the file in memory, which is what a check of every event costs.
pub(super) struct Checker<'l> {
    /// The log that the lines continue.
    base: Option<Reader<'l>>,
    /// The residues of redacted events.
    residues: ExportResidues,
    head: Option<Position>,
    next: Option<Position>,
    recorded: Time,
    /// Who the log is by now.
    identity: Option<Identity>,
    /// The tree over the log and what was new; `None` where the log has no nodes to go on from.
    tree: Option<Frontier>,
    /// Whether the last line has come.
    ended: bool,
    jobs: HashMap<JobKey, Job>,
    names: HashSet<[u8; 16]>,
}

/// A line that passed.
pub(super) enum Checked {
    /// The log has it already.
    Known,
    /// It comes after everything before it.
    New(Entry),
}

impl<'l> Checker<'l> {
    /// For lines that continue `base`, or for a whole log.
    pub(super) fn new(base: Option<Reader<'l>>, file: &Path) -> Result<Checker<'l>, ImportError> {
        let head = base.as_ref().map(Reader::head).transpose()?;
        let recorded = match (&base, head) {
            (Some(base), Some(head)) => base.recorded(head)?,
            _ => None,
        };
        let identity = base.as_ref().map(identity).transpose()?;
        let tree = match (&base, head) {
            (Some(base), Some(head)) => base.edge(Size::up_to(head.get())).ok(),
            _ => Some(Frontier::EMPTY),
        };
        Ok(Checker {
            base,
            tree,
            ended: false,
            residues: ExportResidues::of(file),
            head,
            next: None,
            recorded: recorded.unwrap_or(Time::from_nanos(i64::MIN)),
            identity,
            jobs: HashMap::new(),
            names: HashSet::new(),
        })
    }

    /// Checks the next line; the text says what is wrong with it.
    pub(super) fn line(&mut self, text: &str) -> Result<Checked, String> {
        if self.ended {
            return Err("expected nothing after the checkpoint".into());
        }
        let line = match ExportedLine::parse(text).map_err(|error| error.to_string())? {
            ExportedLine::Entry(line) => line,
            ExportedLine::Checkpoint(note) => return self.checkpoint(&note).map(|()| Checked::Known),
        };
        let leaf = Leaf::parse_strict(&line.leaf).map_err(|error| error.to_string())?;
        let position = leaf.position().map_err(|error| error.to_string())?;
        self.follows(position)?;
        let data = match &line.content {
            Some((salt, data)) if datadigest(salt, data) == leaf.datadigest => data.clone(),
            Some(_) => return Err(format!("the data of event {position} is not what its leaf commits to")),
            None => self.residue(position, &leaf)?,
        };
        if self.head.is_some_and(|head| position <= head) {
            self.is_the_same(position, &line)?;
            return Ok(Checked::Known);
        }
        if let Some(tree) = &mut self.tree {
            let Ok(()) = tree.append(leaf_hash(&line.leaf), |_, _| Ok::<(), Infallible>(()));
        }
        self.in_time(&leaf)?;
        self.named_once(&leaf)?;
        match wire::fact(position, &line.leaf, Some(&data)).map_err(|error| chain(&error))? {
            Some(fact) if position > Position::GENESIS => self.fold(&leaf, fact)?,
            _ => self.own(position, &leaf, &data)?,
        }
        Ok(Checked::New(line))
    }

    /// Checks the last line: a checkpoint over everything before it, signed by a key that the log names. The copy does not keep
    /// it, because it signs nothing itself.
    fn checkpoint(&mut self, note: &str) -> Result<(), String> {
        self.ended = true;
        let identity = self.identity.as_ref().ok_or("expected the event that made the log, found a checkpoint")?;
        let found = Checkpoint::open(note, &identity.origin, &identity.keys).map_err(|error| error.to_string())?;
        let size = found.head.size;
        if self.next.map(Position::get) != Some(size.get()) {
            let lines = self.next.unwrap_or_default();
            return Err(format!(
                "expected a checkpoint of the {} up to here, found one of {size}",
                plural(lines, "event", "events")
            ));
        }
        let head = match (&self.base, self.head) {
            (Some(base), Some(head)) if size.get() <= head.next().get() => {
                base.edge(size).ok().and_then(|tree| tree.head())
            }
            _ => self.tree.as_ref().and_then(Frontier::head),
        };
        match head {
            Some(head) if head == found.head => Ok(()),
            _ => Err("the checkpoint is of other events than those before it".into()),
        }
    }

    /// Whether anything was new.
    pub(super) fn anything(&self) -> bool {
        self.next.is_some()
    }

    fn follows(&mut self, position: Position) -> Result<(), String> {
        let expected = match (self.next, self.head) {
            (Some(next), _) => next..=next,
            (None, Some(head)) => Position::GENESIS..=head.next(),
            (None, None) => Position::GENESIS..=Position::GENESIS,
        };
        if !expected.contains(&position) {
            return Err(match (self.next, self.head) {
                (None, Some(head)) => format!("expected a position from 0 to {}, found {position}", head.next()),
                _ => format!("expected position {}, found {position}", expected.end()),
            });
        }
        self.next = Some(position.next());
        Ok(())
    }

    /// The residue of the redacted event at `position`.
    fn residue(&mut self, position: Position, leaf: &Leaf<'_>) -> Result<Vec<u8>, String> {
        let residue = self.residues.find(position, leaf).map_err(|error| chain(&error))?;
        let missing = || format!("the data of event {position} is missing without a recorded erasure");
        residue.map(<[u8]>::to_vec).ok_or_else(missing)
    }

    fn is_the_same(&self, position: Position, line: &Entry) -> Result<(), String> {
        let Some(base) = &self.base else { return Ok(()) };
        let content = line.content.as_ref().map(|(salt, data)| (salt.as_slice(), data.as_slice()));
        // What one of the two has erased, the other may still have: the leaf commits to it.
        let same_content = |row: Row<'_>| row.data.is_none() || content.is_none() || row.salt.zip(row.data) == content;
        let same = base.at(position, |row| row.leaf == line.leaf && same_content(row));
        match same.map_err(|error| chain(&error))? {
            Some(true) => Ok(()),
            _ => Err(format!("event {position} is not the one that this log has there: it is another log's")),
        }
    }

    fn in_time(&mut self, leaf: &Leaf<'_>) -> Result<(), String> {
        let recorded = leaf.recorded().map_err(|error| error.to_string())?;
        if recorded < self.recorded {
            return Err(format!("recorded at {}, before the event before it", leaf.recordedtime));
        }
        self.recorded = recorded;
        Ok(())
    }

    fn named_once(&mut self, leaf: &Leaf<'_>) -> Result<(), String> {
        let org = leaf.org().map_err(|error| error.to_string())?;
        let hash = Sha256::digest(serde_json::json!([leaf.orgid, leaf.source, leaf.id]).to_string());
        let new = self.names.insert(hash.first_chunk().copied().expect("a hash has 32 bytes"));
        let known = match &self.base {
            Some(base) => base.named(org, &leaf.source, &leaf.id).map_err(|error| chain(&error))?.is_some(),
            None => false,
        };
        if new && !known {
            return Ok(());
        }
        Err(format!("an event of the source `{}` with the id `{}` came before", leaf.source, leaf.id))
    }

    /// The ledger's own events say who the log is, so nothing goes in that would leave nobody, or somebody else.
    fn own(&mut self, position: Position, leaf: &Leaf<'_>, data: &[u8]) -> Result<(), String> {
        if leaf.subject.is_some() || leaf.orgid.is_some() || leaf.jobkind.is_some() || leaf.prev.is_some() {
            return Err(format!(
                "expected an event of the ledger, without job or organisation, at position {position}"
            ));
        }
        match &*leaf.event_type {
            name if name.starts_with("ledger.") => {
                self.identity = Identity::after(self.identity.take(), name, data)?;
            }
            name => return Err(format!("expected the job of `{name}`, found none")),
        }
        Ok(())
    }

    fn fold(&mut self, leaf: &Leaf<'_>, fact: Fact) -> Result<(), String> {
        if let Event::Redacted(redacted) = &fact.event
            && redacted.position >= fact.position
        {
            return Err(format!("expected an erasure of an earlier event, found one of event {}", redacted.position));
        }
        let known = match (self.jobs.remove(&fact.key), &self.base, self.head) {
            (Some(job), ..) => Some(job),
            (None, Some(base), Some(head)) => fold_job(base, &fact.key, None, head).map_err(|error| chain(&error))?,
            (None, ..) => None,
        };
        let prev = known.as_ref().map(|job| job.position);
        if leaf.prev().map_err(|error| error.to_string())? != prev {
            let name = |position: Option<Position>| position.map_or("none".to_owned(), |p| p.to_string());
            let found = leaf.prev.as_deref().unwrap_or("none");
            return Err(format!("expected `prev` {}, the job's event before it, found {found}", name(prev)));
        }
        let job = Job::fold(known, fact).map_err(|error| error.to_string())?;
        if leaf.jobkind.as_deref() != Some(job.kind.as_str()) {
            return Err(format!("expected `jobkind` {}, found {:?}", job.kind, leaf.jobkind));
        }
        self.jobs.insert(job.key.clone(), job);
        Ok(())
    }
}
