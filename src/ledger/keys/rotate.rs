//! Rotation: one more key signs for the log. The previous key signs too, until its file is taken away.

use super::identity::identity;
use super::key_file;
use super::own_events::{append_own, take_existing};
use crate::job::Position;
use crate::ledger::anchor::{self, ExamineError};
use crate::ledger::commit::{Seal, SealError, restore};
use crate::ledger::folder::{Folder, PREVIOUS_KEY_FILE};
use crate::ledger::{Clock, OpenError};
use crate::log::{self, Writer};
use crate::tree::VerifierKey;
use crate::wire::LedgerKeyAdded;

/// Why a rotation adds no key.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    /// The ledger cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The ledger takes no writes.
    #[error("the ledger is read-only: {0}")]
    ReadOnly(String),
    /// Two keys sign already.
    #[error(
        "`{0}` still signs beside the newest key; move its file away to end that (delete it only if no backup of its time is kept), then rotate again"
    )]
    Overlap(String),
}

impl From<log::Error> for RotateError {
    fn from(error: log::Error) -> RotateError {
        RotateError::Open(error.into())
    }
}

impl From<ExamineError> for RotateError {
    fn from(error: ExamineError) -> RotateError {
        match error {
            ExamineError::Contradiction(why) => RotateError::ReadOnly(why.to_string()),
            ExamineError::Open(error) => RotateError::Open(error),
        }
    }
}

impl From<SealError> for RotateError {
    fn from(error: SealError) -> RotateError {
        match error {
            SealError::Doubt(doubt) => RotateError::ReadOnly(doubt.to_string()),
            error => RotateError::Open(error.into()),
        }
    }
}

/// Adds a key to the log in `folder`: the event that names it stands under a checkpoint that the old key has signed too.
/// Answers the new verifier key and the event's position.
///
/// # Errors
///
/// The ledger is open elsewhere, cannot be opened or takes no writes, or two keys sign already.
pub fn rotate_key(folder: &Folder, clock: &Clock) -> Result<(VerifierKey, Position), RotateError> {
    let (_lock, mut log) = take_existing(folder)?;
    add_key(folder, &mut log, clock)
}

/// As [`rotate_key`], for the log of a folder that the caller has locked.
///
/// # Errors
///
/// The log takes no writes, or two keys sign already.
pub(in crate::ledger) fn add_key(
    folder: &Folder,
    log: &mut Writer,
    clock: &Clock,
) -> Result<(VerifierKey, Position), RotateError> {
    let mut identity = identity(&log.reader())?;
    // A crash between the commit and the renaming left a rotation that only has to be ended.
    if key_file::settle(folder, &identity).map_err(OpenError::from)? {
        return Ok((identity.verifier_key().clone(), log.reader().head()?));
    }
    let mut anchor = anchor::examine(folder, &log.reader(), &identity)?;
    let mut keys = key_file::signing(folder, &identity).map_err(|why| RotateError::ReadOnly(why.to_string()))?;
    if keys.len() > 1 {
        return Err(RotateError::Overlap(PREVIOUS_KEY_FILE.into()));
    }
    let edge = restore(&log.reader(), &identity)?;
    let key = key_file::generate(&identity.origin);
    let verifier = key.verifier().clone();
    key_file::stage(folder, &key).map_err(OpenError::from)?;
    let head = log.reader().head()?;
    let data = LedgerKeyAdded { verifier_key: verifier.to_string() };
    log.begin()?;
    let leaf = append_own(log, head.next(), clock(), LedgerKeyAdded::TYPE, &data)?;
    keys.insert(0, key);
    Seal::new(&identity.origin, keys, edge).close(log, [leaf.as_slice()])?;
    log.commit()?;
    identity.keys.insert(0, verifier.clone());
    key_file::settle(folder, &identity).map_err(OpenError::from)?;
    anchor.bring_forward(&log.reader())?;
    Ok((verifier, head.next()))
}
