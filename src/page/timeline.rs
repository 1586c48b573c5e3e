//! The events that the timeline of a page shows: the newest of a job, or of those that a person wants. And the job's progress over time.
//!
//! `drawn` draws each event, as it does for the evidence bundle.

use std::collections::HashSet;

use super::row::{org_query, segment};
use crate::drawn::{EntriesOf, Entry, LinksTo};
use crate::history::job_facts;
use crate::job::{Event, EventType, ItemStatus, Job, JobKey, OrgId, Position, Time};
use crate::ledger::{Ledger, ReadError};

/// Most entries of the timeline on a page.
const ENTRIES: usize = 100;
/// Events that one look at the log reads, and most looks for one page.
const LOOK: usize = 500;
const LOOKS: usize = 20;
/// Newest events that the chart shows.
const CHARTED: usize = 2000;

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
    /// Only those after this position.
    pub after: Position,
}

/// A page of the timeline.
pub(super) struct Entries {
    /// Newest first.
    pub entries: Vec<Entry>,
    /// The position up to which older events lie; 0 if there are none.
    pub older: u64,
}

/// The links of the entries of a job, for a person of the organisation `own`.
pub(super) fn links(key: &JobKey, own: OrgId) -> LinksTo {
    LinksTo::Pages { job: format!("/jobs/{}", segment(key.id.as_str())), org: org_query("", key.org, own) }
}

impl Story {
    /// Reads the story of the job up to the event that `job` shows.
    ///
    /// # Errors
    /// The log cannot be read, or the job does not fold.
    pub fn read(ledger: &Ledger, job: &Job, links: LinksTo) -> Result<Story, ReadError> {
        let start = ledger.log(|log| log.before_newest(job.position, CHARTED))?;
        let folded = ledger.past(&job.key, start)?;
        let (mut number, without_entry) =
            (folded.as_ref().map_or(0, |job| job.events), job.events.saturating_sub(ENTRIES as u64));
        let mut maker = EntriesOf::new(folded, links);
        let (mut entries, mut points) = (Vec::new(), Vec::new());
        ledger.log(|log| {
            job_facts(log, &job.key, start, job.position, |fact| {
                let time = fact.time;
                number += 1;
                match number > without_entry {
                    true => entries.push(maker.entry(log, fact)?),
                    false => maker.pass(fact)?,
                }
                points.push((time, maker.job().map_or(0, |job| job.percent())));
                Ok::<_, ReadError>(())
            })
        })?;
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
    /// The log cannot be read, or the job does not fold.
    pub fn read(ledger: &Ledger, job: &Job, wanted: Wanted, links: LinksTo) -> Result<Entries, ReadError> {
        let (found, older) = find(ledger, job, wanted)?;
        let (Some(newest), Some(oldest)) = (found.first(), found.last()) else {
            return Ok(Entries { entries: Vec::new(), older });
        };
        let before = Position::new(oldest.get() - 1);
        let mut maker = EntriesOf::new(ledger.past(&job.key, before)?, links);
        let (found, mut entries): (HashSet<Position>, _) = (found.iter().copied().collect(), Vec::new());
        ledger.log(|log| {
            job_facts(log, &job.key, before, *newest, |fact| {
                match found.contains(&fact.position) {
                    true => entries.push(maker.entry(log, fact)?),
                    false => maker.pass(fact)?,
                }
                Ok::<_, ReadError>(())
            })
        })?;
        entries.reverse();
        Ok(Entries { entries, older })
    }
}

/// The positions of the newest wanted events, newest first, and the position up to which older ones may lie; 0 if there are none.
fn find(ledger: &Ledger, job: &Job, wanted: Wanted) -> Result<(Vec<Position>, u64), ReadError> {
    let (mut found, mut end): (Vec<Position>, Position) = (Vec::new(), job.position);
    for _ in 0..LOOKS {
        let first = ledger.log(|log| log.before_newest(end, LOOK))?.next();
        let before = Position::new(first.get() - 1).max(wanted.after);
        let mut looked: Vec<Position> = Vec::new();
        ledger.log(|log| {
            job_facts(log, &job.key, before, end, |fact| {
                if wanted.has(&fact.event) {
                    looked.push(fact.position);
                }
                Ok::<_, ReadError>(())
            })
        })?;
        found.extend(looked.into_iter().rev());
        if found.len() > ENTRIES {
            found.truncate(ENTRIES);
            let older = found.last().map_or(0, |oldest| oldest.get() - 1);
            return Ok((found, older));
        }
        if first == job.created_position || first <= wanted.after.next() {
            return Ok((found, 0));
        }
        // The job's event before `first` is the second newest up to it.
        end = ledger.log(|log| log.before_newest(first, 2))?.next();
    }
    Ok((found, end.get()))
}
