//! Whether the ledger may sign for the log: its tree, its key and its anchor must all agree.

use super::anchor::{self, Anchor, ExamineError};
use super::commit::{Seal, SealError, restore};
use super::keys::key_file;
use super::{Folder, Identity, OpenError};
use crate::log::Reader;

/// Whether the ledger may sign for the log.
pub(super) enum Trust {
    /// The ledger may sign with `seal`, and brings `anchor` forward.
    Signs { seal: Box<Seal>, anchor: Anchor },
    /// The ledger takes no writes, for this reason.
    ReadOnly(String),
}

impl Trust {
    /// Compares the log in `folder` with its key and its anchor.
    ///
    /// # Errors
    ///
    /// The log or a key file cannot be read.
    pub(super) fn examine(folder: &Folder, log: &Reader<'_>, identity: &Identity) -> Result<Trust, OpenError> {
        let seal = match restore(log, identity) {
            Err(SealError::Log(error)) => return Err(error.into()),
            Err(SealError::Doubt(doubt)) => {
                Err(format!("{doubt}; continue the log under a new name with `jobledger recover`"))
            }
            Ok(edge) => match key_file::signing(folder, identity) {
                Ok(keys) => Ok(Seal::new(&identity.origin, keys, edge)),
                Err(why) => Err(why.to_string()),
            },
        };
        Ok(match (seal, anchor::examine(folder, log, identity)) {
            (_, Err(ExamineError::Open(error))) => return Err(error),
            (Ok(seal), Ok(anchor)) => Trust::Signs { seal: Box::new(seal), anchor },
            (Ok(_), Err(ExamineError::Contradiction(why))) => Trust::ReadOnly(why.to_string()),
            (Err(why), Ok(_)) => Trust::ReadOnly(why),
            (Err(why), Err(ExamineError::Contradiction(besides))) => {
                Trust::ReadOnly(format!("{why}; besides, {besides}"))
            }
        })
    }
}
