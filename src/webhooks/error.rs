//! Errors of `webhooks.db`, and refusals of changes of webhooks.

use super::file::{MAX_WEBHOOKS, VERSION};
use crate::job::Position;
use crate::sqlite::{self, ErrorKind};

/// Why `webhooks.db` cannot be read or changed, or why a change is refused.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// Another process holds a lock on the file, and did not release it in time.
    #[error("cannot {doing}, because another program, such as a backup, holds a lock on webhooks.db; try again")]
    Locked {
        /// The work that the lock stopped.
        doing: &'static str,
    },
    /// The file is damaged.
    #[error(
        "webhooks.db is damaged; stop the server, and put the file back from a backup, on a node of a cluster from a new backup of \
         another node; a ledger on one machine also starts without webhooks.db, webhooks.db-wal and webhooks.db-shm: then add the \
         webhooks again"
    )]
    Damaged(#[source] sqlite::Error),
    /// SQLite failed.
    #[error(transparent)]
    Sqlite(sqlite::Error),
    /// The file cannot be made.
    #[error("cannot make webhooks.db")]
    Unwritable(#[source] std::io::Error),
    /// A newer program made the file.
    #[error(
        "webhooks.db has version {found}, and this jobledger knows {VERSION}; use the newer jobledger that wrote it"
    )]
    Newer {
        /// The file's version.
        found: i64,
    },
    /// The organisation has no webhook of that id.
    #[error("no webhook `{0}` in this organisation; `jobledger webhook list` shows them")]
    Unknown(String),
    /// The file holds as many webhooks as it may.
    #[error("expected at most {MAX_WEBHOOKS} webhooks of all organisations, found as many; remove one first")]
    TooMany,
    /// The file is changed, and the other nodes of the cluster may not have the change.
    #[error(
        "the webhooks are changed on this node, and the other nodes may not have the change; look at the list of webhooks, and try again"
    )]
    NotShared,
    /// A replay would begin after events that do not exist yet.
    #[error("expected a position up to {head}, the newest of the log, found {from}")]
    BeyondHead {
        /// Where the replay would begin.
        from: Position,
        /// The newest position.
        head: Position,
    },
}

impl WebhookError {
    pub(super) fn sqlite(doing: &'static str, cause: rusqlite::Error) -> WebhookError {
        match ErrorKind::of(&cause) {
            ErrorKind::Locked => WebhookError::Locked { doing },
            _ => sqlite::Error::new(doing, cause).into(),
        }
    }

    /// Whether the change was refused, and not the file.
    pub fn is_refusal(&self) -> bool {
        matches!(self, WebhookError::Unknown(_) | WebhookError::TooMany | WebhookError::BeyondHead { .. })
    }
}

impl From<sqlite::Error> for WebhookError {
    fn from(error: sqlite::Error) -> WebhookError {
        if error.kind().is_damage() { WebhookError::Damaged(error) } else { WebhookError::Sqlite(error) }
    }
}

/// For `map_err`: names the work in an error of SQLite.
pub(super) fn doing(doing: &'static str) -> impl Fn(rusqlite::Error) -> WebhookError {
    move |cause| WebhookError::sqlite(doing, cause)
}
