//! A log that may not be signed for any more goes on under a new name and key.

use std::path::PathBuf;

use super::identity::{Identity, identity};
use super::key_file;
use super::own_events::{append_own, new_origin, take_existing};
use crate::job::Position;
use crate::ledger::anchor::Anchor;
use crate::ledger::commit::Seal;
use crate::ledger::folder::Folder;
use crate::ledger::{Clock, OpenError, anchor, writable};
use crate::tree::Frontier;
use crate::wire::{LedgerContinued, PreviousLog};

/// How a log goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Continued {
    /// Its name before.
    pub previous: String,
    /// Who it is from here on.
    pub identity: Identity,
    /// The position of the event that says so.
    pub position: Position,
    /// Where the note is kept that the anchor held before, if it held one.
    pub kept: Option<PathBuf>,
}

/// Continues the log in `folder` under a new origin and key, both of which the appended event names; `None` where it takes
/// writes as it is. The key that the folder had, if any, is kept beside the new one.
///
/// Whatever made the log read-only may have touched its tree too, so that is grown again, from the leaves alone.
///
/// The event names the newest checkpoint that is known of the log before, be it the anchor's, so it says itself what was lost.
/// What the anchor holds is kept under the new name before the event is there, and replaced after it: a crash in between
/// leaves an anchor that the next start knows as the one left behind.
pub fn continue_log(folder: &Folder, clock: &Clock) -> Result<Option<Continued>, OpenError> {
    let (_lock, mut log) = take_existing(folder)?;
    let old = identity(&log.reader())?;
    let head = log.reader().head()?;
    if key_file::settle(folder, &old)? {
        return Ok(Some(Continued { previous: old.origin.clone(), identity: old, position: head, kept: None }));
    }
    if writable(folder, &log.reader(), &old)?.is_ok() {
        return Ok(None);
    }
    // One that cannot be read stops here: it would be lost unread.
    let mut anchor = Anchor::find(folder)?;
    let key = key_file::generate(&new_origin());
    let newest = anchor::newest_known(&anchor, folder, &log.reader(), &old.origin)?;
    let data = LedgerContinued {
        origin: key.name().to_owned(),
        verifier_key: key.verifier().to_string(),
        previous: PreviousLog { origin: old.origin.clone(), head: head.to_string(), checkpoint: newest },
    };
    let identity = Identity { origin: data.origin.clone(), keys: vec![key.verifier().clone()] };
    let kept = anchor.keep(&data.origin)?;
    key_file::stage(folder, &key)?;
    log.begin()?;
    append_own(&mut log, head.next(), clock(), LedgerContinued::TYPE, &data)?;
    let edge = log.grow_anew(|_, _| Ok::<(), OpenError>(()))?;
    Seal::new(&data.origin, vec![key], Frontier::EMPTY).sign(&log, edge)?;
    log.commit()?;
    key_file::settle(folder, &identity)?;
    anchor.bring_forward(&log.reader())?;
    Ok(Some(Continued { previous: old.origin, identity, position: head.next(), kept }))
}
