//! The ledger's own events: the genesis event, and the one that continues a copy under a new name.

use std::borrow::Cow;

use serde::Serialize;
use uuid::Uuid;

use super::folder::Folder;
use super::key;
use super::{Clock, OpenError};
use crate::job::{Position, Time};
use crate::log::{self, NewEvent, Reader, Writer};
use crate::tree::SigningKey;
use crate::wire::{Leaf, LedgerContinued, LedgerCreated, PreviousLog, SALT_LEN, datadigest};

/// The actor and source of the ledger's own events; no token may have this name.
pub const LEDGER: &str = "ledger";
const LEAF_FORMAT: u32 = 1;

/// Who a log is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Its unique name.
    pub origin: String,
    /// Who signs for it.
    pub verifier_key: String,
}

/// Writes the genesis event of a new log. The key is on disk before the event that names it.
pub(super) fn create(log: &mut Writer, folder: &Folder, clock: &Clock) -> Result<(), OpenError> {
    // A key without a log is what a crash between the two leaves; it has signed nothing yet.
    let key = match key::load(&folder.key())? {
        Some(key) => key,
        None => new_key(folder)?,
    };
    let data = LedgerCreated {
        origin: key.name().to_owned(),
        leaf_format: LEAF_FORMAT,
        verifier_key: key.verifier().to_string(),
    };
    append_own(log, Position::GENESIS, clock(), LedgerCreated::TYPE, &data)?;
    Ok(())
}

/// Continues the copy in `folder` under a new origin and key, both of which the appended event names; answers its position.
/// The key that the folder had, if any, is kept beside the new one.
pub fn continue_log(folder: &Folder, clock: &Clock) -> Result<(Identity, Position), OpenError> {
    let _lock = folder.lock()?;
    if !folder.log().exists() {
        return Err(log::Error::Missing(folder.log()).into());
    }
    let mut log = Writer::open(&folder.log(), false, |_| Err(OpenError::from(log::Error::Missing(folder.log()))))?;
    let old = identity(&log.reader())?;
    let head = log.reader().head()?;
    let staged = folder.path().join("ledger.key.new");
    // A crash between the commit and the rename left the key that the log names already.
    if key::load(&staged)?.is_some_and(|key| key.verifier().to_string() == old.verifier_key) {
        put_in_place(folder, &staged)?;
        return Ok((old, head));
    }
    let key = key::generate(&new_origin());
    let data = LedgerContinued {
        origin: key.name().to_owned(),
        verifier_key: key.verifier().to_string(),
        previous: PreviousLog { origin: old.origin, head: head.to_string(), checkpoint: None },
    };
    remove(&staged)?;
    key::save(&key, &staged)?;
    let recorded = log.reader().recorded(head)?.map_or(clock(), |newest| newest.max(clock()));
    log.begin()?;
    append_own(&mut log, head.next(), recorded, LedgerContinued::TYPE, &data)?;
    log.commit()?;
    put_in_place(folder, &staged)?;
    Ok((Identity { origin: data.origin, verifier_key: data.verifier_key }, head.next()))
}

/// Who the log is now: what its newest own event says.
pub fn identity(log: &Reader<'_>) -> Result<Identity, OpenError> {
    let unreadable = |error: &dyn std::fmt::Display| OpenError::Identity(error.to_string());
    let mut found = None;
    log.scan_own(|row| {
        let leaf = Leaf::parse(row.leaf).map_err(|error| unreadable(&error))?;
        let data = row.data.ok_or_else(|| unreadable(&"their data is missing"))?;
        found = match &*leaf.event_type {
            LedgerCreated::TYPE => {
                let data: LedgerCreated = serde_json::from_slice(data).map_err(|error| unreadable(&error))?;
                Some(Identity { origin: data.origin, verifier_key: data.verifier_key })
            }
            LedgerContinued::TYPE => {
                let data: LedgerContinued = serde_json::from_slice(data).map_err(|error| unreadable(&error))?;
                Some(Identity { origin: data.origin, verifier_key: data.verifier_key })
            }
            // A newer program's: it says nothing about the name that this one would understand.
            _ => found.take(),
        };
        Ok::<(), OpenError>(())
    })?;
    found.ok_or_else(|| unreadable(&"there is no genesis event"))
}

fn append_own(
    log: &mut Writer,
    position: Position,
    recorded: Time,
    event_type: &'static str,
    data: &impl Serialize,
) -> Result<(), OpenError> {
    let data = serde_json::to_vec(data).expect("text and numbers are JSON");
    let mut salt = [0; SALT_LEN];
    getrandom::fill(&mut salt).expect("the operating system gives randomness");
    let id = Uuid::now_v7().to_string();
    let text = Cow::Borrowed::<str>;
    let leaf = Leaf {
        specversion: text("1.0"),
        id: text(&id),
        source: text(LEDGER),
        event_type: text(event_type),
        subject: None,
        time: Cow::Owned(recorded.to_string()),
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
    let event = NewEvent {
        position,
        leaf: &leaf,
        data: &data,
        salt: &salt,
        job: None,
        source: LEDGER,
        id: &id,
        event_type,
        version: 1,
        recorded,
    };
    Ok(log.append(&event)?)
}

fn new_origin() -> String {
    format!("jobledger/{}", Uuid::new_v4())
}

fn new_key(folder: &Folder) -> Result<SigningKey, OpenError> {
    let key = key::generate(&new_origin());
    key::save(&key, &folder.key())?;
    Ok(key)
}

fn put_in_place(folder: &Folder, staged: &std::path::Path) -> Result<(), OpenError> {
    let path = folder.key();
    let failed = |cause| super::KeyError::File { path: path.clone(), cause };
    if path.exists() {
        std::fs::rename(&path, folder.path().join("ledger.key.before-recover")).map_err(failed)?;
    }
    std::fs::rename(staged, &path).map_err(failed)?;
    Folder::sync(folder.path()).map_err(failed)?;
    Ok(())
}

fn remove(path: &std::path::Path) -> Result<(), OpenError> {
    match std::fs::remove_file(path) {
        Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => {
            Err(super::KeyError::File { path: path.to_owned(), cause }.into())
        }
        _ => Ok(()),
    }
}
