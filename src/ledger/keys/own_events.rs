//! The ledger's own events, and how a new log and a log of an older format are completed.

use std::borrow::Cow;

use serde::Serialize;
use uuid::Uuid;

use super::identity::identity;
use super::key_file;
use crate::job::{Position, Time};
use crate::ledger::anchor::{self, ExamineError};
use crate::ledger::append::salt;
use crate::ledger::commit::Seal;
use crate::ledger::folder::{Folder, Lock};
use crate::ledger::{Clock, OpenError, clock};
use crate::log::{self, FileState, NewEvent, Writer};
use crate::tree::Frontier;
use crate::wire::{LEDGER, Leaf, LedgerCreated, datadigest};

const LEAF_FORMAT: u32 = 1;
/// Events between two messages while the tree of an older log grows.
const TOLD_EVERY: u64 = 1_000_000;

/// Opens the log of a folder that has one, for writing.
pub(in crate::ledger) fn open_existing(folder: &Folder) -> Result<Writer, OpenError> {
    let missing = || OpenError::from(log::Error::Missing(folder.log()));
    if !folder.log().exists() {
        return Err(missing());
    }
    Writer::open(&folder.log(), false, |log, found| match found {
        FileState::Empty => Err(missing()),
        FileState::Log(format) => upgrade(log, format, folder),
    })
}

/// Takes the folder, and opens its log. A folder without a log stays as it is, without a lock file.
pub(in crate::ledger) fn take_existing(folder: &Folder) -> Result<(Lock, Writer), OpenError> {
    if !folder.log().exists() {
        return Err(log::Error::Missing(folder.log()).into());
    }
    let lock = folder.lock()?;
    let log = open_existing(folder)?;
    match log.reader().newest_message()? {
        Some(_) => Err(OpenError::IsNode(folder.path().to_owned())),
        None => Ok((lock, log)),
    }
}

/// Writes the genesis event and the first checkpoint into the open transaction. The key is on disk, staged, before the event that
/// names it; a crash before the commit leaves a staged key that no event names.
pub(in crate::ledger) fn create(
    log: &mut Writer,
    folder: &Folder,
    clock: &Clock,
    origin: &str,
) -> Result<(), OpenError> {
    let key = key_file::generate(origin);
    key_file::stage(folder, &key)?;
    let data = LedgerCreated {
        origin: key.name().to_owned(),
        leaf_format: LEAF_FORMAT,
        verifier_key: key.verifier().to_string(),
    };
    let leaf = append_own(log, Position::GENESIS, clock(), LedgerCreated::TYPE, &data)?;
    let origin = data.origin;
    Seal::new(&origin, vec![key], Frontier::EMPTY).close(log, [leaf.as_slice()])?;
    Ok(())
}

/// Completes a log of an older format: grows the tree, and signs it if the folder has the key. A log without a checkpoint stays
/// read-only, because a later signature could cover events that were changed meanwhile.
pub(in crate::ledger) fn upgrade(log: &mut Writer, found: i64, folder: &Folder) -> Result<(), OpenError> {
    if found >= log::TREE_FORMAT {
        return Ok(());
    }
    let head = log.reader().head()?;
    tracing::info!(events = head.get() + 1, "growing the tree over a log that has none");
    let edge = log.grow(&Frontier::EMPTY, |position, _| {
        if position.get() % TOLD_EVERY == TOLD_EVERY - 1 {
            tracing::info!(position = position.get(), head = head.get(), "growing the tree");
        }
        Ok::<(), OpenError>(())
    })?;
    let identity = identity(&log.reader())?;
    let unsigned = |why: &dyn std::error::Error| {
        tracing::warn!(why = why.to_string(), "the log has its tree, and no checkpoint");
    };
    match (anchor::examine(folder, &log.reader(), &identity), key_file::signing(folder, &identity)) {
        (Err(ExamineError::Open(error)), _) => return Err(error),
        // The log was put back to a state from before it had a tree.
        (Err(ExamineError::Contradiction(why)), _) => unsigned(&why),
        (Ok(_), Err(why)) => unsigned(&why),
        (Ok(_), Ok(keys)) => {
            Seal::new(&identity.origin, keys, Frontier::EMPTY).sign(log, edge)?;
        }
    }
    Ok(())
}

/// Appends an event of the ledger's own, when the clock says `now`; answers its leaf.
pub(in crate::ledger) fn append_own(
    log: &mut Writer,
    position: Position,
    now: Time,
    event_type: &'static str,
    data: &impl Serialize,
) -> Result<Vec<u8>, OpenError> {
    // Recorded times never fall, even if the clock does.
    let newest = position.get().checked_sub(1).map(|before| log.reader().recorded(Position::new(before)));
    let newest = newest.transpose()?.flatten().unwrap_or(now);
    let (time, recorded) = (clock::time(now, newest), now.max(newest));
    let data = serde_json::to_vec(data).expect("text and numbers are JSON");
    let salt = salt();
    let id = Uuid::now_v7().to_string();
    let text = Cow::Borrowed::<str>;
    let leaf = Leaf {
        specversion: text("1.0"),
        id: text(&id),
        source: text(LEDGER),
        event_type: text(event_type),
        subject: None,
        time: Cow::Owned(time.to_string()),
        datacontenttype: text("application/json"),
        dataschema: Cow::Owned(format!("/schema/events/{event_type}.v1.json")),
        position: Cow::Owned(position.to_string()),
        recordedtime: Cow::Owned(recorded.with_micros()),
        actor: text(LEDGER),
        orgid: None,
        jobkind: None,
        datadigest: Cow::Owned(datadigest(&salt, &data)),
        prev: None,
    };
    let leaf = leaf.to_bytes();
    log.append(&NewEvent {
        position,
        leaf: &leaf,
        content: Some((&data, &salt)),
        job: None,
        source: LEDGER,
        id: &id,
        event_type,
        version: 1,
        recorded,
    })?;
    Ok(leaf)
}

/// A new name for a log. It is random, so no other log has it.
pub(in crate::ledger) fn new_origin() -> String {
    format!("jobledger/{}", Uuid::new_v4())
}
