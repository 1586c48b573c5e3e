//! Recovery: a read-only log continues under a new name and key.

use std::path::PathBuf;

use super::identity::{Identity, identity};
use super::key_file;
use super::own_events::{append_own, new_origin, take_existing};
use crate::job::Position;
use crate::ledger::anchor::Anchor;
use crate::ledger::commit::Seal;
use crate::ledger::folder::Folder;
use crate::ledger::trust::Trust;
use crate::ledger::{Clock, OpenError, anchor};
use crate::tree::Frontier;
use crate::wire::{LedgerContinued, PreviousLog};

/// How a log continues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Continued {
    /// The log's name before.
    pub previous: String,
    /// The log's name and key from here on.
    pub identity: Identity,
    /// The position of the event that names them.
    pub position: Position,
    /// The file that keeps the anchor's earlier note, if the anchor held one.
    pub kept: Option<PathBuf>,
}

/// Continues the log in `folder` under a new origin and key, which the appended event names; `None` if the log takes writes
/// already. The folder keeps its earlier key beside the new one.
///
/// The tree is grown again from the leaves, because the tree may be the part that is damaged. The event names the newest known
/// checkpoint of the earlier log, the anchor's included, so the event shows which events were lost. The anchor's note is kept
/// under the new name before the event is committed, and the anchor is replaced after it: a start after a crash in between
/// recognises the anchor as left behind.
///
/// # Errors
///
/// The folder, its log, its keys or its anchor cannot be read or written.
pub fn continue_log(folder: &Folder, clock: &Clock) -> Result<Option<Continued>, OpenError> {
    let (_lock, mut log) = take_existing(folder)?;
    let old = identity(&log.reader())?;
    let head = log.reader().head()?;
    if key_file::settle(folder, &old)? {
        return Ok(Some(Continued { previous: old.origin.clone(), identity: old, position: head, kept: None }));
    }
    if let Trust::Signs { .. } = Trust::examine(folder, &log.reader(), &old)? {
        return Ok(None);
    }
    // An anchor that cannot be read stops the command here, before the anchor is replaced.
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
    // A log that lost its newest events still names them here.
    log.find_newest_anew()?;
    append_own(&mut log, head.next(), clock(), LedgerContinued::TYPE, &data)?;
    let edge = log.grow_anew(|_, _| Ok::<(), OpenError>(()))?;
    Seal::new(&data.origin, vec![key], Frontier::EMPTY).sign(&log, edge)?;
    log.commit()?;
    key_file::settle(folder, &identity)?;
    anchor.bring_forward(&log.reader())?;
    Ok(Some(Continued { previous: old.origin, identity, position: head.next(), kept }))
}
