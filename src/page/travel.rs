//! Time travel: the place of a moment among a job's events, and the fields that the moment's event changed.

use crate::history::{self, job_facts};
use crate::job::{Job, Position};
use crate::ledger::{Ledger, ReadError};
use crate::model::ChangeTracker;

/// Most characters of a value.
const VALUE: usize = 200;
/// Most changed fields on the page.
const CHANGES: usize = 50;

/// The place of the page's moment among the job's events.
pub(super) struct Travel {
    /// Whether the page shows the past.
    pub past: bool,
    /// The number of the newest event that the page shows, counted from 1.
    pub index: u64,
    /// The number of all events of the job.
    pub total: u64,
    /// The position of the event before; `None` on the first.
    pub previous: Option<u64>,
    /// The position of the event after; `None` on the last.
    pub next: Option<u64>,
    /// The fields that the newest event changed. Empty unless the page shows the past.
    pub changes: Vec<Changed>,
}

/// A field that an event changed.
pub(super) struct Changed {
    pub field: String,
    pub from: String,
    pub to: String,
}

impl Travel {
    /// Finds the place of `shown` among the events of `now`.
    ///
    /// # Errors
    /// The log cannot be read, or the job does not fold.
    pub fn find(ledger: &Ledger, now: &Job, shown: &Job, past: bool) -> Result<Travel, ReadError> {
        // The two newest events up to the shown one lie after this position.
        let before = ledger.log(|log| log.before_newest(shown.position, 2))?;
        let previous = (shown.events > 1).then(|| before.next().get());
        let mut next = None;
        if shown.position < now.position {
            ledger.log(|log| {
                let Some(stream) = log.stream(now.key.org, &now.key.id)? else { return Ok(()) };
                log.scan_job(stream, shown.position, now.position, 1, |row| {
                    next = Some(row.position.get());
                    Ok::<_, ReadError>(())
                })
            })?;
        }
        let changes = if past { changes(ledger, shown)? } else { Vec::new() };
        Ok(Travel { past, index: shown.events, total: now.events.max(shown.events), previous, next, changes })
    }
}

/// The fields that the newest event of `job` changed.
fn changes(ledger: &Ledger, job: &Job) -> Result<Vec<Changed>, ReadError> {
    let before = Position::new(job.position.get().saturating_sub(1));
    let mut tracker = ChangeTracker::new(ledger.past(&job.key, before)?);
    let mut found = Vec::new();
    ledger.log(|log| {
        job_facts(log, &job.key, before, job.position, |fact| {
            let position = fact.position;
            found = tracker.take(fact).map_err(history::Error::misfit(position))?;
            Ok::<_, ReadError>(())
        })
    })?;
    let changed = found.into_iter().take(CHANGES).map(|change| Changed {
        field: change.pointer.trim_start_matches('/').to_owned(),
        from: excerpt(&change.from),
        to: excerpt(&change.to),
    });
    Ok(changed.collect())
}

/// A value as people read it: a text without quotes, nothing for null.
pub(super) fn excerpt(value: &serde_json::Value) -> String {
    let text = match value {
        serde_json::Value::Null => String::new(),
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match text.char_indices().nth(VALUE) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}
