//! A job's events as a timeline, newest first, and its progress over time.

use super::terminal::Terminal;
use crate::history::{self, job_facts};
use crate::job::{Event, EventType, Fact, ItemStatus, Job, Position, Time};
use crate::ledger::{Ledger, ReadError};

/// Most entries of the timeline on a page.
const ENTRIES: usize = 100;
/// Events that one look at the log reads, and most looks for one page.
const LOOK: usize = 500;
const LOOKS: usize = 20;
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

/// Which events a timeline shows.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Wanted {
    /// Those of this type; `None` for all types.
    pub event_type: Option<EventType>,
    /// Only failures: of the job, of an item, of the hook.
    pub failures: bool,
}

/// A page of the timeline.
pub(super) struct Entries {
    /// Newest first.
    pub entries: Vec<Entry>,
    /// The position up to which older events lie; 0 if there are none.
    pub older: u64,
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

    /// The position up to which events of `job` lie that are not among the entries; 0 if there are none.
    pub fn older(&self, job: &Job) -> u64 {
        let all = self.entries.len() as u64 == job.events;
        self.entries.last().filter(|_| !all).map_or(0, |oldest| oldest.position - 1)
    }
}

impl Wanted {
    fn has(self, event: &Event) -> bool {
        let failed = match event {
            Event::Failed(_) => true,
            Event::ItemResult(result) => result.status == ItemStatus::Failed,
            Event::HookOutput(chunk) => chunk.exit.is_some_and(|exit| exit.code != 0),
            _ => false,
        };
        (failed || !self.failures) && self.event_type.is_none_or(|wanted| wanted == event.event_type())
    }
}

impl Entries {
    /// Reads the newest wanted events of `job`, up to the event that `job` shows. Looks at 10,000 events at the most.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn read(ledger: &Ledger, job: &Job, wanted: Wanted) -> Result<Entries, ReadError> {
        let (mut found, mut end): (Vec<Entry>, Position) = (Vec::new(), job.position);
        for _ in 0..LOOKS {
            let first = ledger.log(|log| log.before_newest(end, LOOK))?.next();
            let before = Position::new(first.get() - 1);
            let mut looked: Vec<Entry> = Vec::new();
            ledger.log(|log| {
                job_facts(log, &job.key, before, end, |fact| {
                    if wanted.has(&fact.event) {
                        looked.push(Entry::from(&fact));
                    }
                    Ok::<_, ReadError>(())
                })
            })?;
            found.extend(looked.into_iter().rev());
            if found.len() > ENTRIES {
                found.truncate(ENTRIES);
                let older = found.last().map_or(0, |oldest| oldest.position - 1);
                return Ok(Entries { entries: found, older });
            }
            if first == job.created_position {
                return Ok(Entries { entries: found, older: 0 });
            }
            // The job's event before `first` is the second newest up to it.
            end = ledger.log(|log| log.before_newest(first, 2))?.next();
        }
        Ok(Entries { entries: found, older: end.get() })
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

/// The first line of output, without what a terminal does not draw.
fn first_line(output: &str) -> String {
    let mut terminal = Terminal::default();
    terminal.write(output.lines().next().unwrap_or(""));
    let spans = terminal.finish().lines.into_iter().flat_map(|line| line.spans);
    spans.map(|span| span.text).collect()
}

/// The event in a few words.
fn text(event: &Event) -> String {
    let message = |message: &Option<String>| message.clone().unwrap_or_default();
    match event {
        Event::Created(created) => created.created_by.clone().map(|by| format!("for {by}")).unwrap_or_default(),
        Event::Started(started) => {
            let worker = started.worker.as_ref().map(|worker| format!("by worker {worker}"));
            let parts = [worker, started.message.clone()];
            parts.into_iter().flatten().collect::<Vec<_>>().join(": ")
        }
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
            None => first_line(chunk.output.as_deref().unwrap_or("")),
        },
        Event::Completed(completed) => message(&completed.message),
        Event::Failed(failed) => failed.message.clone(),
        Event::Cancelled(cancelled) => message(&cancelled.reason),
        Event::Noted(noted) => noted.text.clone(),
        Event::Redacted(redacted) => format!("event {}: {}", redacted.position, redacted.reason),
        Event::Retried(retried) => format!("as {}", retried.retried_as),
    }
}
