//! What each event must be after those before it.

use std::collections::{BTreeMap, HashMap, HashSet};

use sha2::{Digest, Sha256};

use super::report::{Class, Fault};
use crate::history::is_residue;
use crate::job::{Event, EventType, JobKey, Kind, Position, Time};
use crate::wire::{Leaf, StoredRedaction, datadigest, decode};

/// Salt and data of an event, as stored; `None` where they are gone.
pub type Content<'a> = Option<(&'a [u8], &'a [u8])>;

/// The events so far. Keeps some 100 bytes for each job and 16 for each event's name.
#[derive(Default)]
pub(crate) struct Events {
    recorded: Option<Time>,
    jobs: HashMap<JobKey, JobSoFar>,
    names: HashSet<[u8; 16]>,
    /// Events without data, until an erasure explains them.
    missing: BTreeMap<Position, Missing>,
    /// Events whose erasure was explained.
    erased: HashSet<Position>,
    /// Erasures that were recorded, while the data is still there.
    not_erased: Vec<String>,
}

/// What is known of a job that has come.
struct JobSoFar {
    newest: Position,
    kind: Kind,
    ended: bool,
}

/// An event without data.
struct Missing {
    job: Option<JobKey>,
    event_type: String,
    version: u32,
}

impl Events {
    /// How many have lost their data to a recorded erasure.
    pub(crate) fn erased(&self) -> u64 {
        self.erased.len() as u64
    }

    /// What was to be erased, and was not.
    pub(crate) fn not_erased(&mut self) -> Vec<String> {
        std::mem::take(&mut self.not_erased)
    }

    /// Takes the next event, which belongs at `position`, and tells each thing that is wrong with it. Answers its leaf where that can be read.
    pub(crate) fn take<'a>(
        &mut self,
        position: Position,
        bytes: &'a [u8],
        content: Content<'_>,
        fault: &mut impl FnMut(Fault),
    ) -> Option<Leaf<'a>> {
        let leaf = match Leaf::parse_strict(bytes) {
            Ok(leaf) => leaf,
            Err(error) => {
                fault(Fault { class: Class::Content, position: Some(position), job: None, what: error.to_string() });
                return None;
            }
        };
        let job = leaf.subject.as_deref().map(str::to_owned);
        let mut wrong = |class, what| fault(Fault { class, position: Some(position), job: job.clone(), what });
        for checked in [self.place(position, &leaf), self.time(&leaf), self.name(&leaf), self.chain(position, &leaf)] {
            if let Err(what) = checked {
                wrong(Class::Content, what);
            }
        }
        if let Err(what) = self.data(position, &leaf, content) {
            wrong(Class::Content, what);
        }
        Some(leaf)
    }

    /// Events whose data is missing without an erasure, once all events were taken.
    pub(crate) fn missing(&self) -> impl Iterator<Item = Fault> {
        self.missing.iter().map(|(position, Missing { job, .. })| Fault {
            class: Class::Missing,
            position: Some(*position),
            job: job.as_ref().map(|key| key.id.to_string()),
            what: "its data is missing, and no later `job.redacted` of its job names it".into(),
        })
    }

    fn place(&self, position: Position, leaf: &Leaf<'_>) -> Result<(), String> {
        match leaf.position() {
            Ok(found) if found == position => Ok(()),
            _ => Err(format!("expected the entry of position {position} here, found that of {}", leaf.position)),
        }
    }

    fn time(&mut self, leaf: &Leaf<'_>) -> Result<(), String> {
        let recorded = leaf.recorded().map_err(|error| error.to_string())?;
        let before = self.recorded.replace(recorded).filter(|before| recorded < *before);
        match before {
            Some(before) => Err(format!("recorded at {recorded}, before the event before it, which was at {before}")),
            None => Ok(()),
        }
    }

    fn name(&mut self, leaf: &Leaf<'_>) -> Result<(), String> {
        let mut hash = Sha256::new();
        for part in [leaf.orgid.as_deref().unwrap_or(""), &leaf.source, &leaf.id] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        let name = hash.finalize().first_chunk().copied().expect("a hash has 32 bytes");
        if self.names.insert(name) {
            return Ok(());
        }
        Err(format!("an event of the source `{}` with the id `{}` came before", leaf.source, leaf.id))
    }

    fn chain(&mut self, position: Position, leaf: &Leaf<'_>) -> Result<(), String> {
        let Some(key) = key(leaf)? else {
            let own = leaf.prev.is_none() && leaf.jobkind.is_none() && leaf.event_type.starts_with("ledger.");
            return if own { Ok(()) } else { Err(format!("expected a job on `{}`, found none", leaf.event_type)) };
        };
        let (prev, kind) = (leaf.prev().map_err(|error| error.to_string())?, leaf.kind().map_err(|e| e.to_string())?);
        let kind = kind.ok_or("expected the job's kind, found none")?;
        let ended = EventType::named(&leaf.event_type).is_some_and(EventType::ends_job);
        let before = match self.jobs.get_mut(&key) {
            Some(job) => {
                let before = (job.newest, job.kind);
                *job = JobSoFar { newest: position, kind, ended: job.ended || ended };
                Some(before)
            }
            None => {
                self.jobs.insert(key, JobSoFar { newest: position, kind, ended });
                None
            }
        };
        let expected = before.map(|(position, _)| position);
        if prev != expected {
            let name = |position: Option<Position>| position.map_or("none".to_owned(), |p| p.to_string());
            return Err(format!("expected `prev` {}, the job's event before, found {}", name(expected), name(prev)));
        }
        match before {
            Some((_, known)) if known != kind => Err(format!("expected a job of the kind {known}, found {kind}")),
            _ => Ok(()),
        }
    }

    fn data(&mut self, position: Position, leaf: &Leaf<'_>, content: Content<'_>) -> Result<(), String> {
        let Some((salt, data)) = content else {
            let version = leaf.version().map_err(|error| error.to_string())?;
            let (job, event_type) = (key(leaf)?, leaf.event_type.to_string());
            self.missing.insert(position, Missing { job, event_type, version });
            return Ok(());
        };
        let salt = salt.try_into().map_err(|_| format!("expected a salt of 32 bytes, found {}", salt.len()))?;
        if datadigest(salt, data) != leaf.datadigest {
            return Err("its data is not what its entry commits to".into());
        }
        if leaf.is(EventType::Redacted) { self.erasure(position, leaf, data) } else { Ok(()) }
    }

    /// Whether an erasure is one that the ledger records, and which missing data it explains.
    fn erasure(&mut self, position: Position, leaf: &Leaf<'_>, data: &[u8]) -> Result<(), String> {
        let version = leaf.version().map_err(|error| error.to_string())?;
        let decoded = decode(EventType::Redacted.as_str(), version, data).map_err(|error| error.to_string())?;
        let Event::Redacted(redacted) = decoded else { return Err("its data is of another event".into()) };
        let kept = StoredRedaction::read(version, data).map_err(|error| error.to_string())?.residue;
        let job = key(leaf)?;
        if !job.as_ref().and_then(|key| self.jobs.get(key)).is_some_and(|job| job.ended) {
            return Err("it erases data of a job that had not ended, which nobody may".into());
        }
        let named = redacted.position;
        if named >= position {
            return Err(format!("it erases event {named}, which is not before it"));
        }
        if self.erased.contains(&named) {
            return Err(format!("it erases event {named}, which was erased before it"));
        }
        let Some(missing) = self.missing.get(&named) else {
            self.not_erased.push(format!("event {position} erases the data of event {named}, which is still there"));
            return Ok(());
        };
        if missing.job != job || missing.event_type == EventType::Redacted.as_str() {
            return Err(format!("it erases event {named}, which is none of its job that may be erased"));
        }
        if !is_residue(&missing.event_type, missing.version, &kept) {
            return Err(format!("what it keeps of event {named} is not what is left of a `{}`", missing.event_type));
        }
        self.missing.remove(&named);
        self.erased.insert(named);
        Ok(())
    }
}

fn key(leaf: &Leaf<'_>) -> Result<Option<JobKey>, String> {
    match (leaf.org().map_err(|error| error.to_string())?, leaf.subject.as_deref()) {
        (Some(org), Some(subject)) => {
            let id = subject.parse().map_err(|_| format!("subject `{subject}`"))?;
            Ok(Some(JobKey { org, id }))
        }
        _ => Ok(None),
    }
}
