//! The rules for a log's entries: each entry must fit the entries before it. The audit and an import both check them.
//!
//! The check keeps about 100 bytes for each job and 16 bytes for each event. It reads no log and folds no event.

use std::collections::{BTreeMap, HashMap, HashSet};

use sha2::{Digest, Sha256};

use super::residue::is_residue;
use crate::job::{Event, EventType, Job, JobKey, Kind, Position, Time};
use crate::wire::{BadLeaf, Leaf, SALT_LEN, StoredRedaction, Undecodable, datadigest, decode};

/// An entry's salt and data, as stored; `None` if they were redacted.
pub type Content<'a> = Option<(&'a [u8], &'a [u8])>;

/// A rule that an entry breaks.
#[derive(Debug, thiserror::Error)]
pub enum EntryFault {
    /// The leaf has not exactly the form that a ledger writes.
    #[error(transparent)]
    Leaf(#[from] BadLeaf),
    /// The entry belongs at another position.
    #[error("expected position {expected}, found {found}")]
    Position {
        /// The position after the previous entry's.
        expected: Position,
        /// The position in the leaf.
        found: Position,
    },
    /// Recorded times fall.
    #[error("recorded at {recorded}, earlier than the previous event, which was recorded at {before}")]
    Time {
        /// When the event was recorded.
        recorded: Time,
        /// When the previous event was recorded.
        before: Time,
    },
    /// An earlier event of the same organisation has the same source and id.
    #[error("an event of the source `{producer}` with the id `{id}` came before")]
    Repeated {
        /// The event's source.
        producer: String,
        /// The event's id.
        id: String,
    },
    /// An event that is not the ledger's own names no job.
    #[error("expected the job and the organisation of `{0}`, found none")]
    NoJob(String),
    /// One of the ledger's own events names a job, an organisation, a kind, or an event before it.
    #[error("expected `{0}`, an event of the ledger itself, without job and organisation")]
    NotOwn(String),
    /// A job's event names no kind.
    #[error("expected `jobkind`, found none")]
    NoKind,
    /// The leaf's kind is not the job's kind.
    #[error("expected `jobkind` {expected}, found {found}")]
    Kind {
        /// The kind that the job has.
        expected: Kind,
        /// The kind in the leaf.
        found: Kind,
    },
    /// The entry does not name the job's previous event, so the job's chain forks or has a gap.
    #[error("expected `prev` {}, the job's previous event, found {}", shown(.expected), shown(.found))]
    Prev {
        /// The job's newest event before this one.
        expected: Option<Position>,
        /// The position in the leaf.
        found: Option<Position>,
    },
    /// The salt is too short or too long.
    #[error("expected a salt of {SALT_LEN} bytes, found {0}")]
    Salt(usize),
    /// The leaf commits to other data or another salt.
    #[error("its data is not what its leaf commits to")]
    Digest,
    /// The stored data of a redaction cannot be read.
    #[error(transparent)]
    Redaction(#[from] Undecodable),
    /// A redaction in a job that had not ended.
    #[error("it redacts data of a job that had not ended; no role may do so")]
    JobOpen,
    /// A redaction of an event that comes later.
    #[error("it redacts event {0}, which does not come before it")]
    RedactsLater(Position),
    /// A second redaction of one event.
    #[error("it redacts event {0}, which an earlier event redacted already")]
    RedactsTwice(Position),
    /// A redaction of another job's event, or of a redaction.
    #[error("it redacts event {0}, which belongs to another job or is a redaction itself")]
    RedactsOther(Position),
    /// The residue holds data that a redaction must remove.
    #[error("its residue of event {position} is not one of a `{event_type}`")]
    Residue {
        /// The redacted event.
        position: Position,
        /// The type of the redacted event.
        event_type: String,
    },
}

impl EntryFault {
    /// The fault of an event whose source and id an earlier event has.
    pub fn repeated(leaf: &Leaf<'_>) -> EntryFault {
        EntryFault::Repeated { producer: leaf.source.to_string(), id: leaf.id.to_string() }
    }
}

/// An event without data that no redaction names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingData {
    /// The event's position.
    pub position: Position,
    /// The event's job; `None` for an event of the ledger itself.
    pub job: Option<JobKey>,
    event_type: String,
    version: u32,
}

/// A redaction whose data is still in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unapplied {
    /// The redaction's position.
    pub redaction: Position,
    /// The event that the redaction names.
    pub named: Position,
}

/// Checks entries in the order of the log.
#[derive(Debug, Default)]
pub struct EntryCheck {
    recorded: Option<Time>,
    jobs: HashMap<JobKey, JobTip>,
    names: HashSet<[u8; 16]>,
    missing: BTreeMap<Position, MissingData>,
    redacted: HashSet<Position>,
    unapplied: Vec<Unapplied>,
}

/// A job as of its newest entry.
#[derive(Debug)]
struct JobTip {
    newest: Position,
    kind: Kind,
    ended: bool,
}

impl EntryCheck {
    /// A check of entries that continue a log, whose newest event was recorded at `recorded`.
    pub fn after(recorded: Time) -> EntryCheck {
        EntryCheck { recorded: Some(recorded), ..EntryCheck::default() }
    }

    /// Takes in a job whose events are in the log that the entries continue.
    pub fn knows(&mut self, job: &Job) {
        let tip = JobTip { newest: job.position, kind: job.kind, ended: job.state.ended_at().is_some() };
        self.jobs.insert(job.key.clone(), tip);
    }

    /// How many events lost their data to a recorded redaction.
    pub fn redacted(&self) -> u64 {
        self.redacted.len() as u64
    }

    /// The redactions whose data is still in the log.
    pub fn unapplied(&self) -> &[Unapplied] {
        &self.unapplied
    }

    /// The events whose data is missing, and that no redaction so far names.
    pub fn missing(&self) -> impl Iterator<Item = &MissingData> {
        self.missing.values()
    }

    /// Checks the next entry, which belongs at `position`, and gives `fault` every rule that the entry breaks.
    ///
    /// Returns the leaf; `None` if the leaf cannot be read.
    pub fn entry<'a>(
        &mut self,
        position: Position,
        bytes: &'a [u8],
        content: Content<'_>,
        mut fault: impl FnMut(EntryFault),
    ) -> Option<Leaf<'a>> {
        let leaf = Leaf::parse_strict(bytes).map_err(|error| fault(error.into())).ok()?;
        let checked = [at(position, &leaf), self.time(&leaf), self.name(&leaf), self.chain(position, &leaf)];
        checked.into_iter().filter_map(Result::err).for_each(&mut fault);
        if let Err(error) = self.content(position, &leaf, content) {
            fault(error);
        }
        Some(leaf)
    }

    /// Recorded times never fall.
    fn time(&mut self, leaf: &Leaf<'_>) -> Result<(), EntryFault> {
        let recorded = leaf.recorded()?;
        match self.recorded.replace(recorded) {
            Some(before) if recorded < before => Err(EntryFault::Time { recorded, before }),
            _ => Ok(()),
        }
    }

    /// Source and id name one event of an organisation. Half of a SHA-256 of the name saves memory.
    fn name(&mut self, leaf: &Leaf<'_>) -> Result<(), EntryFault> {
        let mut hash = Sha256::new();
        for part in [leaf.orgid.as_deref().unwrap_or(""), &leaf.source, &leaf.id] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        let name = hash.finalize().first_chunk().copied().expect("a hash has 32 bytes");
        match self.names.insert(name) {
            true => Ok(()),
            false => Err(EntryFault::repeated(leaf)),
        }
    }

    /// The job's events are a chain: each names the job's previous event, and all have one kind.
    fn chain(&mut self, position: Position, leaf: &Leaf<'_>) -> Result<(), EntryFault> {
        let Some(key) = leaf.job_key()? else { return own(leaf) };
        let (found, kind) = (leaf.prev()?, leaf.kind()?.ok_or(EntryFault::NoKind)?);
        let ended = EventType::named(&leaf.event_type).is_some_and(EventType::ends_job);
        let (expected, known) = match self.jobs.get_mut(&key) {
            Some(job) => {
                let before = (Some(job.newest), job.kind);
                *job = JobTip { newest: position, kind, ended: job.ended || ended };
                before
            }
            None => {
                self.jobs.insert(key, JobTip { newest: position, kind, ended });
                (None, kind)
            }
        };
        if found != expected {
            return Err(EntryFault::Prev { expected, found });
        }
        if kind == known { Ok(()) } else { Err(EntryFault::Kind { expected: known, found: kind }) }
    }

    /// Checks the digest and a redaction. Notes an entry without data, because a later redaction must name it.
    fn content(&mut self, position: Position, leaf: &Leaf<'_>, content: Content<'_>) -> Result<(), EntryFault> {
        let Some((salt, data)) = content else {
            let (event_type, version) = (leaf.event_type.to_string(), leaf.version()?);
            self.missing.insert(position, MissingData { position, job: leaf.job_key()?, event_type, version });
            return Ok(());
        };
        check_digest(leaf, salt, data)?;
        if leaf.is(EventType::Redacted) { self.redaction(position, leaf, data) } else { Ok(()) }
    }

    /// Checks that the ledger would accept this redaction. If the named event has no data, the redaction explains the gap.
    fn redaction(&mut self, position: Position, leaf: &Leaf<'_>, data: &[u8]) -> Result<(), EntryFault> {
        let version = leaf.version()?;
        let Event::Redacted(redacted) = decode(EventType::Redacted.as_str(), version, data)? else { return Ok(()) };
        let residue = StoredRedaction::read(version, data)?.residue;
        let job = leaf.job_key()?;
        if !job.as_ref().and_then(|key| self.jobs.get(key)).is_some_and(|job| job.ended) {
            return Err(EntryFault::JobOpen);
        }
        let named = redacted.position;
        if named >= position {
            return Err(EntryFault::RedactsLater(named));
        }
        if self.redacted.contains(&named) {
            return Err(EntryFault::RedactsTwice(named));
        }
        let Some(missing) = self.missing.get(&named) else {
            self.unapplied.push(Unapplied { redaction: position, named });
            return Ok(());
        };
        if missing.job != job || missing.event_type == EventType::Redacted.as_str() {
            return Err(EntryFault::RedactsOther(named));
        }
        if !is_residue(&missing.event_type, missing.version, &residue) {
            return Err(EntryFault::Residue { position: named, event_type: missing.event_type.clone() });
        }
        self.missing.remove(&named);
        self.redacted.insert(named);
        Ok(())
    }
}

/// Checks that the leaf commits to this salt and this data.
///
/// # Errors
/// [`EntryFault::Salt`] or [`EntryFault::Digest`].
pub fn check_digest(leaf: &Leaf<'_>, salt: &[u8], data: &[u8]) -> Result<(), EntryFault> {
    let salt = salt.try_into().map_err(|_| EntryFault::Salt(salt.len()))?;
    if datadigest(salt, data) == leaf.datadigest { Ok(()) } else { Err(EntryFault::Digest) }
}

fn at(position: Position, leaf: &Leaf<'_>) -> Result<(), EntryFault> {
    let found = leaf.position()?;
    if found == position { Ok(()) } else { Err(EntryFault::Position { expected: position, found }) }
}

/// The ledger's own events belong to no job and no organisation.
fn own(leaf: &Leaf<'_>) -> Result<(), EntryFault> {
    if !leaf.event_type.starts_with("ledger.") {
        return Err(EntryFault::NoJob(leaf.event_type.to_string()));
    }
    match (&leaf.orgid, &leaf.subject, &leaf.jobkind, &leaf.prev) {
        (None, None, None, None) => Ok(()),
        _ => Err(EntryFault::NotOwn(leaf.event_type.to_string())),
    }
}

fn shown(position: &Option<Position>) -> String {
    position.map_or("none".into(), |position| position.to_string())
}
