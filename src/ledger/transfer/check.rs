//! The check of an export before a byte is written: every line must be an entry that follows from the entries before it.

use std::collections::HashMap;
use std::convert::Infallible;
use std::path::Path;

use super::import::ImportError;
use crate::chain;
use crate::history::{self, EntryCheck, EntryFault, ExportResidues, check_digest, fold_job};
use crate::job::{Conflict, Job, JobKey, Kind, Position, plural};
use crate::ledger::{Identity, identity};
use crate::log::{self, Reader, Row};
use crate::tree::{Checkpoint, CheckpointError, Frontier, IdentityError, Size, leaf_hash};
use crate::wire::{self, BadLeaf, Entry, ExportedLine, Leaf, LineError, NotAnExportLine};

/// Why a line is refused.
#[derive(Debug, thiserror::Error)]
pub enum LineFault {
    /// The line is not UTF-8.
    #[error(transparent)]
    Text(#[from] std::str::Utf8Error),
    /// The line has another form.
    #[error(transparent)]
    Form(#[from] NotAnExportLine),
    /// The line follows the checkpoint.
    #[error("expected nothing after the checkpoint")]
    AfterCheckpoint,
    /// The first line neither begins a log nor continues the one in the folder.
    #[error("expected a position from 0 to {last}, found {found}")]
    First {
        /// The position after the newest event in the folder.
        last: Position,
        /// The position in the line.
        found: Position,
    },
    /// The entry breaks a rule for entries.
    #[error(transparent)]
    Entry(#[from] EntryFault),
    /// The leaf cannot be read.
    #[error(transparent)]
    Leaf(#[from] BadLeaf),
    /// The data is missing, and no redaction in the file names the event.
    #[error("the data of event {0} is missing without a recorded redaction")]
    Missing(Position),
    /// The log in the folder has another event there.
    #[error("event {0} is not the one that this log has there: it is another log's")]
    AnotherLog(Position),
    /// This program cannot read the event.
    #[error("{}", chain(.0))]
    Unreadable(#[from] wire::Unreadable),
    /// The state machine refuses the event.
    #[error(transparent)]
    Misfit(#[from] Conflict),
    /// The job was created as another kind.
    #[error("expected `jobkind` {expected}, found {found:?}")]
    Kind {
        /// The kind in the data of `job.created`.
        expected: Kind,
        /// The kind in the leaf.
        found: Option<String>,
    },
    /// One of the ledger's own events does not fit.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// A checkpoint in the first line.
    #[error("expected the event that made the log, found a checkpoint")]
    NoEvents,
    /// None of the log's keys signed the checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The checkpoint covers more or fewer events than the lines before it have.
    #[error("expected a checkpoint of the {} up to here, found one of {found}", plural(.lines, "event", "events"))]
    CheckpointSize {
        /// How many events stand before the checkpoint.
        lines: Position,
        /// How many events the checkpoint covers.
        found: Size,
    },
    /// The checkpoint has another root.
    #[error("the checkpoint is of other events than those before it")]
    CheckpointRoot,
    /// The log in the folder cannot be read.
    #[error("{}", chain(.0))]
    Log(#[from] log::Error),
    /// A job in the folder cannot be folded.
    #[error("{}", chain(.0))]
    History(#[from] history::Error),
    /// The file cannot be read again.
    #[error("{}", chain(.0))]
    File(#[from] LineError),
}

/// Checks the lines of an export in order. Memory holds every job of the file, because each event is folded.
pub(super) struct Checker<'l> {
    /// The log in the folder, which the lines continue.
    base: Option<Base<'l>>,
    /// The residues of redacted events, from later lines of the file.
    residues: ExportResidues,
    /// The position that comes next; `None` before the first line.
    next: Option<Position>,
    entries: EntryCheck,
    jobs: HashMap<JobKey, Job>,
    identity: Option<Identity>,
    /// The tree over the base and the new entries; `None` if the base has no nodes.
    tree: Option<Frontier>,
    /// Whether the checkpoint came, which is the last line.
    ended: bool,
}

/// A log that has events, and its newest position.
struct Base<'l> {
    log: Reader<'l>,
    head: Position,
}

/// A line that passed.
pub(super) enum Checked {
    /// The base has the entry already, or the line is the checkpoint.
    Known,
    /// The entry comes after every entry before it.
    New(Entry),
}

impl<'l> Checker<'l> {
    /// A check of lines that continue `base`, or of a whole log.
    pub(super) fn new(base: Option<Reader<'l>>, file: &Path) -> Result<Checker<'l>, ImportError> {
        let mut checker = Checker {
            base: None,
            residues: ExportResidues::of(file),
            next: None,
            entries: EntryCheck::default(),
            jobs: HashMap::new(),
            identity: None,
            tree: Some(Frontier::EMPTY),
            ended: false,
        };
        if let Some(log) = base {
            let head = log.head()?;
            checker.entries = log.recorded(head)?.map_or_else(EntryCheck::default, EntryCheck::after);
            checker.identity = Some(identity(&log)?);
            checker.tree = log.edge(Size::up_to(head.get())).ok();
            checker.base = Some(Base { log, head });
        }
        Ok(checker)
    }

    /// Whether any line came.
    pub(super) fn anything(&self) -> bool {
        self.next.is_some()
    }

    /// Checks the next line.
    pub(super) fn line(&mut self, text: &str) -> Result<Checked, LineFault> {
        if self.ended {
            return Err(LineFault::AfterCheckpoint);
        }
        match ExportedLine::parse(text)? {
            ExportedLine::Entry(line) => self.event(line),
            ExportedLine::Checkpoint(note) => self.checkpoint(&note).map(|()| Checked::Known),
        }
    }

    fn event(&mut self, line: Entry) -> Result<Checked, LineFault> {
        let leaf = Leaf::parse_strict(&line.leaf)?;
        let position = leaf.position()?;
        self.follows(position)?;
        if self.base.as_ref().is_some_and(|base| position <= base.head) {
            self.known(position, &leaf, &line)?;
            return Ok(Checked::Known);
        }
        if let Some(tree) = &mut self.tree {
            let Ok(()) = tree.append(leaf_hash(&line.leaf), |_, _| Ok::<(), Infallible>(()));
        }
        let key = leaf.job_key()?;
        self.look_up(key.as_ref(), &leaf)?;
        let mut broken = None;
        self.entries.entry(position, &line.leaf, line.content(), |fault| {
            broken.get_or_insert(fault);
        });
        broken.map_or(Ok(()), Err)?;
        let residue = match &line.content {
            Some(_) => None,
            None => Some(self.residue(position, &leaf)?),
        };
        let data = line.content.as_ref().map_or(residue.as_deref(), |(_, data)| Some(data));
        match wire::fact(position, &line.leaf, data)? {
            Some(fact) if position > Position::GENESIS => {
                let job = Job::fold(self.jobs.remove(&fact.key), fact)?;
                if leaf.jobkind.as_deref() != Some(job.kind.as_str()) {
                    return Err(LineFault::Kind { expected: job.kind, found: leaf.jobkind.map(String::from) });
                }
                self.jobs.insert(job.key.clone(), job);
            }
            // An import must not leave a log without a name and a key, or with those of another log.
            _ => {
                let data = data.ok_or(LineFault::Missing(position))?;
                self.identity = Some(Identity::after(self.identity.take(), &leaf.event_type, data)?);
            }
        }
        Ok(Checked::New(line))
    }

    fn follows(&mut self, found: Position) -> Result<(), LineFault> {
        match (self.next, &self.base) {
            (None, Some(base)) if found > base.head.next() => {
                return Err(LineFault::First { last: base.head.next(), found });
            }
            (None, Some(_)) => {}
            (next, _) => {
                let expected = next.unwrap_or(Position::GENESIS);
                if found != expected {
                    return Err(EntryFault::Position { expected, found }.into());
                }
            }
        }
        self.next = Some(found.next());
        Ok(())
    }

    /// Checks an entry that the base has too.
    fn known(&mut self, position: Position, leaf: &Leaf<'_>, line: &Entry) -> Result<(), LineFault> {
        let content = line.content();
        match content {
            Some((salt, data)) => check_digest(leaf, salt, data)?,
            None => drop(self.residue(position, leaf)?),
        }
        let Some(base) = &self.base else { return Ok(()) };
        // One of the two may have the data while the other has redacted it: the leaf commits to the data.
        let same_content = |row: Row<'_>| row.data.is_none() || content.is_none() || row.salt.zip(row.data) == content;
        match base.log.at(position, |row| row.leaf == line.leaf && same_content(row))? {
            Some(true) => Ok(()),
            _ => Err(LineFault::AnotherLog(position)),
        }
    }

    /// Looks up in the base what a new entry must fit: its job, and whether its name is taken.
    fn look_up(&mut self, key: Option<&JobKey>, leaf: &Leaf<'_>) -> Result<(), LineFault> {
        let Some(Base { log, head }) = &self.base else { return Ok(()) };
        if log.named(leaf.org()?, &leaf.source, &leaf.id)?.is_some() {
            return Err(EntryFault::repeated(leaf).into());
        }
        if let Some(key) = key.filter(|key| !self.jobs.contains_key(key))
            && let Some(job) = fold_job(log, key, None, *head)?
        {
            self.entries.knows(&job);
            self.jobs.insert(key.clone(), job);
        }
        Ok(())
    }

    /// The residue of the redacted event at `position`, from a later line of the file.
    fn residue(&mut self, position: Position, leaf: &Leaf<'_>) -> Result<Vec<u8>, LineFault> {
        self.residues.find(position, leaf)?.map(<[u8]>::to_vec).ok_or(LineFault::Missing(position))
    }

    /// Checks the last line: a checkpoint over every entry before it, signed by a key that the log names. The copy does not
    /// store it, because only the ledger's own key signs for a log.
    fn checkpoint(&mut self, note: &str) -> Result<(), LineFault> {
        self.ended = true;
        let identity = self.identity.as_ref().ok_or(LineFault::NoEvents)?;
        let found = Checkpoint::open(note, &identity.origin, &identity.keys)?.head;
        let lines = self.next.unwrap_or_default();
        if lines.get() != found.size.get() {
            return Err(LineFault::CheckpointSize { lines, found: found.size });
        }
        let head = match &self.base {
            Some(base) if found.size.get() <= base.head.next().get() => {
                base.log.edge(found.size).ok().and_then(|tree| tree.head())
            }
            _ => self.tree.as_ref().and_then(Frontier::head),
        };
        if head == Some(found) { Ok(()) } else { Err(LineFault::CheckpointRoot) }
    }
}
