//! One request inside a commit: known already, guarded, decided, and written.

mod redaction;

use std::borrow::Cow;
use std::num::NonZeroUsize;

use lru::LruCache;
use uuid::Uuid;

use self::redaction::residue_of;
use super::append::{AppendError, Guard, Placed, Prepared, Request, Standing};
use super::clock;
use super::commit::is_long;
use super::projection::CommittedFacts;
use crate::cache::JobCache;
use crate::history::{self, fold_job};
use crate::job::{Decision, Event, Fact, Job, JobId, JobKey, Kind, Position, Refusal, Time, decide};
use crate::log::{self, Found, NewEvent, StreamId, Writer};
use crate::memory::Budget;
use crate::sqlite::ErrorKind;
use crate::wire::{Incoming, Leaf, StoredRedaction, datadigest, with_residue};

/// Rows of jobs that the writer remembers.
const STREAMS: NonZeroUsize = NonZeroUsize::new(100_000).expect("not zero");

/// Who decides: the log's writer, the jobs as they are at this point of the commit, and the next position.
pub(super) struct Desk {
    pub log: Writer,
    pub head: Position,
    /// The ledger's time in this commit ([`clock::time`]): an event's `time` where its producer gives none.
    now: Time,
    /// When this commit's events are recorded. Never falls, whatever the clock does.
    recorded: Recorded,
    /// The leaves that the open transaction wrote, as they were meant.
    written: Vec<Vec<u8>>,
    /// What they say, and about how many bytes that is: for the views.
    facts: Vec<Fact>,
    bytes: usize,
    /// The jobs of which the open transaction erases something.
    erased: Vec<JobKey>,
    /// How the jobs of the request stood before it; `None` for one that did not exist.
    before: Vec<(JobKey, Option<Standing>)>,
    jobs: JobCache,
    streams: LruCache<JobKey, StreamId>,
}

/// When events are recorded, also as leaves have it: most of a commit is recorded at one moment.
struct Recorded {
    time: Time,
    text: String,
    with_micros: String,
}

impl Recorded {
    fn at(time: Time) -> Recorded {
        Recorded { time, text: time.to_string(), with_micros: time.with_micros() }
    }

    fn move_to(&mut self, time: Time) {
        if time != self.time {
            *self = Recorded::at(time);
        }
    }
}

/// What a commit brought.
pub(super) struct Committed {
    /// What the views need of it; `None` where they have to read the log.
    pub facts: Option<CommittedFacts>,
    /// Whether it erased anything.
    pub erased: bool,
}

/// Why a request has no answer yet.
enum Stop {
    /// The request is refused; the commit goes on.
    Refuse(AppendError),
    /// The log failed; the commit is off.
    Fail(log::Error),
}

impl From<log::Error> for Stop {
    fn from(error: log::Error) -> Stop {
        Stop::Fail(error)
    }
}

impl From<AppendError> for Stop {
    fn from(error: AppendError) -> Stop {
        Stop::Refuse(error)
    }
}

impl Desk {
    pub(super) fn new(log: Writer, jobs: Budget) -> Result<Desk, log::Error> {
        let mut desk = Desk {
            log,
            head: Position::GENESIS,
            now: Time::from_micros(0),
            recorded: Recorded::at(Time::from_micros(0)),
            written: Vec::new(),
            facts: Vec::new(),
            bytes: 0,
            erased: Vec::new(),
            before: Vec::new(),
            jobs: JobCache::new(jobs),
            streams: LruCache::new(STREAMS),
        };
        desk.reload()?;
        Ok(desk)
    }

    /// Drops everything that is kept in memory and reads the head from the file again: after a commit that failed, the
    /// file is the only witness.
    pub(super) fn reload(&mut self) -> Result<(), log::Error> {
        self.jobs.clear();
        self.streams.clear();
        self.written.clear();
        self.facts.clear();
        self.bytes = 0;
        self.erased.clear();
        let reader = self.log.reader();
        self.head = reader.head()?;
        self.recorded = Recorded::at(reader.recorded(self.head)?.unwrap_or(Time::from_micros(0)));
        Ok(())
    }

    /// The leaves of the open transaction.
    pub(super) fn written(&self) -> &[Vec<u8>] {
        &self.written
    }

    /// The transaction is committed.
    pub(super) fn committed(&mut self) -> Committed {
        let (written, facts) = (std::mem::take(&mut self.written), std::mem::take(&mut self.facts));
        let bytes = std::mem::take(&mut self.bytes);
        let erased = !self.erased.is_empty();
        // They were folded from what is gone. Until here they were only decided on, by what no text has a part in.
        self.erased.drain(..).for_each(|key| drop(self.jobs.take(&key)));
        // What is erased is folded again, and only the log has what is left of it.
        let whole = !erased && written.len() == facts.len();
        let newest = written.into_iter().next_back().filter(|_| whole);
        let facts = newest.map(|newest_leaf| CommittedFacts { facts, newest_leaf, bytes });
        Committed { facts, erased }
    }

    /// Decides a request and writes its events into the open transaction. The inner error refuses the request and leaves
    /// no trace of it; the outer one ends the commit.
    pub(super) fn admit(
        &mut self,
        request: &Request,
        now: Time,
    ) -> Result<Result<Vec<Placed>, AppendError>, log::Error> {
        let (head, recorded, written) = (self.head, self.recorded.time, self.written.len());
        let erased = self.erased.len();
        // A single event writes only after everything is decided, so only several need a way back.
        let several = request.events.len() > 1;
        if several {
            self.log.savepoint()?;
        }
        self.before.clear();
        self.now = clock::time(now, recorded);
        self.recorded.move_to(recorded.max(now));
        match self.admit_all(request) {
            Ok(appended) => {
                if several {
                    self.log.release()?;
                }
                Ok(Ok(appended))
            }
            Err(Stop::Fail(error)) => Err(error),
            Err(Stop::Refuse(refusal)) => {
                if several {
                    self.log.rollback_to_savepoint()?;
                    self.forget(written);
                }
                self.head = head;
                self.recorded.move_to(recorded);
                self.written.truncate(written);
                self.facts.truncate(written);
                self.erased.truncate(erased);
                Ok(Err(self.with_standing(request, refusal)))
            }
        }
    }

    fn admit_all(&mut self, request: &Request) -> Result<Vec<Placed>, Stop> {
        let mut guard = request.guard.as_ref();
        let mut events = Vec::with_capacity(request.events.len());
        for index in 0..request.events.len() {
            let event = self.admit_one(request, index, guard)?;
            // What comes after the first new event follows that one.
            guard = guard.filter(|_| event.duplicate);
            events.push(event);
        }
        Ok(events)
    }

    /// The answer to one event. That its name is known already goes before everything else that could be said of it. A new
    /// event finds out when it is written, since its name is a unique key, so only where that fails, or is refused, the log
    /// is asked. One that starts a job asks first: it would leave the job's row behind.
    fn admit_one(&mut self, request: &Request, index: usize, guard: Option<&Guard>) -> Result<Placed, Stop> {
        let incoming = &request.events[index].incoming;
        if let Event::Created(_) = incoming.event
            && let Some(known) = self.known(request, index, incoming)?
        {
            return Ok(known);
        }
        match self.admit_new(request, index, guard) {
            Ok(event) if !event.duplicate => Ok(event),
            Err(Stop::Fail(error)) if !error.is(ErrorKind::Taken) => Err(Stop::Fail(error)),
            unless_known => self.known(request, index, incoming)?.map_or(unless_known, Ok),
        }
    }

    fn admit_new(&mut self, request: &Request, index: usize, guard: Option<&Guard>) -> Result<Placed, Stop> {
        let prepared = &request.events[index];
        let incoming = &prepared.incoming;
        let key = JobKey { org: request.org, id: incoming.subject.clone().unwrap_or_else(mint) };
        self.ensure_loaded(request, &key, index)?;
        // The first entry of a job is the one that counts, so only neighbours are compared.
        if self.before.last().is_none_or(|(last, _)| *last != key) {
            self.before.push((key.clone(), self.jobs.get(&key).map(Standing::of)));
        }
        if let Some(guard) = guard {
            check_guard(guard, self.jobs.get(&key).map(|job| job.position))?;
        }
        let (position, duplicate) = match self.record(request, index, prepared, &key)? {
            Decision::Record => (self.head, false),
            Decision::AlreadyCancelled(position) => (position, true),
        };
        Ok(Placed { subject: key.id, position, duplicate })
    }

    /// The answer to an event that the log has already: the same content, the first answer.
    fn known(&mut self, request: &Request, index: usize, incoming: &Incoming) -> Result<Option<Placed>, Stop> {
        let found = self.log.reader().named(Some(request.org), &incoming.source, &incoming.id)?;
        let Some(found) = found else { return Ok(None) };
        match same_content(&found, incoming) {
            Some(subject) => Ok(Some(Placed { subject, position: found.position, duplicate: true })),
            None => Err(AppendError::IdReused { index, position: found.position }.into()),
        }
    }

    /// Decides one event and, where it is to be recorded, writes it at the new head.
    fn record(&mut self, request: &Request, index: usize, prepared: &Prepared, key: &JobKey) -> Result<Decision, Stop> {
        let incoming = &prepared.incoming;
        let time = incoming.time.unwrap_or(self.now);
        let job = self.jobs.get(key);
        let decision = decide(job, key, &incoming.event, time, self.now).map_err(|refusal| AppendError::Refused {
            index,
            refusal,
            standing: None,
        })?;
        if decision != Decision::Record {
            return Ok(decision);
        }
        let known = job.map(|job| (job.position, job.kind, job.state.status()));
        let prev = known.map(|(position, ..)| position);
        let kind = match (known, &incoming.event) {
            (Some((_, kind, _)), _) => kind,
            (None, Event::Created(created)) => created.spec.kind(),
            (None, _) => unreachable!("only `job.created` is decided without a job"),
        };
        let position = self.head.next();
        match (known, &incoming.event) {
            (Some((.., status)), Event::Redacted(redacted)) => {
                let residue = residue_of(&self.log.reader(), key, status, redacted)?;
                let residue = residue.map_err(|cannot| cannot.at(index))?;
                let data = with_residue(&incoming.data, &residue);
                let digest = datadigest(&prepared.salt, &data);
                self.write(request, prepared, (&data, &digest), (key, kind), time, (prev, position))?;
                self.log.erase(redacted.position)?;
                self.erased.push(key.clone());
            }
            _ => {
                let data = (incoming.data.as_slice(), prepared.digest.as_str());
                self.write(request, prepared, data, (key, kind), time, (prev, position))?;
            }
        }
        self.head = position;
        let fact =
            Fact { key: key.clone(), position, time, actor: request.actor.clone(), event: incoming.event.clone() };
        self.facts.push(fact.clone());
        self.bytes += incoming.data.len() + 512;
        let decided = "decided by the same state machine";
        match prev {
            Some(_) => drop(self.jobs.update(key, incoming.data.len(), |job| job.apply(fact).expect(decided))),
            None => self.jobs.put(Job::begin(fact).expect(decided)),
        }
        Ok(Decision::Record)
    }

    fn write(
        &mut self,
        request: &Request,
        prepared: &Prepared,
        (data, digest): (&[u8], &str),
        (key, kind): (&JobKey, Kind),
        time: Time,
        (prev, position): (Option<Position>, Position),
    ) -> Result<(), Stop> {
        let incoming = &prepared.incoming;
        let stream = self.stream(key, prev, kind)?;
        let event_type = incoming.event.event_type().as_str();
        let text = Cow::Borrowed::<str>;
        let leaf = Leaf {
            specversion: text("1.0"),
            id: text(&incoming.id),
            source: text(&incoming.source),
            event_type: text(event_type),
            subject: Some(text(key.id.as_str())),
            time: if time == self.recorded.time { text(&self.recorded.text) } else { Cow::Owned(time.to_string()) },
            datacontenttype: text("application/json"),
            dataschema: Cow::Owned(format!(
                "/schema/events/{event_type}.v{}.json",
                incoming.event.event_type().version()
            )),
            position: Cow::Owned(position.to_string()),
            recordedtime: text(&self.recorded.with_micros),
            actor: text(&request.actor),
            orgid: Some(Cow::Owned(request.org.to_string())),
            jobkind: Some(text(kind.as_str())),
            datadigest: text(digest),
            prev: prev.map(|prev| Cow::Owned(prev.to_string())),
        };
        let leaf = leaf.to_bytes();
        self.log.append(&NewEvent {
            position,
            leaf: &leaf,
            content: Some((data, &prepared.salt)),
            job: Some((request.org, stream, kind, prev.unwrap_or(Position::GENESIS))),
            source: &incoming.source,
            id: &incoming.id,
            event_type,
            version: incoming.event.event_type().version(),
            recorded: self.recorded.time,
        })?;
        self.written.push(leaf);
        Ok(())
    }

    /// The job's row in the log; made with the job.
    fn stream(&mut self, key: &JobKey, prev: Option<Position>, kind: Kind) -> Result<StreamId, Stop> {
        if let Some(stream) = self.streams.get(key) {
            return Ok(*stream);
        }
        let known = if prev.is_some() { self.log.reader().stream(key.org, &key.id)? } else { None };
        let stream = match known {
            Some(stream) => stream,
            None => self.log.new_stream(key.org, &key.id, kind)?,
        };
        self.streams.put(key.clone(), stream);
        Ok(stream)
    }

    /// Before a commit: whether the request's jobs are in memory or short. A long one is to be folded by the loader thread;
    /// what the loader has folded is taken here.
    pub(super) fn warm(&mut self, request: &mut Request) -> Result<bool, log::Error> {
        if let Some(folded) = &mut request.folded {
            for job in std::mem::take(&mut folded.jobs) {
                self.take_folded(job);
            }
            return Ok(true);
        }
        for key in request.jobs() {
            if self.jobs.get(&key).is_none() && is_long(&self.log.reader(), &key)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Takes a job that the loader thread folded, and what the log has recorded of it since.
    fn take_folded(&mut self, job: Job) {
        let key = job.key.clone();
        if self.jobs.get(&key).is_some() {
            return;
        }
        // A job that does not fold is left out: the commit finds that again and refuses the request.
        if let Ok(Some(job)) = fold_job(&self.log.reader(), &key, Some(job), Position::MAX) {
            self.jobs.put(job);
        }
    }

    /// Brings the job into memory from the log, this commit's events included. The views have no say: they can be edited,
    /// and what is decided here is signed.
    fn ensure_loaded(&mut self, request: &Request, key: &JobKey, index: usize) -> Result<(), Stop> {
        if self.jobs.get(key).is_some() {
            return Ok(());
        }
        if request.folded.as_ref().is_some_and(|folded| folded.unfoldable.contains(key)) {
            return Err(AppendError::Unreadable { index }.into());
        }
        // A job that the log does not name has no events.
        let Some(stream) = self.log.reader().stream(key.org, &key.id)? else { return Ok(()) };
        self.streams.put(key.clone(), stream);
        match fold_job(&self.log.reader(), key, None, Position::MAX) {
            Ok(Some(job)) => self.jobs.put(job),
            Ok(None) => {}
            Err(history::Error::Log(error)) => return Err(Stop::Fail(error)),
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, job = %key.id, "a job cannot be read");
                return Err(AppendError::Unreadable { index }.into());
            }
        }
        Ok(())
    }

    /// Adds to a refusal for the job's state how the job stands in the log, where nothing of the request is any more.
    fn with_standing(&self, request: &Request, refused: AppendError) -> AppendError {
        let AppendError::Refused {
            index, refusal: refusal @ (Refusal::Lifecycle(_) | Refusal::RuledOut { .. }), ..
        } = refused
        else {
            return refused;
        };
        let subject = request.events[index].incoming.subject.as_ref();
        let before = self.before.iter().find(|(key, _)| Some(&key.id) == subject);
        AppendError::Refused { index, refusal, standing: before.and_then(|(_, standing)| *standing) }
    }

    /// Forgets the jobs that took an event of a refused request: the facts from number `written` on were rolled back.
    fn forget(&mut self, written: usize) {
        for fact in &self.facts[written..] {
            self.jobs.take(&fact.key);
            self.streams.pop(&fact.key);
        }
    }
}

fn mint() -> JobId {
    Uuid::now_v7().hyphenated().to_string().parse().expect("a UUID is a valid job id")
}

fn check_guard(guard: &Guard, found: Option<Position>) -> Result<(), AppendError> {
    let holds = match guard {
        Guard::NoJob => found.is_none(),
        Guard::AnyJob => found.is_some(),
        Guard::Newest(expected) => found.is_some_and(|found| expected.contains(&found)),
    };
    if holds { Ok(()) } else { Err(AppendError::GuardFailed { found }) }
}

/// Whether the stored event is what the producer sends now; answers its subject. What the producer left out matches
/// whatever was filled in, and erased data matches any.
fn same_content(found: &Found, incoming: &Incoming) -> Option<JobId> {
    let leaf = Leaf::parse(&found.leaf).ok()?;
    let subject: JobId = leaf.subject.as_deref()?.parse().ok()?;
    let same = leaf.is(incoming.event.event_type())
        && incoming.subject.as_ref().is_none_or(|given| *given == subject)
        && incoming.time.is_none_or(|given| leaf.time().is_ok_and(|time| time == given))
        && found.data.as_ref().is_none_or(|data| match incoming.event {
            // What the ledger added is not the producer's.
            Event::Redacted(_) => leaf.version().is_ok_and(|version| {
                StoredRedaction::read(version, data).is_ok_and(|stored| stored.sent == incoming.data)
            }),
            _ => *data == incoming.data,
        });
    same.then_some(subject)
}
