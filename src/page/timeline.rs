//! A job's newest events as a timeline, and its progress over time.

use crate::history::{self, job_facts};
use crate::job::{Event, Fact, Job, Time};
use crate::ledger::{Ledger, ReadError};

/// Most entries of the timeline on a page.
const ENTRIES: usize = 100;
/// Newest events that the chart shows.
const CHARTED: usize = 2000;
/// Most characters of an entry's text.
const TEXT: usize = 300;

/// The end of a job's history.
pub(super) struct Story {
    /// The newest events, newest first.
    pub entries: Vec<Entry>,
    /// The percentage after each of the newest events, oldest first.
    pub points: Vec<(Time, u8)>,
}

/// An event in the timeline. `job.js` fills the same fields from the API's JSON.
#[derive(Default)]
pub(super) struct Entry {
    pub position: u64,
    pub event_type: &'static str,
    pub actor: String,
    pub time: String,
    pub text: String,
}

impl Story {
    /// Reads the story of the job up to the event that `job` shows.
    ///
    /// # Errors
    /// The log cannot be read, or the job does not fold.
    pub fn read(ledger: &Ledger, job: &Job) -> Result<Story, ReadError> {
        let start = ledger.log(|log| log.before_newest(job.position, CHARTED))?;
        let mut folded = ledger.past(&job.key, start)?;
        let (mut entries, mut points) = (Vec::new(), Vec::new());
        ledger.log(|log| {
            job_facts(log, &job.key, start, job.position, |fact| {
                let (position, time) = (fact.position, fact.time);
                entries.push(Entry::from(&fact));
                let job = match folded.take() {
                    None => Job::begin(fact),
                    Some(mut job) => job.apply(fact).map(|_| job),
                };
                let job = job.map_err(history::Error::misfit(position))?;
                points.push((time, job.percent()));
                folded = Some(job);
                Ok::<_, ReadError>(())
            })
        })?;
        entries.drain(..entries.len().saturating_sub(ENTRIES));
        entries.reverse();
        Ok(Story { entries, points })
    }
}

impl From<&Fact> for Entry {
    fn from(fact: &Fact) -> Entry {
        let text = text(&fact.event);
        let cut = text.char_indices().nth(TEXT).map(|(at, _)| format!("{}…", &text[..at]));
        Entry {
            position: fact.position.get(),
            event_type: fact.event.event_type().as_str(),
            actor: fact.actor.clone(),
            time: fact.time.to_string(),
            text: cut.unwrap_or(text),
        }
    }
}

/// The event in a few words.
fn text(event: &Event) -> String {
    let message = |message: &Option<String>| message.clone().unwrap_or_default();
    match event {
        Event::Created(created) => created.created_by.clone().map(|by| format!("for {by}")).unwrap_or_default(),
        Event::Started(started) => message(&started.message),
        Event::Progress(progress) => {
            let percent = progress.percent.map(|percent| format!("{percent} %"));
            let counted = progress.counts.processed.map(|processed| format!("{processed} records"));
            let parts = [percent, counted, progress.current_step.clone(), progress.message.clone()];
            parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
        }
        Event::ItemResult(result) => match &result.message {
            Some(message) => format!("{} {}: {message}", result.item, result.status),
            None => format!("{} {}", result.item, result.status),
        },
        Event::HookOutput(chunk) => match chunk.exit {
            Some(exit) => format!("exit code {} after {} s", exit.code, exit.seconds),
            None => chunk.output.as_deref().and_then(|output| output.lines().next()).unwrap_or("").to_owned(),
        },
        Event::Completed(completed) => message(&completed.message),
        Event::Failed(failed) => failed.message.clone(),
        Event::Cancelled(cancelled) => message(&cancelled.reason),
        Event::Noted(noted) => noted.text.clone(),
        Event::Redacted(redacted) => format!("event {}: {}", redacted.position, redacted.reason),
    }
}
