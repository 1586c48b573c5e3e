//! Live jobs: the messages that tell what changed of a job. The watchers of a job share them.
//!
//! The watcher that wakes first makes the next message, and the others wait for it. A message tells values and no steps, so a watcher
//! that begins between two messages takes the next one as it is.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Weak};

use bytes::Bytes;
use tokio::time::{Instant, sleep_until};

use super::PACE;
use super::frame::event_frame;
use crate::blocking::off_thread;
use crate::job::{Event, Fact, JobKey, Note, Position, Summary};
use crate::ledger::{Found, Ledger, ReadError, Shown};
use crate::model::{SHOWN_PARTS, job_change};

/// Bytes of older messages that a job keeps for watchers that are behind, beside the newest message.
const KEPT: usize = 32 << 10;

/// The live jobs of a server: those with a watcher.
#[derive(Debug, Default)]
pub struct LiveJobs(parking_lot::Mutex<HashMap<JobKey, Weak<LiveJob>>>);

impl LiveJobs {
    /// The messages of a job, which the caller found as it is now. Watchers of the same job get the same value.
    pub fn of(&self, found: &Found) -> Arc<LiveJob> {
        let mut jobs = self.0.lock();
        if let Some(job) = jobs.get(&found.key).and_then(Weak::upgrade) {
            return job;
        }
        jobs.retain(|_, job| job.strong_count() > 0);
        let job = Arc::new(LiveJob::new(found));
        jobs.insert(found.key.clone(), Arc::downgrade(&job));
        job
    }
}

/// The messages of one job.
#[derive(Debug)]
pub struct LiveJob {
    key: JobKey,
    state: tokio::sync::Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The job at the end of the newest message.
    base: Arc<Summary>,
    messages: Messages,
    /// When the job was last looked at.
    looked: Instant,
}

/// The newest messages of a job, each from the end of the one before.
#[derive(Debug, Default)]
struct Messages(VecDeque<Message>);

/// The change from one revision to a later one.
#[derive(Debug, Clone)]
struct Message {
    from: Position,
    to: Position,
    bytes: Bytes,
    ended: bool,
}

/// What a watcher of a job does next.
#[derive(Debug)]
pub enum NextOfJob {
    /// Waits: the job has not changed up to this position.
    Same(Position),
    /// Sends the messages.
    Changed {
        /// The messages.
        bytes: Vec<Bytes>,
        /// The job's revision after them.
        revision: Position,
        /// Whether the job has ended.
        ended: bool,
    },
    /// Sends the whole job: too much has changed for a message, or the watcher is too far behind.
    Whole,
}

impl LiveJob {
    fn new(found: &Found) -> LiveJob {
        let state = State { base: summary(found), messages: Messages::default(), looked: Instant::now() };
        LiveJob { key: found.key.clone(), state: state.into() }
    }

    /// What follows for a watcher that shows the job at revision `shown`: messages that are there, or else one that this call makes
    /// when [`PACE`] allows it.
    ///
    /// # Errors
    /// Those of [`Ledger::job`].
    pub async fn next(&self, ledger: &Ledger, shown: Position) -> Result<NextOfJob, ReadError> {
        // Held while the message is made. If the watcher that makes it goes away, the next one that waits makes it.
        let mut state = self.state.lock().await;
        // The kept messages may have data that was redacted since.
        if ledger.newest_redaction() > state.base.position {
            state.messages = Messages::default();
        }
        if state.base.position > shown {
            return Ok(state.messages.after(shown));
        }
        sleep_until(state.looked + PACE).await;
        let Shown { value: found, position, .. } = ledger.job(&self.key, None).await?;
        state.looked = Instant::now();
        let Some(found) = found.filter(|found| found.position > state.base.position) else {
            return Ok(NextOfJob::Same(position));
        };
        let (now, base) = (summary(&found), state.base.clone());
        let ledger = ledger.clone();
        let message = off_thread(move || message(&ledger, &base, &found)).await?;
        state.base = now;
        match message {
            Some(message) => state.messages.keep(message),
            None => state.messages = Messages::default(),
        }
        Ok(if state.base.position > shown { state.messages.after(shown) } else { NextOfJob::Same(position) })
    }
}

/// The message from `base` to the job as it was found; `None` if that is too much for a message, or a redaction is in between.
fn message(ledger: &Ledger, base: &Summary, found: &Found) -> Result<Option<Message>, ReadError> {
    let (from, to, ended) = (base.position, found.position, found.state.ended_at().is_some());
    let Some(facts) = ledger.facts(&found.key, from, to)? else { return Ok(None) };
    let notes = newest_notes(ledger, found, &facts)?;
    // Asked for after the reads: they may have met an event whose data was redacted just now.
    if ledger.newest_redaction() > from {
        return Ok(None);
    }
    let change = job_change(base, found, facts, notes)?;
    let data = serde_json::to_vec(&change).expect("the messages are JSON");
    Ok(Some(Message { from, to, bytes: event_frame(Some(to), "changed", &data), ended }))
}

/// The job without its parts.
fn summary(found: &Found) -> Arc<Summary> {
    match found {
        Found::Whole(job) => Arc::new(job.summary.clone()),
        Found::Large { row, .. } => row.clone(),
    }
}

/// The newest notes and the number of all, if one of the facts is a note.
fn newest_notes(ledger: &Ledger, found: &Found, facts: &[Fact]) -> Result<Option<(Vec<Note>, usize)>, ReadError> {
    if !facts.iter().any(|fact| matches!(fact.event, Event::Noted(_))) {
        return Ok(None);
    }
    let count = found.notes();
    let notes = match found {
        Found::Whole(job) => job.notes[count.saturating_sub(SHOWN_PARTS)..].to_vec(),
        Found::Large { row, .. } => ledger.newest_notes(row.created_position, count, SHOWN_PARTS)?,
    };
    Ok(Some((notes, count)))
}

impl Messages {
    /// The messages for a watcher that shows the job at `shown`.
    fn after(&self, shown: Position) -> NextOfJob {
        let first = self.0.partition_point(|message| message.to <= shown);
        let later = self.0.range(first..);
        match (self.0.get(first), self.0.back()) {
            (Some(first), Some(last)) if first.from <= shown => NextOfJob::Changed {
                bytes: later.map(|message| message.bytes.clone()).collect(),
                revision: last.to,
                ended: last.ended,
            },
            _ => NextOfJob::Whole,
        }
    }

    /// Keeps a message, and older ones as long as they fit.
    fn keep(&mut self, message: Message) {
        self.0.push_back(message);
        let older =
            |kept: &VecDeque<Message>| kept.iter().rev().skip(1).map(|message| message.bytes.len()).sum::<usize>();
        while older(&self.0) > KEPT {
            self.0.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::job::OrgId;
    use crate::ledger::{Append, Folder, Options};
    use crate::mask::Mask;
    use crate::wire;

    fn message(from: u64, to: u64, bytes: usize) -> Message {
        Message { from: Position::new(from), to: Position::new(to), bytes: vec![b'x'; bytes].into(), ended: false }
    }

    /// How many messages a watcher gets that shows the job at `shown`; `None` if it gets the whole job.
    fn taken(all: &Messages, shown: u64) -> Option<usize> {
        match all.after(Position::new(shown)) {
            NextOfJob::Changed { bytes, revision, .. } => {
                assert_eq!(revision, all.0.back().unwrap().to);
                Some(bytes.len())
            }
            NextOfJob::Whole => None,
            NextOfJob::Same(_) => panic!("there are messages"),
        }
    }

    #[test]
    fn a_watcher_gets_the_messages_after_its_revision_or_the_whole_job() {
        let mut all = Messages::default();
        for (from, to) in [(2, 5), (5, 6), (6, 9)] {
            all.keep(message(from, to, 10_000));
        }
        // A watcher that began between two messages takes the next one.
        assert_eq!([2, 3, 4, 5, 6, 7, 8].map(|shown| taken(&all, shown)), [3, 3, 3, 2, 1, 1, 1].map(Some));
        assert_eq!(taken(&all, 1), None);
        // The newest message stays, however long it is.
        all.keep(message(9, 10, 1 << 20));
        assert_eq!([5, 8, 9].map(|shown| taken(&all, shown)), [Some(3), Some(2), Some(1)]);
        all.keep(message(10, 11, 1));
        assert_eq!([9, 10].map(|shown| taken(&all, shown)), [None, Some(1)]);
    }

    #[test]
    fn a_kept_message_is_not_sent_after_the_redaction_of_its_data() {
        let dir = tempfile::tempdir().unwrap();
        let options = Options { create: true, ..Options::default() };
        let ledger = Ledger::open(Folder::new(dir.path().join("ledger")), options).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let append = |event_type: &str, data: Value| {
            let id = uuid::Uuid::now_v7();
            let event = json!([{"specversion": "1.0", "id": id, "source": "/w", "type": event_type, "subject": "a", "data": data}]);
            let events = wire::batch(event.to_string().as_bytes(), &Mask::default()).map_err(|_| ()).unwrap();
            let append = Append { org: OrgId::default(), actor: "w".into(), events, guard: None, lease: None };
            runtime.block_on(ledger.append(append)).unwrap().position()
        };
        append("job.created", json!({"kind": "task", "spec": {"job_type": "full_sync"}}));
        let started = append("job.started", json!({}));
        let key = JobKey { org: OrgId::default(), id: "a".parse().unwrap() };
        let found = runtime.block_on(ledger.job(&key, Some(started))).unwrap().value.unwrap();
        let live = LiveJobs::default().of(&found);
        let next = || runtime.block_on(live.next(&ledger, started)).unwrap();
        let output = append("job.hook_output", json!({"output": "Jane Doe"}));
        append("job.completed", json!({}));
        let (mut kept, mut has_ended) = (Vec::new(), false);
        while !has_ended {
            if let NextOfJob::Changed { bytes, ended, .. } = next() {
                (kept, has_ended) = (bytes, ended);
            }
        }
        assert!(kept.iter().any(|bytes| String::from_utf8_lossy(bytes).contains("Jane Doe")));
        append("job.redacted", json!({"position": output.get(), "reason": "a name"}));
        assert!(matches!(next(), NextOfJob::Whole));
        ledger.close();
    }
}
