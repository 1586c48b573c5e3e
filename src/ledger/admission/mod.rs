//! Admission: deciding one append inside a commit. The append is a duplicate, a refusal, or accepted.
//!
//! An [`Admission`] writes into the open transaction and the jobs in memory, and gathers the events that it wrote and the new head.
//! If every event is accepted, the commit takes over events and head. Otherwise the commit drops them, and takes back the writes.
//!
//! Not here: the transaction that holds several appends (`commit::transaction`), and loading jobs (`commit::jobs`).

mod content;
mod place;
mod redaction;

use uuid::Uuid;

use self::content::same_subject;
use self::place::Place;
use self::redaction::residue;
use super::append::{AppendError, AppendedEvent, Guard, PreparedAppend, PreparedEvent, ROW_BYTES, Standing};
use super::commit::{Jobs, Stamp};
use super::leases::HeldLease;
use crate::history;
use crate::job::{Attempt, Decision, Event, Fact, Job, JobId, JobKey, Position, Refusal, Time, decide};
use crate::log::{self, NewEvent, Writer};
use crate::sqlite::ErrorKind;
use crate::wire::{Incoming, datadigest, with_residue};

/// One append inside the open commit.
pub(super) struct Admission<'c> {
    pub log: &'c mut Writer,
    pub jobs: &'c mut Jobs,
    pub stamp: &'c Stamp,
    pub append: &'c PreparedAppend,
    /// The newest position, events of the open commit and of this append included.
    pub head: Position,
    /// The newest position before this append.
    pub before: Position,
    /// The events of this append that the open transaction holds.
    pub written: Vec<Written>,
}

/// An event that the open transaction holds.
pub(super) struct Written {
    pub leaf: Vec<u8>,
    pub fact: Fact,
    /// About how many bytes the event takes in memory.
    pub bytes: usize,
    /// The job before the event; `None` for the event that creates the job.
    before: Option<Standing>,
}

/// Why an append is not accepted.
pub(super) enum Error {
    /// The append is refused. The commit continues.
    Refused(AppendError),
    /// The log failed, and the commit fails with it.
    Log(log::Error),
}

impl From<log::Error> for Error {
    fn from(error: log::Error) -> Error {
        Error::Log(error)
    }
}

impl From<AppendError> for Error {
    fn from(error: AppendError) -> Error {
        Error::Refused(error)
    }
}

/// The decision on one event.
enum Decided {
    /// The open transaction holds the event, and the job in memory has not folded it yet.
    Recorded(Recorded),
    /// The event cancels a job that is cancelled already; the first cancellation is at this position.
    AlreadyCancelled(Position),
}

/// An event in the open transaction.
struct Recorded {
    leaf: Vec<u8>,
    position: Position,
    time: Time,
    /// The job before the event; `None` for the event that creates the job.
    before: Option<Standing>,
}

impl Admission<'_> {
    /// Decides the events of the append, and writes the new ones into the open transaction.
    ///
    /// # Errors
    ///
    /// An event is refused, or the log failed. The transaction may then hold earlier events of the append.
    pub(super) fn admit(&mut self, events: Vec<PreparedEvent>) -> Result<Vec<AppendedEvent>, Error> {
        let mut guard = self.append.guard.as_ref();
        let mut appended = Vec::with_capacity(events.len());
        for (index, event) in events.into_iter().enumerate() {
            let event = self.admit_event(index, event, guard)?;
            // The guard is about the first new event. Later events follow that one.
            guard = guard.filter(|_| event.duplicate);
            appended.push(event);
        }
        Ok(appended)
    }

    /// Answers one event. A duplicate wins over every refusal: insert first, look the id up only on a conflict or a refusal.
    ///
    /// A `job.created` is looked up first, because a conflict would leave the new row of its job behind.
    fn admit_event(
        &mut self,
        index: usize,
        event: PreparedEvent,
        guard: Option<&Guard>,
    ) -> Result<AppendedEvent, Error> {
        if let Event::Created(_) = event.incoming.event
            && let Some((subject, position)) = self.duplicate(index, &event.incoming)?
        {
            return Ok(answer(event.incoming, subject, position));
        }
        let key = self.job_of(&event.incoming);
        let not_recorded = match self.record(index, &event, &key, guard) {
            Ok(Decided::Recorded(recorded)) => return Ok(self.fold(event, key, recorded)),
            Err(Error::Log(error)) if !error.is(ErrorKind::Taken) => return Err(error.into()),
            Ok(Decided::AlreadyCancelled(position)) => Ok((key.id, position)),
            Err(error) => Err(error),
        };
        let (subject, position) = match self.duplicate(index, &event.incoming)? {
            Some(stored) => stored,
            None => not_recorded?,
        };
        Ok(answer(event.incoming, subject, position))
    }

    /// The job that the event names, or a new one.
    fn job_of(&mut self, incoming: &Incoming) -> JobKey {
        let org = self.append.org;
        if let Some(id) = &incoming.subject {
            return JobKey { org, id: id.clone() };
        }
        let minted = Uuid::now_v7().hyphenated().to_string();
        let key = JobKey { org, id: minted.parse().expect("a UUID is a valid job id") };
        self.jobs.note_new(&key);
        key
    }

    /// The job and position of the stored event with the same `source` and `id`; `None` if the log holds no such event.
    ///
    /// # Errors
    ///
    /// The stored event has other content, or the log failed.
    fn duplicate(&self, index: usize, incoming: &Incoming) -> Result<Option<(JobId, Position)>, Error> {
        let found = self.log.reader().named(Some(self.append.org), &incoming.source, &incoming.id)?;
        let Some(found) = found else { return Ok(None) };
        match same_subject(&found, incoming) {
            Some(subject) => Ok(Some((subject, found.position))),
            None => Err(AppendError::IdReused { index, position: found.position }.into()),
        }
    }

    /// Decides a new event. An accepted one is written after the head into the open transaction.
    fn record(
        &mut self,
        index: usize,
        event: &PreparedEvent,
        key: &JobKey,
        guard: Option<&Guard>,
    ) -> Result<Decided, Error> {
        let incoming = &event.incoming;
        let time = incoming.time.unwrap_or(self.stamp.now);
        self.load(index, key)?;
        let job = self.jobs.get(key);
        check_guard(guard, job.map(|job| job.position))?;
        let lease = held_lease(self.append.lease.as_ref(), job, key, self.before);
        let decision = decide(job, key, Attempt { event: &incoming.event, time, now: self.stamp.now, lease });
        let kind = job.map(|job| job.kind);
        let before = job.map(|job| Standing::of(job));
        match decision {
            Ok(Decision::Record) => {}
            Ok(Decision::AlreadyCancelled(position)) => return Ok(Decided::AlreadyCancelled(position)),
            Err(refusal) => return Err(self.refused(index, key, refusal)),
        }
        let kind = match (kind, &incoming.event) {
            (Some(kind), _) => kind,
            (None, Event::Created(created)) => created.spec.kind(),
            (None, _) => unreachable!("only `job.created` is accepted without a job"),
        };
        let place = Place { key, kind, prev: before.map(|job| job.position), position: self.head.next(), time };
        let leaf = match (&incoming.event, before) {
            (Event::Redacted(redacted), Some(standing)) => {
                let residue = residue(&self.log.reader(), key, standing.state, redacted);
                let residue = residue.map_err(|error| self.not_redacted(index, key, error))?;
                let data = with_residue(&incoming.data, &residue);
                let leaf = self.write(event, &place, &data, &datadigest(&event.salt, &data))?;
                self.log.erase(redacted.position)?;
                leaf
            }
            _ => self.write(event, &place, &incoming.data, &event.digest)?,
        };
        Ok(Decided::Recorded(Recorded { leaf, position: place.position, time, before }))
    }

    /// Loads the job into memory.
    fn load(&mut self, index: usize, key: &JobKey) -> Result<(), Error> {
        if self.append.unfoldable.contains(key) {
            return Err(AppendError::Unreadable { index }.into());
        }
        match self.jobs.load(&self.log.reader(), key) {
            Ok(()) => Ok(()),
            Err(history::Error::Log(error)) => Err(Error::Log(error)),
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, job = %key.id, "a job cannot be read");
                Err(AppendError::Unreadable { index }.into())
            }
        }
    }

    /// Writes an accepted event into the open transaction; answers its leaf.
    fn write(
        &mut self,
        event: &PreparedEvent,
        place: &Place<'_>,
        data: &[u8],
        digest: &str,
    ) -> Result<Vec<u8>, log::Error> {
        let incoming = &event.incoming;
        let event_type = incoming.event.event_type();
        let leaf = place.leaf(incoming, &self.append.actor, self.stamp, digest).to_bytes();
        let row = self.jobs.row_or_new(self.log, place.key, place.kind)?;
        self.log.append(&NewEvent {
            position: place.position,
            leaf: &leaf,
            content: Some((data, &event.salt)),
            job: Some((place.key.org, row, place.kind, place.prev.unwrap_or(Position::GENESIS))),
            source: &incoming.source,
            id: &incoming.id,
            event_type: event_type.as_str(),
            version: incoming.version,
            recorded: self.stamp.recorded,
        })?;
        Ok(leaf)
    }

    /// Folds a recorded event into its job; answers the event.
    fn fold(&mut self, event: PreparedEvent, key: JobKey, recorded: Recorded) -> AppendedEvent {
        let Recorded { leaf, position, time, before } = recorded;
        let Incoming { id, source, event, data, .. } = event.incoming;
        let subject = key.id.clone();
        let fact = Fact { key, position, time, recorded: self.stamp.recorded, actor: self.append.actor.clone(), event };
        match before {
            Some(_) => self.jobs.apply(&fact, data.len()),
            None => self.jobs.begin(&fact),
        }
        self.head = position;
        self.written.push(Written { leaf, fact, bytes: data.len() + ROW_BYTES, before });
        AppendedEvent { id, source, subject, position, duplicate: false }
    }

    /// A refusal. If the job's state is the reason, the refusal shows the state before this append.
    fn refused(&mut self, index: usize, key: &JobKey, refusal: Refusal) -> Error {
        let standing = match refusal {
            Refusal::Lifecycle(_) | Refusal::RuledOut { .. } | Refusal::LeaseLost { .. } => {
                match self.written.iter().find(|written| written.fact.key == *key) {
                    Some(first) => first.before,
                    None => self.jobs.get(key).map(|job| Standing::of(job)),
                }
            }
            _ => None,
        };
        AppendError::Refused { index, refusal, standing }.into()
    }

    fn not_redacted(&mut self, index: usize, key: &JobKey, error: redaction::Error) -> Error {
        match error {
            redaction::Error::Refused(refusal) => self.refused(index, key, refusal),
            redaction::Error::Log(error) => error.into(),
            error => {
                tracing::error!(error = &error as &dyn std::error::Error, "an event cannot be redacted");
                AppendError::Unreadable { index }.into()
            }
        }
    }
}

/// The lease of the job `key` that the sender holds, by the position of its `job.started`. An append that begins a lease holds it for
/// its later events; `before` is the newest position before the append. A token of no job in the append is a lease that no job has.
fn held_lease(named: Option<&HeldLease>, job: Option<&Job>, key: &JobKey, before: Position) -> Option<Position> {
    let begun = job.and_then(|job| job.lease()).map(|lease| lease.since).filter(|since| *since > before);
    begun.or(match named {
        Some(HeldLease::OfJob { job, since }) if *job == key.id => Some(*since),
        Some(HeldLease::Foreign) => Some(Position::GENESIS),
        _ => None,
    })
}

/// The answer to an event that records nothing.
fn answer(incoming: Incoming, subject: JobId, position: Position) -> AppendedEvent {
    AppendedEvent { id: incoming.id, source: incoming.source, subject, position, duplicate: true }
}

fn check_guard(guard: Option<&Guard>, found: Option<Position>) -> Result<(), AppendError> {
    let holds = match guard {
        None => true,
        Some(Guard::NoJob) => found.is_none(),
        Some(Guard::AnyJob) => found.is_some(),
        Some(Guard::Newest(expected)) => found.is_some_and(|found| expected.contains(&found)),
    };
    if holds { Ok(()) } else { Err(AppendError::GuardFailed { found }) }
}
