//! A hook's whole output, which the fold does not keep: read from the log.

use super::Ledger;
use super::read::{ReadError, off_thread};
use crate::job::{Event, Job, Position};
use crate::log::Filter;
use crate::views;
use crate::wire;

/// Events read at a time.
const STEP: u64 = 256;

/// The first `limit` bytes of the job's hook output as of the job's own position, cut on a character.
///
/// What the fold keeps is all there is for most hooks, and then nothing is read.
pub async fn hook_output(ledger: &Ledger, job: &Job, limit: usize) -> Result<String, ReadError> {
    let Some(hook) = &job.hook else { return Ok(String::new()) };
    if hook.head.len() as u64 == hook.len {
        return Ok(hook.head.clone());
    }
    let filter = Filter {
        org: Some(job.key.org),
        job: Some(job.key.id.clone()),
        kind: None,
        types: vec!["job.hook_output".into()],
    };
    let (ledger, upto) = (ledger.clone(), job.position);
    off_thread(move || {
        ledger.log(|log| {
            let mut output = String::new();
            let mut after = Position::GENESIS;
            while after < upto && output.len() < limit {
                let page = log.page(after, STEP, &filter, |row| {
                    if row.position <= upto && output.len() < limit {
                        let fact = wire::fact(row.position, row.leaf, row.data).map_err(views::Error::from)?;
                        if let Some(Event::HookOutput(chunk)) = fact.map(|fact| fact.event) {
                            output.push_str(chunk.output.as_deref().unwrap_or(""));
                        }
                    }
                    Ok::<(), ReadError>(())
                })?;
                if page.scanned <= after {
                    break;
                }
                after = page.scanned;
            }
            output.truncate(output.floor_char_boundary(limit));
            Ok(output)
        })
    })
    .await
}
