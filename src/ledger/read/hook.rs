//! A hook's whole output, read from the log, because the fold keeps only its beginning.
//!
//! A cache keeps the outputs that reads of jobs took from the log. At each earlier moment a job had written the first bytes of its
//! output, as many as the fold counted, so one output in memory answers reads as of every moment.

use std::sync::Arc;

use super::ReadError;
use crate::cache::RedactableCache;
use crate::history::row_fact;
use crate::job::{Event, EventType, Job, JobKey, Position};
use crate::ledger::Ledger;
use crate::log::{Filter, Types, enough};
use crate::memory::Budget;

/// Events read at a time.
const STEP: u64 = 1000;
/// Bytes after which a chunk ends, 256 KiB: every reader of output holds one chunk.
const CHUNK: usize = 256 << 10;
/// Bytes that an output takes in memory besides its text.
const OVERHEAD: usize = 256;

/// Outputs of hooks by job, for outputs of which the fold keeps the beginning alone.
#[derive(Debug)]
pub(in crate::ledger) struct HookOutputs(RedactableCache<JobKey, Arc<KeptOutput>>);

/// A job's hook output up to an event.
#[derive(Debug, Clone, Default)]
struct KeptOutput {
    text: String,
    /// The text holds the output of each event up to here, and of no later one.
    upto: Position,
}

impl HookOutputs {
    /// An empty cache.
    pub fn new(budget: Budget) -> HookOutputs {
        HookOutputs(RedactableCache::new(budget))
    }

    /// At least the first `wanted` bytes of the job's output, if the job has that many at its own position.
    fn get(&self, ledger: &Ledger, job: &Job, wanted: usize) -> Result<Arc<KeptOutput>, ReadError> {
        let redaction = ledger.newest_redaction();
        let known = self.0.get(redaction, &job.key).unwrap_or_default();
        if known.text.len() >= wanted {
            return Ok(known);
        }
        let mut output = KeptOutput::clone(&known);
        for chunk in hook_chunks(ledger, &job.key, output.upto, job.position) {
            let chunk = chunk?;
            output.text.push_str(&chunk.text);
            output.upto = chunk.upto;
            if output.text.len() >= wanted {
                break;
            }
        }
        output.text.shrink_to_fit();
        let output = Arc::new(output);
        self.0.insert(redaction, job.key.clone(), output.clone(), OVERHEAD + output.text.len());
        Ok(output)
    }
}

/// The first `limit` bytes of the job's hook output as of the job's own position, cut on a character. May read long.
///
/// Most outputs are short, so that the fold keeps all of their bytes. Then neither the cache nor the log is read.
///
/// # Errors
///
/// The log cannot be read, or an event in it.
pub fn hook_output(ledger: &Ledger, job: &Job, limit: usize) -> Result<String, ReadError> {
    let Some(hook) = &job.hook else { return Ok(String::new()) };
    if hook.head.len() as u64 == hook.len {
        return Ok(hook.head.clone());
    }
    let wanted = usize::try_from(hook.len).map_or(limit, |len| len.min(limit));
    let output = ledger.inner.hook_outputs.get(ledger, job, wanted)?;
    Ok(output.text[..output.text.floor_char_boundary(wanted)].to_owned())
}

/// A piece of a hook's output.
pub struct HookChunk {
    /// The output of whole events.
    pub text: String,
    /// The position of the newest event that was read.
    pub upto: Position,
}

/// Reads the hook output in the job's events after `after`, up to `upto`, one piece after another. The iterator ends after an error.
pub fn hook_chunks(
    ledger: &Ledger,
    key: &JobKey,
    after: Position,
    upto: Position,
) -> impl Iterator<Item = Result<HookChunk, ReadError>> {
    let mut after = (after < upto).then_some(after);
    std::iter::from_fn(move || {
        let read = hook_chunk(ledger, key, after.take()?, upto);
        Some(read.map(|(text, next)| {
            after = next;
            HookChunk { text, upto: next.unwrap_or(upto) }
        }))
    })
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
