//! A hook's whole output, read from the log, because the fold keeps only its beginning.

use super::ReadError;
use crate::history::row_fact;
use crate::job::{Event, EventType, Job, JobKey, Position};
use crate::ledger::Ledger;
use crate::log::{Filter, Types, enough};

/// Events read at a time.
const STEP: u64 = 1000;
/// Bytes after which a chunk ends, 256 KiB: every reader of output holds one chunk.
const CHUNK: usize = 256 << 10;

/// The first `limit` bytes of the job's hook output as of the job's own position, cut on a character. May read long.
///
/// Most outputs are short, so that the fold keeps all of their bytes. Then the log is not read.
///
/// # Errors
///
/// The log cannot be read, or an event in it.
pub fn hook_output(ledger: &Ledger, job: &Job, limit: usize) -> Result<String, ReadError> {
    let Some(hook) = &job.hook else { return Ok(String::new()) };
    if hook.head.len() as u64 == hook.len {
        return Ok(hook.head.clone());
    }
    let mut output = String::new();
    let mut after = Some(Position::GENESIS);
    while let Some(from) = after.filter(|_| output.len() < limit && (output.len() as u64) < hook.len) {
        let (chunk, next) = hook_chunk(ledger, &job.key, from, job.position)?;
        output.push_str(&chunk);
        after = next;
    }
    output.truncate(output.floor_char_boundary(limit));
    Ok(output)
}

/// The hook output in the job's next events after `after`, up to `upto`, and the position to continue after; `None` at the end.
///
/// # Errors
///
/// As [`hook_output`].
pub fn hook_chunk(
    ledger: &Ledger,
    key: &JobKey,
    after: Position,
    upto: Position,
) -> Result<(String, Option<Position>), ReadError> {
    let types = Types::from_iter([EventType::HookOutput]);
    let filter = Filter { types, upto: Some(upto), ..Filter::of_job(key) };
    let mut output = String::new();
    let page = ledger.log(|log| {
        log.page(after, STEP, &filter, |row| {
            if let Some(Event::HookOutput(chunk)) = row_fact(log, row)?.map(|fact| fact.event) {
                output.push_str(chunk.output.as_deref().unwrap_or(""));
            }
            Ok::<_, ReadError>(enough(output.len(), CHUNK))
        })
    })?;
    Ok((output, (page.scanned < upto).then_some(page.scanned)))
}
